#pragma once
// A store in this process as a link of tables, by the C interface: for programs that are linked with the library.

#include <cstdint>
#include <deque>
#include <memory>
#include <string>

#include "include/chimera.h"
#include "tables/link.h"
#include "tables/script.h"
#include "tables/under_way.h"

namespace chimera::links {

/// What a code of the C interface is called among tables.
[[nodiscard]] Status status_of(int code);

/// A store of its own with one session. It belongs to the thread that has opened it: others are told `denied`.
class StoreLink final : public tables::Link {
 public:
  /// As chimera_open: an empty path is none, the options may be null.
  [[nodiscard]] static tables::Result<std::unique_ptr<StoreLink>> open(const std::string& path,
                                                                       const chimera_options* options);
  StoreLink(const StoreLink&) = delete;
  StoreLink& operator=(const StoreLink&) = delete;
  /// Leaves the store in order; in another thread or process it does nothing.
  ~StoreLink() override;

  tables::Result<> run(const tables::Script& script, tables::Answers& answers) override;
  Ticket send(tables::Script script) override;
  tables::Result<> receive(Ticket ticket, tables::Answers& answers) override;

  [[nodiscard]] chimera_store* store() const { return store_; }

 private:
  /// What was sent and not collected: of a submitted program its number, else why it was not submitted.
  struct Sent {
    std::uintptr_t number = 0;
    tables::Failure refusal;
    bool may_change = false;  ///< it was submitted, and changes something
    Ticket ticket = 0;
  };

  StoreLink() = default;
  [[nodiscard]] tables::Result<> put(const tables::Script& script);
  [[nodiscard]] tables::Result<> check_caller();
  void settle();
  [[nodiscard]] tables::Result<> collect(const tables::Script& script, tables::Answers& answers);
  [[nodiscard]] std::unexpected<tables::Failure> refused(int code, const tables::Script& script) const;

  chimera_store* store_ = nullptr;
  chimera_session* session_ = nullptr;
  chimera_program* program_ = nullptr;
  tables::UnderWay under_way_;
  std::deque<Sent> unanswered_;
  std::uintptr_t last_ = 0;
};

}  // namespace chimera::links
