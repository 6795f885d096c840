#pragma once
// What stands behind the C interface's handle of a session: a stream, and the programs under way on it.

#include <deque>
#include <list>
#include <memory>
#include <optional>
#include <string>

#include "embed/host.h"
#include "embed/program_run.h"

namespace chimera::embed {

class Store;
class Session;

/// A program that has come to its end.
struct Finished {
  Session* session;
  ProgramRun run;
};

/// Belongs to its store.
class Session {
 public:
  Session(Store& store, std::unique_ptr<Stream> stream) : store_(store), stream_(std::move(stream)) {}
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  [[nodiscard]] Store& store() const { return store_; }
  [[nodiscard]] bool is_open() const { return stream_ != nullptr; }
  [[nodiscard]] bool is_lost() const { return lost_.has_value(); }
  [[nodiscard]] const std::string& why_lost() const { return *lost_; }
  [[nodiscard]] bool has_under_way() const { return !under_way_.empty(); }

  /// True if the host could go on with it at once.
  bool send(CheckedProgram::Bytes program, void* tag, bool waited_for);
  /// Moves programs that have come to their end behind the others in `finished`; one that is waited for stays here.
  void collect(std::list<Finished>& finished);
  /// The program that was waited for, once it has come to its end: valid until the next one is sent.
  [[nodiscard]] const std::optional<ProgramRun>& awaited() const { return awaited_; }

  /// Ends the stream; the handle stays.
  void close() {
    stream_.reset();
    under_way_.clear();
  }
  /// The same where the stream must not be touched any more, not even to end it.
  void leave() {
    static_cast<void>(stream_.release());
    under_way_.clear();
  }

 private:
  void finish_front(std::list<Finished>& finished);
  void lose(std::string why, std::list<Finished>& finished);

  Store& store_;
  std::unique_ptr<Stream> stream_;
  std::deque<ProgramRun> under_way_;
  std::optional<ProgramRun> awaited_;
  std::optional<std::string> lost_;
};

}  // namespace chimera::embed
