#include "tables/blob_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "isa/utf8.h"
#include "tables/attempt.h"
#include "tables/change.h"
#include "tables/encoded_rows.h"
#include "tables/insert.h"

namespace chimera::tables {
namespace {

constexpr std::size_t prefix_size = 4;

Result<> check_column(const TableShape& shape, const ValuePlace& at) {
  const types::Type& type = shape.relation.columns[at.column].type;
  if (type.kind != types::Kind::function) return check_writable(shape, at);
  return std::unexpected(
      Failure{Status::unsupported,
              fmt::format("Column {} is of functions, which are put as a whole.", shape.column_name(at.column))});
}

/// Nothing, of a kind.
types::Value empty_value(types::Kind kind) {
  return kind == types::Kind::string ? types::Value::string({}) : types::Value::blob({});
}

}  // namespace

BlobWriter::BlobWriter(Table& table, types::Row key, std::string column, Rows rows)
    : table_(&table), key_(std::move(key)), column_(std::move(column)), rows_(rows), stage_(table, column_) {}

Result<BlobWriter> BlobWriter::begin(Table& table, types::Row key, std::string column, Rows rows) {
  BlobWriter writer(table, std::move(key), std::move(column), rows);
  // Before anything is sent, so that who sends gigabytes is told now.
  const auto may = table.retry<bool>([&](OpenTable& open) -> Result<bool> {
    const auto at = writer.find_place(open);
    if (!at) return std::unexpected(at.error());
    const auto place = find_plain_column(open.shape(), writer.column_);
    if (!place) return std::unexpected(place.error());
    if (auto fits = check_column(open.shape(), at->value_or(ValuePlace{.column = *place})); !fits) {
      return std::unexpected(std::move(fits.error()));
    }
    writer.type_ = open.shape().relation.columns[*place].type;
    if (!*at) {
      if (const auto row = writer.make_new_row(open, *place); !row) return std::unexpected(row.error());
    }
    return true;
  });
  if (!may) return std::unexpected(may.error());
  if (auto erased = writer.stage_.erase_what_is_left(); !erased) return std::unexpected(std::move(erased.error()));
  return writer;
}

Result<> BlobWriter::add(std::span<const std::uint8_t> bytes) {
  const std::uint64_t size = stage_.size() + kept_.size() + bytes.size();
  if (type_.size && size > *type_.size) {
    return std::unexpected(
        Failure{Status::too_large, fmt::format("Column {} holds {} bytes at most.", column_, *type_.size)});
  }
  const std::size_t piece_size = table_->options().blob_piece_bytes;
  while (!bytes.empty()) {
    const std::size_t count = std::min(bytes.size(), piece_size - kept_.size());
    kept_.insert(kept_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(count));
    bytes = bytes.subspan(count);
    if (kept_.size() < piece_size) break;
    if (auto done = write_kept(); !done) return done;
  }
  return {};
}

/// A character that is not whole yet stays for the next piece.
Result<> BlobWriter::write_kept() {
  const std::string_view text(reinterpret_cast<const char*>(kept_.data()), kept_.size());
  const std::size_t rest = type_.kind == types::Kind::string ? cut_off_at_end(text) : 0;
  if (auto sound = check_kept(kept_.size() - rest); !sound) return sound;
  if (!stage_.is_begun()) front_.assign(kept_.begin(), kept_.begin() + prefix_size);
  std::vector<std::uint8_t> next(kept_.end() - static_cast<std::ptrdiff_t>(rest), kept_.end());
  kept_.resize(kept_.size() - rest);
  return stage_.add(std::exchange(kept_, std::move(next)));
}

Result<> BlobWriter::check_kept(std::size_t count) {
  const OpenTable& open = table_->opened();
  const auto column = find_plain_column(open.shape(), column_);
  if (!column) return std::unexpected(column.error());
  return check_content(open.shape(), *column, std::span(kept_).first(count));
}

Result<> BlobWriter::finish() {
  if (auto sound = check_kept(kept_.size()); !sound) return sound;
  if (auto settled = stage_.settle(); !settled) return settled;
  if (!stage_.is_begun()) {
    front_.assign(kept_.begin(), kept_.begin() + static_cast<std::ptrdiff_t>(std::min(kept_.size(), prefix_size)));
  }
  const auto enter = [this](OpenTable& open) { return enter_in_row(open); };
  auto done = table_->retry<bool>(enter);
  if (!done && is_too_large_at_once(done.error()) && kept_.size() > types::most_in_slot) {
    // Its last bytes go by themselves, in pieces that fit, and with the row comes nothing more.
    if (auto added = stage_.add(std::exchange(kept_, {})); !added) return added;
    if (auto settled = stage_.settle(); !settled) return settled;
    done = table_->retry<bool>(enter);
  }
  if (!done) return std::unexpected(done.error());
  stage_.taken();
  return {};
}

/// None: the row will be new.
Result<std::optional<ValuePlace>> BlobWriter::find_place(OpenTable& open) {
  types::Row key = key_;
  if (rows_ == Rows::new_too) return find_value_if_there(open, table_->reader(), key, column_);
  auto at = find_value(open, table_->reader(), key, column_);
  if (!at) return std::unexpected(std::move(at.error()));
  return std::optional(*at);
}

Result<bool> BlobWriter::enter_in_row(OpenTable& open) {
  Change change(table_->link(), table_->options().explained);
  const auto at = find_place(open);
  if (!at) return std::unexpected(at.error());
  if (auto entered = *at ? enter_in_old_row(open, change, **at) : enter_in_new_row(open, change); !entered) {
    return std::unexpected(std::move(entered.error()));
  }
  if (auto committed = change.commit(); !committed) return std::unexpected(std::move(committed.error()));
  return true;
}

Result<> BlobWriter::enter_in_old_row(OpenTable& open, Change& change, const ValuePlace& at) {
  if (auto fits = check_column(open.shape(), at); !fits) return fits;
  Heap& heap = open.heap(open.shape().columns[at.column].heap);
  std::optional<HeapValue> old;
  if (at.read().is_placed()) {
    const auto value = value_of(open, at);
    if (!value) return std::unexpected(value.error());
    old = *value;
  }
  change.join(open);
  const auto slot = plan_slot(heap);
  if (!slot) return std::unexpected(slot.error());
  if (old) {
    if (auto erased = heap.erase(*old); !erased) return erased;
  }
  write_slot(open, change, at, *slot);
  return {};
}

/// With the values of the key, the defaults of all else, and nothing in its column.
Result<EncodedRows> BlobWriter::make_new_row(const OpenTable& open, std::uint32_t column) const {
  const types::Relation& relation = open.shape().relation;
  std::vector<types::Row> rows(1, types::Row(relation.columns.size()));
  for (std::size_t i = 0; i < relation.columns.size(); ++i) {
    if (relation.columns[i].default_value) rows[0][i] = *relation.columns[i].default_value;
  }
  for (std::size_t i = 0; i < relation.key.size(); ++i) rows[0][relation.key[i]] = key_[i];
  rows[0][column] = empty_value(type_.kind);
  auto encoded = EncodedRows::make(open.shape(), std::move(rows));
  if (encoded) return encoded;
  // There is one row, so nobody has to be told which.
  constexpr std::string_view which = "Row 0: ";
  Failure failure = std::move(encoded.error());
  if (failure.words.starts_with(which)) failure.words.erase(0, which.size());
  return std::unexpected(std::move(failure));
}

/// With the slot in its column.
Result<> BlobWriter::enter_in_new_row(OpenTable& open, Change& change) {
  const auto place = find_plain_column(open.shape(), column_);
  if (!place) return std::unexpected(place.error());
  if (auto fits = check_column(open.shape(), ValuePlace{.column = *place}); !fits) return fits;
  auto encoded = make_new_row(open, *place);
  if (!encoded) return std::unexpected(std::move(encoded.error()));
  change.join(open);
  const auto slot = plan_slot(open.heap(open.shape().columns[*place].heap));
  if (!slot) return std::unexpected(slot.error());
  encoded->set_entry(0, *place, *slot);
  const std::uint32_t places[] = {0};
  return plan_insert(open, change, *encoded, places);
}

/// What stands in the row for the whole value.
Result<std::array<std::uint8_t, types::slot_size>> BlobWriter::plan_slot(Heap& heap) {
  std::array<std::uint8_t, types::slot_size> slot{};
  if (stage_.is_begun()) {
    const auto whole = stage_.take(heap, kept_);
    if (!whole) return std::unexpected(whole.error());
    types::put_placed_slot(slot.data(), front_, whole->size, whole->place.raw());
  } else if (kept_.size() <= types::most_in_slot) {
    types::put_inside_slot(slot.data(), kept_);
  } else {
    const auto place = heap.put(kept_);
    if (!place) return std::unexpected(place.error());
    types::put_placed_slot(slot.data(), front_, kept_.size(), place->raw());
  }
  return slot;
}

}  // namespace chimera::tables
