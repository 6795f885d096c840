#pragma once
// A transaction: what a session has done since `begin`, which nobody else sees before its commit.
//
// It is optimistic. Writes go to views of devices (view.h), reads are noted there; a change that somebody else makes to
// what has been read dooms the transaction at once. So whatever it has read is as if it had been read at the moment of
// the commit, and the order of the commits is the order in which transactions and other instructions seem to run.
//
// The commit takes one step: all that it does is rehearsed until nothing of it has to wait, then performed in the same
// run. The journal writes what is performed in one run into one record.

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "devices/catalogue.h"
#include "devices/store.h"
#include "vm/registers.h"
#include "vm/view.h"

namespace chimera::vm {

class MachineCore;
class StreamSession;

class Transaction final : public devices::Catalogue {
 public:
  using Device = devices::Device;
  using Outcome = devices::Outcome;
  using Waiter = devices::Waiter;

  Transaction(MachineCore& core, StreamSession& session, const Registers& at_begin);
  ~Transaction() override;
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  /// The session's registers as they were at `begin`.
  [[nodiscard]] Registers& at_begin() { return at_begin_; }
  /// What it has read has been changed: it cannot win any more.
  [[nodiscard]] bool doomed() const { return doomed_; }
  void doom() { doomed_ = true; }
  [[nodiscard]] bool has_asked_for(std::string_view name) const;
  [[nodiscard]] bool has_asked_for(const devices::Outcomes::Token& token) const;
  /// It has been told what became of this token.
  void note_outcome(const devices::Outcomes::Token& token);
  /// Not by force.
  [[nodiscard]] bool has_removed(const Device& base) const;
  [[nodiscard]] std::size_t device_count() const;
  [[nodiscard]] devices::Store& store() const;

  /// The view of a device that a handle leads to.
  [[nodiscard]] View& view(Device& device);
  /// Whether so many bytes more may be written; `too_large` if not.
  Outcome check_room(Waiter&, std::uint64_t more_bytes);
  /// What a view holds and touches.
  struct Charge {
    std::uint64_t bytes = 0;   ///< of memory
    std::uint64_t blocks = 0;  ///< of the pool, with nodes of the maps
  };
  void charge(const Charge& now, const Charge& before);
  [[nodiscard]] bool is_over_budget() const { return charged_.bytes > limits::most_transaction_bytes; }

  /// The commit is to be remembered under this token.
  void set_token(const devices::Outcomes::Token& token) { token_ = token; }
  /// Nothing would change.
  [[nodiscard]] bool reads_only() const;
  /// Devices in memory are not all that it has touched.
  [[nodiscard]] bool touches_pool() const;
  /// Goes through the commit without an effect. Waits; `conflict` if it can no longer win.
  Outcome rehearse(Waiter&);
  /// Commits, in the run in which `rehearse` has answered ready. The registers then lead to the store's devices only.
  void perform(Waiter&, Registers&);

  // The catalogue as the transaction sees it. Devices of the store are found as they are: `view` is what is to be
  // worked on. Those that only the transaction knows are found as their views.
  [[nodiscard]] Device* find(const Uuid& uuid) const override;
  [[nodiscard]] Device* find(std::string_view name) const override;
  [[nodiscard]] std::vector<Device*> list(std::string_view prefix, std::string_view after,
                                          std::size_t most) const override;
  Outcome create(Waiter&, std::string_view name, std::span<const std::uint8_t> columns, const devices::CreateOptions&,
                 Device*& made) override;
  Outcome snapshot(Waiter&, std::span<const devices::SnapshotTarget>, std::vector<Device*>& made) override;
  Outcome rename(Waiter&, Device&, std::string_view name) override;
  Outcome protect(Waiter&, Device&, bool read_only) override;
  Outcome roll_back(Waiter&, Device&, Device& content) override;
  /// Whether the device is open elsewhere is asked again by the commit, unless by force.
  Outcome remove(Waiter&, Device&) override;
  void remove_by_force(const Device& device) { forced_.insert(static_cast<const View&>(device).base()); }

 private:
  [[nodiscard]] View& as_view(Device& device) const { return static_cast<View&>(device); }
  View& enter(std::unique_ptr<View> view);
  Outcome clone_subject(Waiter&, View& of, const Uuid& uuid, std::unique_ptr<Device>& made);
  [[nodiscard]] bool is_removed(const View& view) const { return removed_.contains(view.base()); }
  void charge_entry();
  void note_name(std::string_view name) const;
  [[nodiscard]] std::uint64_t journal_bytes() const;
  void stop_watching();

  // transaction_commit.cpp
  Outcome check_can_win(Waiter&);
  Outcome check_size(Waiter&);
  void give_up_forced(bool may_go);
  Outcome rehearse_all(Waiter&);
  Outcome rehearse_view(Waiter&, View&);
  Outcome rehearse_content(Waiter&, View&);
  void make_way_for_names(Waiter&);
  void enter_new(View&, Registers&);
  void unprotect(Waiter&);
  void replace_contents();
  void remove_bases(Waiter&);
  void perform_view(Waiter&, View&);
  void perform_content(Waiter&, const View&, Device& target);

  MachineCore& core_;
  StreamSession& session_;
  Registers at_begin_;
  bool doomed_ = false;
  std::optional<devices::Outcomes::Token> token_;
  Charge charged_;
  std::size_t new_count_ = 0;                           ///< devices that only the transaction knows
  std::vector<std::unique_ptr<View>> views_;            ///< in the order in which they were made
  std::unordered_map<const Device*, View*> by_device_;  ///< of devices of the store, and the new ones' own
  std::map<std::string, View*, std::less<>> names_;     ///< that mean something else than in the store; null: nothing
  std::map<Uuid, View*> uuids_;                         ///< the same
  std::unordered_map<const View*, Device*> entered_;    ///< by the commit
  std::set<Device*> removed_;                           ///< devices of the store
  std::set<const Device*> forced_;
  mutable std::set<std::string, std::less<>> asked_names_;
  mutable std::set<std::string, std::less<>> asked_prefixes_;
  std::set<devices::Outcomes::Token> asked_tokens_;
  bool all_tokens_count_ = false;  ///< it has asked for too many to note each
};

}  // namespace chimera::vm
