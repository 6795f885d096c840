#pragma once
// The contract once more, as plainly as it can be said: maps, and for each instruction the list of all that is wrong
// with it. Written from the contract alone, so that the machine can be held against it.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "isa/answer.h"
#include "isa/instruction.h"
#include "tests/vm/model_bytes.h"

namespace chimera::vm::testing {

struct ModelDevice {
  Uuid uuid{};
  std::string name;
  std::string columns;
  std::string kind = "pool";
  std::string path;  ///< of a file
  std::uint64_t length = 0;
  bool fixed = false;
  bool read_only = false;
  bool deleted = false;
  int family = 0;
  ModelBytes data;
  ModelBytes metadata;
};
using ModelDevicePointer = std::shared_ptr<ModelDevice>;

struct ModelSession {
  struct Open {
    ModelDevicePointer device;
    std::optional<std::uint64_t> cursor;
  };
  std::map<Uuid, Open> open;
  std::optional<Uuid> current;
  bool current_deleted = false;
  std::set<Uuid> opened_within;  ///< by its transaction, which the model does not know
  bool in_transaction = false;
  bool failed_transaction = false;
};

class Model {
 public:
  /// `memory_only`: the store has no pool and makes devices in memory whatever kind is asked for.
  explicit Model(bool memory_only) : memory_only_(memory_only) {}

  /// What the machine should have answered, given what it did answer: that tells the UUIDs that it made up and how far
  /// extents went. Changes the model as the instruction changes the machine. Returns what is wrong with the
  /// answer, or an empty string.
  [[nodiscard]] std::string judge(std::size_t session, const Instruction& instruction, const Answer& actual);
  /// Whether nothing is wrong with an instruction, as things are.
  [[nodiscard]] bool is_sound(std::size_t session, const Instruction& instruction);
  /// The same for an instruction whose payload was over the limit.
  [[nodiscard]] std::string judge_too_large(std::size_t session, const Instruction& instruction, const Answer& actual);
  /// A model of its own: what happens to one does not happen to the other.
  [[nodiscard]] Model copy() const;
  /// The session's transaction has ended without effect, or has failed and waits for its commit or abort.
  void drop_transaction(std::size_t session) {
    sessions_[session].in_transaction = false;
    sessions_[session].opened_within.clear();
  }
  /// A transaction that is judged in a `copy` has devices open, which others cannot delete.
  void note_open(std::size_t session, const Model& within) {
    for (const auto& [uuid, open] : within.sessions_.at(session).open) sessions_[session].opened_within.insert(uuid);
  }
  void fail_transaction(std::size_t session) {
    drop_transaction(session);
    sessions_[session].failed_transaction = true;
  }
  /// Whether a commit with this token has succeeded.
  [[nodiscard]] bool has_committed(std::span<const std::uint8_t> token) const {
    const auto found = tokens_.find(std::string(token.begin(), token.end()));
    return found != tokens_.end() && found->second == 1;
  }
  /// What became of the commits with a token: 1 committed, 2 not.
  [[nodiscard]] const std::map<std::string, std::uint8_t>& tokens() const { return tokens_; }
  void note_token(std::span<const std::uint8_t> token, bool committed) {
    tokens_[std::string(token.begin(), token.end())] = committed ? 1 : 2;
  }
  void disconnect(std::size_t session) { sessions_.erase(session); }
  /// The store has been closed and opened: sessions and devices in memory are gone.
  void restart() {
    sessions_.clear();
    std::erase_if(devices_, [](const auto& device) { return device.second->kind == "memory"; });
  }
  /// Sessions run at the same time: how many devices there are at one moment is not known.
  void expect_others() { others_ = true; }
  /// From now on any instruction may answer this as well (no_space on a store that is full), and has no effect then.
  void tolerate(Status status) { tolerated_.insert(status); }

  [[nodiscard]] bool tolerates(Status status) const { return tolerated_.contains(status); }

  [[nodiscard]] const std::map<std::string, ModelDevicePointer>& devices() const { return devices_; }
  [[nodiscard]] const ModelSession& session(std::size_t number) { return sessions_[number]; }
  [[nodiscard]] const ModelDevice* find(const Uuid& uuid) const;

 private:
  /// An instruction in hand: what it touches, and all that is wrong with it.
  struct Case {
    const Instruction& instruction;
    const Answer& actual;
    ModelSession& session;
    std::size_t session_number;
    std::set<Status> wrong;
    ModelSession::Open* first = nullptr;
    ModelSession::Open* second = nullptr;
    std::uint64_t offset = 0;
    std::vector<std::uint8_t> result;
    std::string problem;  ///< of a result that is not compared byte for byte
    bool result_judged = false;
    /// What a snapshot is made of.
    std::vector<std::pair<ModelDevicePointer, std::string>> origins;
  };

  // model.cpp
  [[nodiscard]] std::string judge_control(Case&);
  void find_faults(Case&);
  void take_devices(Case&);
  ModelSession::Open* take(Case&, const Uuid&);
  void take_offset(Case&);
  void after_failure(Case&);
  [[nodiscard]] std::string finish(Case&, Status expected);
  [[nodiscard]] ModelDevicePointer pointer(const Uuid& uuid) const;

  // model_faults.cpp
  void find_early_faults(Case&);
  void find_catalogue_faults(Case&);
  void find_device_faults(Case&);
  void find_range_faults(Case&);
  void find_file_faults(Case&, const std::string& path);
  void find_name_faults(Case&, const std::vector<std::string>& names);
  [[nodiscard]] bool open_elsewhere(const Case&) const;

  // model_effects.cpp
  void carry_out_on_data(Case&);
  void carry_out_on_metadata(Case&);
  void carry_out_on_device(Case&);
  void carry_out_on_catalogue(Case&);
  void write(ModelDevice&, std::uint64_t offset, std::vector<std::uint8_t> bytes, bool is_block);
  void judge_extents(Case&, const ModelBytes&);
  void judge_differences(Case&);
  void judge_description(Case&);
  [[nodiscard]] Uuid new_uuid(Case&, std::size_t index);
  void add_clone(const ModelDevice& origin, const std::string& name, const Uuid& uuid);
  void attach_file(const ModelDevicePointer& device);
  void remove(const ModelDevicePointer& device);

  bool memory_only_;
  std::map<std::string, ModelDevicePointer> devices_;
  std::map<std::string, std::pair<ModelBytes, std::uint64_t>> files_;  ///< those that no device serves: bytes, length
  std::map<std::size_t, ModelSession> sessions_;
  std::map<std::string, std::uint8_t> tokens_;  ///< what became of them
  std::set<Status> tolerated_;
  bool others_ = false;
  std::map<Uuid, int> families_;
};

}  // namespace chimera::vm::testing
