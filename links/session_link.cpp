#include "links/session_link.h"

#include "tables/answers.h"

namespace chimera::links {
namespace {

/// Unread input at which the machine begins to run it, while the caller makes the next script.
constexpr std::size_t input_worth_a_turn = 1 << 20;

}  // namespace

tables::Result<> SessionLink::run(const tables::Script& script, tables::Answers& answers) {
  settle();
  // A stream that ends in it has fewer answers, which is what they are looked at for.
  static_cast<void>(session_->run(script.bytes(), answers.start()));
  return answers.finish(script);
}

tables::Link::Ticket SessionLink::send(tables::Script script) {
  session_->feed(script.bytes());
  if (session_->unread_input() >= input_worth_a_turn) machine_.turn(0);
  return under_way_.add(std::move(script));
}

tables::Result<> SessionLink::receive(Ticket ticket, tables::Answers& answers) {
  return under_way_.receive(ticket, answers,
                            [this](const tables::Script& of, tables::Answers& to) { return collect(of, to); });
}

void SessionLink::settle() {
  under_way_.settle([this](const tables::Script& of, tables::Answers& to) { return collect(of, to); });
}

tables::Result<> SessionLink::collect(const tables::Script& script, tables::Answers& answers) {
  static_cast<void>(answers.start());
  for (;;) {
    const auto taken = answers.take(script, session_->answers());
    if (!taken) break;
    session_->take_answers(*taken);
    if (answers.size() == script.size()) break;
    const bool more = machine_.run_ready();
    if (!session_->answers().empty()) continue;
    if (!more && session_->idle()) break;
    machine_.loop().step(more ? 0 : io::Loop::forever);
  }
  return answers.outcome(script);
}

}  // namespace chimera::links
