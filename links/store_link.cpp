#include "links/store_link.h"

#include <algorithm>
#include <utility>

#include "tables/answers.h"

namespace chimera::links {

Status status_of(int code) {
  if (code > 0) return static_cast<Status>(code);
  const bool is_not_ours = code == CHIMERA_E_THREAD || code == CHIMERA_E_REENTERED || code == CHIMERA_E_STATE;
  return is_not_ours ? Status::denied : Status::io_error;
}

tables::Result<std::unique_ptr<StoreLink>> StoreLink::open(const std::string& path, const chimera_options* options) {
  std::unique_ptr<StoreLink> link(new StoreLink);
  link->store_ = chimera_new();
  link->program_ = chimera_program_new();
  int code = link->program_ == nullptr ? CHIMERA_E_MEMORY : CHIMERA_OK;
  if (code == CHIMERA_OK) code = chimera_open(link->store_, path.empty() ? nullptr : path.c_str(), options);
  if (code != CHIMERA_OK) return std::unexpected(tables::Failure{status_of(code), chimera_error(link->store_)});
  link->session_ = chimera_session_new(link->store_);
  if (link->session_ == nullptr) {
    return std::unexpected(tables::Failure{Status::io_error, chimera_error(link->store_)});
  }
  return link;
}

StoreLink::~StoreLink() {
  // With the session everything goes that is under way. All that was answered is durable, so whatever keeps the store
  // from being closed, nothing is lost.
  chimera_session_free(session_);
  static_cast<void>(chimera_close(store_));
  chimera_program_free(program_);
  chimera_free(store_);
}

tables::Result<> StoreLink::run(const tables::Script& script, tables::Answers& answers) {
  if (auto may = check_caller(); !may) return may;
  settle();
  std::vector<std::uint8_t>& stream = answers.start();
  if (auto done = put(script); !done) return done;
  chimera_answers given;
  const int code = chimera_run(session_, program_, &given);
  if (code < 0) return refused(code, script);
  stream.assign(given.bytes, given.bytes + given.size);
  return answers.finish(script);
}

tables::Link::Ticket StoreLink::send(tables::Script script) {
  Sent sent{.number = ++last_, .refusal = {}, .may_change = script.changes()};
  tables::Result<> done = put(script);
  unanswered_.push_back({});
  if (done) {
    const int code = chimera_submit(session_, program_, reinterpret_cast<void*>(sent.number));
    if (code != CHIMERA_OK) done = refused(code, script);
  }
  if (!done) sent = {.number = 0, .refusal = std::move(done.error())};
  sent.ticket = under_way_.add(std::move(script));
  unanswered_.back() = std::move(sent);
  return unanswered_.back().ticket;
}

tables::Result<> StoreLink::receive(Ticket ticket, tables::Answers& answers) {
  const auto awaited = std::ranges::find(unanswered_, ticket, &Sent::ticket);
  if (awaited != unanswered_.end()) {
    if (auto may = check_caller(); !may) {
      may.error().is_in_doubt = awaited->may_change;
      return may;
    }
  }
  return under_way_.receive(ticket, answers,
                            [this](const tables::Script& of, tables::Answers& to) { return collect(of, to); });
}

/// Whoever may not collect answers takes none away either: they wait for the thread that may.
tables::Result<> StoreLink::check_caller() {
  if (unanswered_.empty()) return {};
  const int code = chimera_reap(store_, nullptr, 0, 0);
  if (code != CHIMERA_E_THREAD && code != CHIMERA_E_REENTERED) return {};
  return std::unexpected(tables::Failure{status_of(code), chimera_error(store_)});
}

void StoreLink::settle() {
  under_way_.settle([this](const tables::Script& of, tables::Answers& to) { return collect(of, to); });
}

tables::Result<> StoreLink::put(const tables::Script& script) {
  chimera_program_clear(program_);
  const int code = chimera_append(program_, script.bytes().data(), script.bytes().size());
  if (code == CHIMERA_OK) return {};
  return std::unexpected(tables::Failure{status_of(code), chimera_program_error(program_)});
}

/// The answers to the oldest script that has none yet.
tables::Result<> StoreLink::collect(const tables::Script& script, tables::Answers& answers) {
  const Sent sent = std::move(unanswered_.front());
  unanswered_.pop_front();
  std::vector<std::uint8_t>& stream = answers.start();
  if (sent.number == 0) return std::unexpected(sent.refusal);
  for (;;) {
    chimera_result result{};
    const int count = chimera_reap(store_, &result, 1, -1);
    if (count <= 0) {
      tables::Failure failure{Status::io_error,
                              "The answers have gone: has somebody else called chimera_reap on the link's store?"};
      if (count < 0) failure = {status_of(count), chimera_error(store_)};
      // Why ever there is no answer, the program was submitted long before.
      failure.is_in_doubt = script.changes();
      return std::unexpected(std::move(failure));
    }
    // What others have submitted is theirs to wait for, and against the rule (store_of).
    if (result.session != session_ || result.tag != reinterpret_cast<void*>(sent.number)) continue;
    if (result.status < 0) return refused(result.status, script);
    stream.assign(result.answers.bytes, result.answers.bytes + result.answers.size);
    return answers.finish(script);
  }
}

std::unexpected<tables::Failure> StoreLink::refused(int code, const tables::Script& script) const {
  tables::Failure failure{status_of(code), chimera_error(store_)};
  // All other codes are of what has not been run.
  const bool may_have_run = code == CHIMERA_E_LOST || code == CHIMERA_E_BROKEN;
  failure.is_in_doubt = may_have_run && script.changes();
  return std::unexpected(std::move(failure));
}

}  // namespace chimera::links
