// What becomes of a link whose connection has broken, and of what was under way.

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <thread>

#include "isa/opcodes.h"
#include "links/remote_link.h"
#include "server/address.h"
#include "tables/answers.h"

namespace chimera::links {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds first_wait(50), longest_wait(2000);
/// For one token. Others may disturb a transaction.
constexpr unsigned most_questions = 64;

std::string hex_of(const Program::Token& token) {
  std::string text;
  for (const std::uint8_t byte : token) text += fmt::format("{:02x}", byte);
  return text;
}

Uuid uuid_of(const Program::Token& token) {
  Uuid uuid;
  static_assert(sizeof uuid.data == sizeof token);
  std::memcpy(uuid.data, token.data(), token.size());
  return uuid;
}

bool reads(const tables::Script& script) {
  return std::ranges::any_of(script.questions(), [](const tables::Script::Question& question) {
    const chimera::Result result = row_of(question.operation).result;
    // Devices are created with the UUID that is answered, and those that are opened are looked at behind a failure.
    return result != chimera::Result::none && result != chimera::Result::uuid;
  });
}

}  // namespace

/// Until it is there and all that was under way is settled, or the link is given up.
void RemoteLink::connect_again(const std::string& why) {
  if (!client_) return give_up();
  last_break_ = why;
  const auto end = Clock::now() + milliseconds(patience_ms_);
  std::string last;
  client_.reset();
  for (auto wait = first_wait;; wait = std::min(2 * wait, longest_wait)) {
    auto client = server::Client::connect(address_, silence_ms);
    if (client) {
      client_ = std::move(*client);
      const Arrived settled = settle_fates();
      if (settled) return;
      if (!client_) return give_up();
      client_.reset();
      last = settled.error();
    } else {
      last = client.error();
    }
    const auto now = Clock::now();
    if (now >= end) break;
    std::this_thread::sleep_for(std::min<Clock::duration>(wait, end - now));
  }
  gone_ = fmt::format("{} It has been tried for {} s to connect again. {}", why, (patience_ms_ + 999) / 1000, last);
  give_up();
}

void RemoteLink::give_up() {
  for (Sent& sent : unanswered_) {
    if (!sent.fate) sent.fate = sent.is_transaction ? Fate::unknown : Fate::lost;
  }
}

/// In the order in which they were sent: each is a witness for the next one.
RemoteLink::Arrived RemoteLink::settle_fates() {
  for (Sent& sent : unanswered_) {
    if (sent.fate) continue;
    if (!sent.is_transaction) {
      sent.fate = Fate::lost;
    } else if (!witness_) {
      sent.fate = Fate::unknown;
      sent.why = last_break_;
    } else if (auto asked = ask_fate(sent); !asked) {
      return asked;
    }
  }
  return open_owners();
}

/// Where the answer is no, it is made final: a transaction takes the token away, and where the lost program still
/// comes, out of a buffer on its way, its effects are dropped. That transaction makes a device whose UUID is the token,
/// so that it is known whose commit has won, also where the connection breaks again amid this: the one without the
/// device. Where the refusal has failed (a full store, say), the token is told to have failed, and the lost program may
/// still come: that no is none.
RemoteLink::Arrived RemoteLink::ask_fate(Sent& sent) {
  constexpr std::size_t about_token = 0, about_witness = 1, about_device = 2;
  constexpr std::uint8_t yes = 1, no = 2;
  const Uuid uuid = uuid_of(sent.token);
  tables::Script question;
  question.add(Program().outcome_of_token(sent.token).outcome_of_token(*witness_).read_length(uuid));
  tables::Script refusal;
  refusal.begin();
  refusal.add(Program().create_device(":undone/" + hex_of(sent.token), {}, {}, uuid));
  refusal.commit();
  tables::Answers answers;
  for (unsigned tries = 1;; ++tries) {
    client_->send(question.bytes());
    if (auto arrived = take_answers(question, answers); !arrived) return arrived;
    const auto told = [&](std::size_t which) { return answers.ok(which) ? answers.bytes(which)[0] : 0; };
    const bool is_refusals_own = told(about_token) == no && sent.is_refused;
    if (told(about_token) != 0 && !is_refusals_own) {
      const bool is_refused = answers.ok(about_device);
      if (is_refused) refusals_.push_back(uuid);
      sent.fate = told(about_token) == yes && !is_refused ? Fate::committed : Fate::undone;
      if (told(about_token) != no) witness_ = sent.token;
      return {};
    }
    if (told(about_witness) != yes) break;
    sent.is_refused = true;
    send_with_token(refusal.bytes(), sent.token);
    if (auto arrived = take_answers(refusal, answers); !arrived) return arrived;
    const tables::Result<> refused = answers.outcome(refusal);
    if (refused || tries < most_questions) continue;
    sent.why = refused.error().words;
    break;
  }
  sent.fate = Fate::unknown;
  if (sent.why.empty()) {
    sent.why = fmt::format(
        "What is behind {} now knows nothing of the last transaction, nor of an earlier one: it is another store, an "
        "earlier state of it, or has committed very much since.",
        to_string(address_));
  }
  return {};
}

/// Naming a device opens it. The devices of refusals go, by force, as a session of an earlier connection may still have
/// them open. The server has answered something then, whatever was under way.
RemoteLink::Arrived RemoteLink::open_owners() {
  tables::Script script;
  tables::Answers answers;
  script.add(Program().hello());
  for (const Uuid& owner : owners) script.add(Program().read_length(owner));
  for (const Uuid& refusal : refusals_) script.add(Program().delete_device_by_force(refusal));
  client_->send(script.bytes());
  Arrived arrived = take_answers(script, answers);
  if (arrived) refusals_.clear();
  return arrived;
}

std::string RemoteLink::how_to_ask(const Token& token) const {
  return fmt::format(
      "Whether it has happened tells the server, when it is there again: send it `outcome of token hex\"{}\"` (chimera "
      "send {} PROGRAM). 1: it has. Otherwise do it again.",
      hex_of(token), to_string(address_));
}

tables::Result<> RemoteLink::tell_fate(const Sent& sent, const tables::Script& script, tables::Answers& answers) {
  const auto fails = [&](Status status, std::string words) {
    static_cast<void>(answers.start());
    return std::unexpected(tables::Failure{status, std::move(words)});
  };
  is_lost_ = sent.fate == Fate::lost && client_;
  switch (*sent.fate) {
    case Fate::committed:
      if (!reads(script)) return answers.pretend(script);
      return fails(Status::io_error, last_break_ + " The transaction has been committed; what it has read is lost.");
    case Fate::undone: return fails(Status::conflict, last_break_ + " Nothing of the transaction has happened.");
    case Fate::lost: return client_ ? fails(Status::conflict, last_break_) : fails(Status::io_error, gone_);
    case Fate::unknown: break;
  }
  auto failure = fails(Status::io_error, fmt::format("{} {}", client_ ? sent.why : gone_, how_to_ask(sent.token)));
  failure.error().is_in_doubt = true;
  return failure;
}

}  // namespace chimera::links
