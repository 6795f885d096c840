#include "tables/value_appender.h"

#include <fmt/format.h>

#include "tables/attempt.h"

namespace chimera::tables {

ValueAppender::~ValueAppender() {
  try {
    if (pieces_) pieces_->wait_and_drop(*table_);
  } catch (...) {
    pieces_.reset();  // no memory for it: they are carried out all the same, or not
  }
}

Result<> ValueAppender::add(PiecesUnderWay::Bytes bytes) {
  if (bytes.empty()) return {};
  if (!pieces_) {
    const auto kind = table_->retry<types::Kind>([this](OpenTable& open) -> Result<types::Kind> {
      const auto column = find_plain_column(open.shape(), column_);
      if (!column) return std::unexpected(column.error());
      return open.shape().relation.columns[*column].type.kind;
    });
    if (!kind) return std::unexpected(kind.error());
    // Half a function has half an instruction at its end.
    if (*kind == types::Kind::function) {
      auto added = table_->append_value(key_, column_, bytes);
      if (added) written_as_whole_ += bytes.size();
      return added;
    }
    pieces_.emplace(*kind == types::Kind::string);
  }
  auto added = pieces_->add(*table_, std::move(bytes), plan());
  if (!added) return added;
  known_ = planned_;
  known_at_ = table_->opened().version().number;
  return {};
}

Result<> ValueAppender::settle() {
  if (!pieces_) return {};
  known_.reset();
  return pieces_->settle(*table_, plan());
}

/// Where the last piece leaves it, which nobody can read before that is there; or it is looked for.
Result<ValuePlace> ValueAppender::place_in(OpenTable& open) {
  if (known_ && open.version().number == known_at_) return *known_;
  const auto at = find_value(open, table_->reader(), key_, column_);
  if (!at) return at;
  if (auto may = check_writable(open.shape(), *at); !may) return std::unexpected(std::move(may.error()));
  return at;
}

Result<> ValueAppender::plan(OpenTable& open, Change& change, const PiecesUnderWay::Piece& piece) {
  const auto at = place_in(open);
  if (!at) return std::unexpected(at.error());
  if (auto fits = check_content(open.shape(), at->column, piece.bytes); !fits) return fits;
  auto longer = plan_append(open, change, *at, piece.bytes);
  if (!longer) return std::unexpected(std::move(longer.error()));
  planned_ = *longer;
  return {};
}

PiecesUnderWay::Plan ValueAppender::plan() {
  return
      [this](OpenTable& open, Change& change, const PiecesUnderWay::Piece& piece) { return plan(open, change, piece); };
}

}  // namespace chimera::tables
