#include "links/remote_link.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <cstring>

#include "isa/opcodes.h"
#include "server/address.h"
#include "tables/answers.h"

namespace chimera::links {
namespace {

/// What has come upon a break so many times is not sent again: that is no longer bad luck.
constexpr unsigned most_breaks = 8;

bool is_transaction(const tables::Script& script) {
  return !script.empty() && script.questions().front().operation == Operation::begin &&
         script.questions().back().operation == Operation::commit;
}

Program::Token make_token() {
  const std::uint64_t numbers[] = {tables::random_number(), tables::random_number()};
  Program::Token token;
  static_assert(sizeof numbers == sizeof token);
  std::memcpy(token.data(), numbers, token.size());
  return token;
}

}  // namespace

std::expected<std::unique_ptr<RemoteLink>, std::string> RemoteLink::connect(const std::string& address,
                                                                            std::uint64_t patience_ms) {
  const auto parsed = server::parse_address(address);
  if (!parsed) return std::unexpected(parsed.error());
  auto client = server::Client::connect(*parsed, silence_ms);
  if (!client) return std::unexpected(fmt::format("{} Is a server running there (chimera serve)?", client.error()));
  return std::unique_ptr<RemoteLink>(new RemoteLink(std::move(*client), *parsed, patience_ms));
}

tables::Result<> RemoteLink::run(const tables::Script& script, tables::Answers& answers) {
  settle();
  for (unsigned breaks = 0;;) {
    post(script);
    tables::Result<> outcome = collect(script, answers);
    if (!is_lost_ || script.changes() || ++breaks == most_breaks) return outcome;
  }
}

tables::Link::Ticket RemoteLink::send(tables::Script script) {
  post(script);
  return under_way_.add(std::move(script));
}

tables::Result<> RemoteLink::receive(Ticket ticket, tables::Answers& answers) {
  return under_way_.receive(ticket, answers,
                            [this](const tables::Script& of, tables::Answers& to) { return collect(of, to); });
}

void RemoteLink::settle() {
  under_way_.settle([this](const tables::Script& of, tables::Answers& to) { return collect(of, to); });
}

void RemoteLink::post(const tables::Script& script) {
  Sent sent;
  sent.is_transaction = is_transaction(script);
  if (sent.is_transaction) sent.token = make_token();
  if (sent.is_transaction && !witness_) keep_witness();
  if (!client_) {
    sent.fate = Fate::lost;
  } else if (sent.is_transaction) {
    send_with_token(script.bytes(), sent.token);
  } else {
    client_->send(script.bytes());
  }
  unanswered_.push_back(std::move(sent));
}

/// A script's last byte is its commit.
void RemoteLink::send_with_token(std::span<const std::uint8_t> program, const Token& token) {
  const auto end = Program().commit_with_token(token);
  program = program.first(program.size() - 1);
  // In one go, so that the server runs it in one; what is large comes in many anyway, and is not copied.
  constexpr std::size_t most_copied = 64 * 1024;
  if (program.size() > most_copied) {
    client_->send(program);
    client_->send(end.bytes());
    return;
  }
  program_.assign(program.begin(), program.end());
  program_.insert(program_.end(), end.bytes().begin(), end.bytes().end());
  client_->send(program_);
}

/// Before the first transaction: one that does nothing. Tokens are forgotten in the order of their commits, so as long
/// as this one is known, one that came behind it and is not known has not been committed.
void RemoteLink::keep_witness() {
  settle();
  tables::Script script;
  tables::Answers answers;
  script.begin();
  script.commit();
  for (unsigned breaks = 0; client_ && breaks < most_breaks; ++breaks) {
    const Token token = make_token();
    send_with_token(script.bytes(), token);
    const Arrived arrived = take_answers(script, answers);
    if (arrived && answers.outcome(script)) witness_ = token;
    // What fails here fails again behind it, and is told then.
    if (arrived) return;
    connect_again(arrived.error());
  }
}

/// The answers to the oldest script that has none yet.
tables::Result<> RemoteLink::collect(const tables::Script& script, tables::Answers& answers) {
  is_lost_ = false;
  assert(!unanswered_.empty());
  if (!unanswered_.front().fate) {
    const Arrived arrived = take_answers(script, answers);
    if (arrived) {
      const Sent sent = std::move(unanswered_.front());
      unanswered_.pop_front();
      tables::Result<> outcome = answers.outcome(script);
      if (outcome && sent.is_transaction) witness_ = sent.token;
      if (!outcome && outcome.error().is_in_doubt) outcome.error().words.append(" ").append(how_to_ask(sent.token));
      return outcome;
    }
    connect_again(arrived.error());
  }
  const Sent sent = std::move(unanswered_.front());
  unanswered_.pop_front();
  return tell_fate(sent, script, answers);
}

RemoteLink::Arrived RemoteLink::take_answers(const tables::Script& script, tables::Answers& answers) {
  static_cast<void>(answers.start());
  for (std::size_t wanted = 1; answers.size() < script.size();) {
    const auto arrived = client_->receive(wanted);
    if (!arrived) return std::unexpected(arrived.error());
    const std::size_t size = arrived->size();
    const auto taken = answers.take(script, *arrived);
    if (!taken) {
      gone_ = fmt::format("What {} sends is not an answer: is it a Chimera server?", to_string(address_));
      client_.reset();
      return std::unexpected(gone_);
    }
    client_->take(*taken);
    if (size < wanted && answers.size() < script.size()) {
      return std::unexpected(fmt::format("{} closed the connection before all answers had come.", to_string(address_)));
    }
    wanted = size - *taken + 1;
  }
  const tables::Result<> outcome = answers.outcome(script);
  if (!outcome && outcome.error().status == Status::shutting_down) return std::unexpected(outcome.error().words);
  return {};
}

void RemoteLink::close() {
  if (!client_) return;
  client_->end_input();
  for (;;) {
    const auto rest = client_->receive(1);
    if (!rest || rest->empty()) return;
    client_->take(rest->size());
  }
}

}  // namespace chimera::links
