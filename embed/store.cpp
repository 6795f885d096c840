#include "embed/store.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <iterator>

#include "include/chimera.h"

namespace chimera::embed {
namespace {

using Clock = std::chrono::steady_clock;

/// What reap does at a time before its caller has a turn, where nothing has come to its end: a few milliseconds.
constexpr int most_turns = 64;

/// Milliseconds until then, rounded up, so that nobody looks in vain.
int until(Clock::time_point deadline) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
  return static_cast<int>(std::max<std::int64_t>(left, 0));
}

}  // namespace

void ErrorText::set(std::string_view text) noexcept {
  const std::size_t size = std::min(text.size(), text_.size() - 1);
  std::char_traits<char>::move(text_.data(), text.data(), size);  // of an empty text, which may point nowhere, too
  text_[size] = '\0';
}

Store::~Store() { let_go(); }

/// As a crash would leave it.
void Store::let_go() {
  bool may_be_destroyed = state_ != State::broken || host_ == nullptr || host_->abandon();
  for (const auto& session : sessions_) may_be_destroyed ? session->close() : session->leave();
  if (may_be_destroyed && host_ != nullptr) {
    try {
      host_->settle();
    } catch (...) {
      may_be_destroyed = host_->abandon();
    }
  }
  if (!may_be_destroyed) static_cast<void>(host_.release());
  host_.reset();
  expect_reports(nullptr);
  wakeup_.reset();
  finished_.clear();
  state_ = State::closed;
}

bool Store::belongs_to_caller() const noexcept { return state_ == State::closed || owner_ == ::gettid(); }

void Store::open(std::unique_ptr<Host> host) {
  host_ = std::move(host);
  owner_ = ::gettid();
  more_ = false;
  state_ = State::open;
}

Outcome<> Store::close() {
  auto closed = amid_operation([&] {
    for (const auto& session : sessions_) session->close();
    return host_->close();
  });
  let_go();
  return closed;
}

Outcome<Session*> Store::connect() {
  sessions_.reserve(sessions_.size() + 1);
  auto stream = amid_operation([&] { return host_->connect(); });
  if (!stream) return std::unexpected(std::move(stream.error()));
  sessions_.push_back(std::make_unique<Session>(*this, std::move(*stream)));
  return sessions_.back().get();
}

void Store::end_session(Session& session) {
  std::erase_if(finished_, [&](const Finished& finished) { return finished.session == &session; });
  if (state_ == State::broken) session.leave();
  std::erase_if(sessions_, [&](const auto& known) { return known.get() == &session; });
  // Others may have waited for what it held.
  more_ = true;
  ring();
}

bool Store::has_under_way() const {
  return std::ranges::any_of(sessions_, [](const auto& session) { return session->has_under_way(); });
}

void Store::collect() {
  for (const auto& session : sessions_) session->collect(finished_);
}

void Store::ring() {
  if (wakeup_ != nullptr) wakeup_->set(more_ || !finished_.empty());
}

int Store::run(Session& session, CheckedProgram::Bytes program) {
  static_cast<void>(session.send(std::move(program), nullptr, true));
  amid_operation([&] {
    for (session.collect(finished_); !session.awaited(); session.collect(finished_)) go_on(-1);
  });
  ring();
  return session.awaited()->status();
}

void Store::submit(Session& session, CheckedProgram::Bytes program, void* tag) {
  if (session.send(std::move(program), tag, false)) more_ = true;
  ring();
}

void Store::advance(int timeout_ms) {
  const auto deadline = Clock::now() + std::chrono::milliseconds(std::max(timeout_ms, 0));
  collect();
  for (int turns = 1; finished_.empty(); ++turns) {
    const bool may_wait = timeout_ms != 0 && has_under_way();
    const int wait = !may_wait ? 0 : timeout_ms < 0 ? -1 : until(deadline);
    go_on(wait);
    collect();
    if (wait == 0 && (!more_ || turns >= most_turns)) return;
  }
}

const std::list<Finished>& Store::reap(std::size_t most, int timeout_ms) {
  told_.clear();
  amid_operation([&] { advance(timeout_ms); });
  // Without asking for memory: what has run is told, whatever there is.
  const auto end = std::next(finished_.begin(), static_cast<std::ptrdiff_t>(std::min(most, finished_.size())));
  told_.splice(told_.end(), finished_, finished_.begin(), end);
  ring();
  return told_;
}

Outcome<int> Store::descriptor() {
  if (wakeup_ == nullptr) {
    auto wakeup = Wakeup::make();
    if (!wakeup) return std::unexpected(std::move(wakeup.error()));
    if (auto attached = host_->attach(**wakeup); !attached) return std::unexpected(std::move(attached.error()));
    wakeup_ = std::move(*wakeup);
    ring();
  }
  return wakeup_->descriptor();
}

}  // namespace chimera::embed
