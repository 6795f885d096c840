#pragma once
// A device as a client sees it, and finding it by what the client calls it.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "isa/builder.h"
#include "nbd/errand.h"
#include "nbd/options.h"
#include "nbd/wire.h"

namespace chimera::nbd {

struct Export {
  Uuid device{};
  std::string name;        ///< the device's
  std::string kind;        ///< of device, in a word
  std::uint64_t size = 0;  ///< in bytes, at the time of asking
  bool is_read_only = false;
};

/// Asks the machine for one export: a device's name or UUID; empty means the store's only device. A name with an `@` in
/// it is a snapshot's and read-only. What is found stays open as long as the search lives.
class ExportSearch final : private Errand {
 public:
  /// `changed` is called, while the machine runs, whenever `proceed` is to be.
  ExportSearch(vm::Machine& machine, const Options& options, std::string wanted, std::function<void()> changed);

  /// Goes on with what the machine has answered, if it has; true when the search is over.
  [[nodiscard]] bool proceed();
  /// Then: the export, or why there is none.
  [[nodiscard]] const std::optional<Export>& found() const { return found_; }
  [[nodiscard]] OptionReply refusal() const { return refusal_; }
  [[nodiscard]] const std::string& message() const { return message_; }

 private:
  enum class Stage : std::uint8_t { only_one, by_name, by_uuid, create };

  void ended() override { changed_(); }
  void ask(Stage stage);
  bool take_list(const Answer& answer);
  bool take_description(const std::vector<Answer>& answers);
  [[nodiscard]] bool may_create() const;
  bool refuse(const Answer& failed);
  bool refuse(OptionReply why, std::string message);

  const Options& options_;
  std::string wanted_;
  std::function<void()> changed_;
  Stage stage_ = Stage::by_name;
  Program asked_;
  std::optional<Export> found_;
  OptionReply refusal_ = OptionReply::unknown;
  std::string message_;
};

/// Asks the machine for the names of all devices, a page at a time.
class ExportList final : private Errand {
 public:
  ExportList(vm::Machine& machine, std::function<void()> changed);

  /// Nothing is to be taken before the machine has answered.
  [[nodiscard]] bool has_page() const { return !is_running(); }
  /// The names of the next page; less than a whole one is the last. Nothing if the machine has refused.
  [[nodiscard]] std::optional<std::vector<std::string>> take_page();
  static constexpr std::size_t page = 1024;

 private:
  void ended() override { changed_(); }
  void ask(const std::string& after);

  std::function<void()> changed_;
  Program asked_;
};

}  // namespace chimera::nbd
