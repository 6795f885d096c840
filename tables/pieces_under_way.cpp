#include "tables/pieces_under_way.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "isa/utf8.h"
#include "tables/answers.h"
#include "tables/attempt.h"

namespace chimera::tables {
namespace {

/// What does not fit a transaction with fewer bytes fits none.
constexpr std::size_t least_halved = 4096;

}  // namespace

bool is_too_large_at_once(const Failure& failure) noexcept {
  return failure.status == Status::too_large && failure.instruction != Failure::nowhere;
}

/// So many bytes at the front, of which there are more.
std::size_t PiecesUnderWay::front_of(const Bytes& bytes, std::size_t most) const {
  const std::string_view front(reinterpret_cast<const char*>(bytes.data()), most);
  return whole_characters_ ? most - cut_off_at_end(front) : most;
}

Result<> PiecesUnderWay::add(Table& table, Bytes bytes, const Plan& plan) {
  while (bytes.size() > most_bytes_) {
    const auto end = bytes.begin() + static_cast<std::ptrdiff_t>(front_of(bytes, most_bytes_));
    Bytes front(bytes.begin(), end);
    bytes.erase(bytes.begin(), end);
    if (auto added = add_piece(table, std::move(front), plan); !added) return added;
  }
  return add_piece(table, std::move(bytes), plan);
}

Result<> PiecesUnderWay::add_piece(Table& table, Bytes bytes, const Plan& plan) {
  while (under_way_.size() >= most_now_) {
    Answers answers;
    Piece& oldest = under_way_.front();
    const Link::Ticket ticket = *std::exchange(oldest.ticket, {});
    if (auto done = table.link().receive(ticket, answers); !done) {
      if (auto written = write_again(table, done.error(), plan); !written) return written;
      continue;
    }
    written_ += oldest.bytes.size();
    under_way_.pop_front();
    most_now_ = std::min(most_now_ + 1, most_under_way);
  }
  under_way_.push_back({size_, std::move(bytes)});
  size_ += under_way_.back().bytes.size();
  if (auto sent = send(table, under_way_.back(), plan); !sent) return write_again(table, sent.error(), plan);
  return {};
}

Result<> PiecesUnderWay::send(Table& table, Piece& piece, const Plan& plan) {
  Change change(table.link(), table.options().explained);
  if (auto planned = plan(table.opened(), change, piece); !planned) return planned;
  const auto sent = change.send();
  if (!sent) return std::unexpected(sent.error());
  piece.ticket = *sent;
  return {};
}

Result<> PiecesUnderWay::settle(Table& table, const Plan& plan) {
  Answers answers;
  while (!under_way_.empty()) {
    const Link::Ticket ticket = *std::exchange(under_way_.front().ticket, {});
    if (auto done = table.link().receive(ticket, answers); !done) return write_again(table, done.error(), plan);
    written_ += under_way_.front().bytes.size();
    under_way_.pop_front();
  }
  return {};
}

void PiecesUnderWay::wait_and_drop(Table& table) {
  Answers answers;
  for (const Piece& piece : std::exchange(under_way_, {})) {
    if (piece.ticket) static_cast<void>(table.link().receive(*piece.ticket, answers));
  }
}

/// Those behind a piece that has failed have failed too, since each checks the version that the one before it was to
/// write. One by one now: whoever disturbs may do so again.
Result<> PiecesUnderWay::write_again(Table& table, const Failure& why, const Plan& plan) {
  std::deque<Piece> pieces = std::exchange(under_way_, {});
  Answers answers;
  // The first of them says why: it has failed when it has no ticket any more. `why` may be the last, which was not
  // sent.
  std::optional<Failure> first;
  if (!pieces.front().ticket) first = why;
  most_now_ = 1;
  std::erase_if(pieces, [&](const Piece& piece) {
    if (!piece.ticket) return false;
    const auto done = table.link().receive(*piece.ticket, answers);
    if (done) written_ += piece.bytes.size();
    if (!done && !first) first = done.error();
    return done.has_value();
  });
  // What is kept in memory is what they were to leave. Where one was too large it is made anew as behind a lost race.
  Failure reason = first.value_or(why);
  if (is_too_large_at_once(reason)) reason.status = Status::conflict;
  if (auto again = table.prepare_again(reason, 1); !again) return again;
  for (const Piece& piece : pieces) {
    if (auto written = write(table, piece, plan); !written) return written;
  }
  return {};
}

/// In as many transactions as it takes.
Result<> PiecesUnderWay::write(Table& table, const Piece& piece, const Plan& plan) {
  for (std::size_t at = 0; at < piece.bytes.size();) {
    const auto rest = piece.bytes.begin() + static_cast<std::ptrdiff_t>(at);
    Piece part{piece.offset + at, Bytes(rest, piece.bytes.end())};
    if (part.bytes.size() > most_bytes_) part.bytes.resize(front_of(part.bytes, most_bytes_));
    const auto done = table.retry<bool>([&](OpenTable& open) -> Result<bool> {
      Change change(table.link(), table.options().explained);
      if (auto planned = plan(open, change, part); !planned) return std::unexpected(std::move(planned.error()));
      if (auto committed = change.commit(); !committed) return std::unexpected(std::move(committed.error()));
      return true;
    });
    if (done) {
      written_ += part.bytes.size();
      at += part.bytes.size();
      continue;
    }
    const bool may_halve = is_too_large_at_once(done.error()) && part.bytes.size() > least_halved;
    if (!may_halve) return std::unexpected(done.error());
    most_bytes_ = part.bytes.size() / 2;
  }
  return {};
}

}  // namespace chimera::tables
