// Parts of long values: read and written where they are, so that memory stays bounded whatever their size.

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "tables/attempt.h"
#include "tables/row_reader.h"
#include "tables/value_place.h"

namespace chimera::tables {
namespace {

using Bytes = std::span<const std::uint8_t>;

Result<> check_size(std::uint64_t count) {
  if (count <= Table::most_value_bytes) return {};
  return std::unexpected(Failure{
      Status::too_large, fmt::format("{} bytes at a time are too many: {} at most.", count, Table::most_value_bytes)});
}

/// `bad_text`: a character of a string begins before `byte`, the first that is overwritten or that behind the last
/// one. The bytes that are written are whole characters.
Result<> check_boundary(const TableShape& shape, const ValuePlace& at, std::uint64_t offset, std::uint8_t byte) {
  constexpr std::uint8_t top_bits = 0xC0, within_character = 0x80;
  if (shape.relation.columns[at.column].type.kind != types::Kind::string) return {};
  if ((byte & top_bits) != within_character) return {};
  return std::unexpected(Failure{
      Status::bad_text, fmt::format("Column {} is a string, and offset {} is in the middle of a character: whole ones "
                                    "alone can be overwritten.",
                                    shape.column_name(at.column), offset)});
}

/// Plans `bytes` in the place of as many of the value's.
Result<> plan_write(OpenTable& table, Change& change, const ValuePlace& at, std::uint64_t offset, Bytes bytes) {
  if (table.shape().relation.columns[at.column].type.kind == types::Kind::function) {
    return std::unexpected(Failure{Status::unsupported, "A function is written as a whole, or appended to."});
  }
  change.join(table);
  const types::Slot slot = at.read();
  const auto beyond = [&](std::uint64_t size) {
    return std::unexpected(Failure{Status::out_of_range, fmt::format("The value has {} bytes: {} at offset {} are not "
                                                                     "within it.",
                                                                     size, bytes.size(), offset)});
  };
  std::array<std::uint8_t, types::slot_size> changed = at.slot;
  if (!slot.is_placed()) {
    const std::uint64_t size = slot.content().size();
    if (offset > size || bytes.size() > size - offset) return beyond(size);
    for (const std::uint64_t edge : {offset, offset + bytes.size()}) {
      if (edge == size) continue;
      if (auto fits = check_boundary(table.shape(), at, edge, slot.content()[edge]); !fits) return fits;
    }
    std::ranges::copy(bytes, changed.begin() + 4 + static_cast<std::ptrdiff_t>(offset));
    write_slot(table, change, at, changed);
    return {};
  }
  if (Place(slot.place()).is_compressed()) {
    return std::unexpected(Failure{Status::unsupported, "The value is compressed: write it as a whole."});
  }
  const auto value = value_of(table, at);
  if (!value) return std::unexpected(value.error());
  if (offset > value->size || bytes.size() > value->size - offset) return beyond(value->size);
  Heap& heap = table.heap(table.shape().columns[at.column].heap);
  for (const std::uint64_t edge : {offset, offset + bytes.size()}) {
    if (edge == value->size) continue;
    std::vector<std::uint8_t> byte;
    if (auto done = heap.read(*value, edge, 1, byte); !done) return done;
    if (auto fits = check_boundary(table.shape(), at, edge, byte[0]); !fits) return fits;
  }
  if (auto done = heap.write(*value, offset, bytes); !done) return done;
  if (offset >= 4) return {};
  const Bytes in_prefix = bytes.first(std::min<std::size_t>(bytes.size(), 4 - static_cast<std::size_t>(offset)));
  std::ranges::copy(in_prefix, changed.begin() + 4 + static_cast<std::ptrdiff_t>(offset));
  write_slot(table, change, at, changed);
  return {};
}

/// Plans a change of one value by `bytes`, and commits it.
Result<> change_value(Table& of, types::Row& key, std::string_view column, Bytes bytes,
                      const std::function<Result<>(OpenTable&, Change&, const ValuePlace&)>& plan) {
  if (auto fits = check_size(bytes.size()); !fits) return fits;
  const auto done = of.retry<bool>([&](OpenTable& table) -> Result<bool> {
    const auto at = find_value(table, of.reader(), key, column);
    if (!at) return std::unexpected(at.error());
    if (auto may = check_writable(table.shape(), *at); !may) return std::unexpected(std::move(may.error()));
    if (auto fits = check_content(table.shape(), at->column, bytes); !fits) {
      return std::unexpected(std::move(fits.error()));
    }
    if (bytes.empty()) return true;
    Change change(of.link(), of.options().explained);
    if (auto planned = plan(table, change, *at); !planned) return std::unexpected(std::move(planned.error()));
    if (auto committed = change.commit(); !committed) return std::unexpected(std::move(committed.error()));
    return true;
  });
  if (!done) return std::unexpected(done.error());
  return {};
}

}  // namespace

Result<std::optional<std::uint64_t>> Table::value_size(types::Row key, std::string_view column) {
  using Size = std::optional<std::uint64_t>;
  return retry<Size>([&](OpenTable& table) -> Result<Size> {
    const auto at = find_value(table, *reader_, key, column);
    if (!at) return std::unexpected(at.error());
    const types::Slot slot = at->read();
    if (slot.is_null()) return Size();
    if (!slot.is_long()) return Size(slot.length);
    const auto value = value_of(table, *at);
    if (!value) return std::unexpected(value.error());
    return Size(value->size);
  });
}

Result<std::vector<std::uint8_t>> Table::read_value(types::Row key, std::string_view column, std::uint64_t offset,
                                                    std::uint64_t count) {
  using Found = std::vector<std::uint8_t>;
  if (auto fits = check_size(count); !fits) return std::unexpected(std::move(fits.error()));
  return retry<Found>([&](OpenTable& table) -> Result<Found> {
    const auto at = find_value(table, *reader_, key, column);
    if (!at) return std::unexpected(at.error());
    const auto range_of = [&](Bytes all) {
      const std::size_t begin = static_cast<std::size_t>(std::min<std::uint64_t>(offset, all.size()));
      const Bytes range =
          all.subspan(begin, static_cast<std::size_t>(std::min<std::uint64_t>(count, all.size() - begin)));
      return Found(range.begin(), range.end());
    };
    if (!at->read().is_placed()) return range_of(at->read().content());
    if (Place(at->read().place()).is_compressed()) {
      const auto content = read_compressed(table, *at);
      if (!content) return std::unexpected(content.error());
      return range_of(*content);
    }
    const auto value = value_of(table, *at);
    if (!value) return std::unexpected(value.error());
    Found bytes;
    if (offset >= value->size) return bytes;
    Heap& heap = table.heap(table.shape().columns[at->column].heap);
    auto done = heap.read(*value, offset, std::min(count, value->size - offset), bytes);
    if (!done) return std::unexpected(std::move(done.error()));
    return bytes;
  });
}

Result<std::optional<Table::Digest>> Table::value_digest(types::Row key, std::string_view column, std::uint64_t offset,
                                                         std::uint64_t count) {
  using Found = std::optional<Digest>;
  return retry<Found>([&](OpenTable& table) -> Result<Found> {
    const auto at = find_value(table, *reader_, key, column);
    if (!at) return std::unexpected(at.error());
    if (!at->read().is_placed() || Place(at->read().place()).is_compressed()) return Found();
    const auto value = value_of(table, *at);
    if (!value) return std::unexpected(value.error());
    if (offset >= value->size) return Found();
    const std::uint64_t size = std::min(count, value->size - offset);
    const std::size_t heap = table.shape().columns[at->column].heap;
    std::vector<HeapPart> parts;
    if (auto done = table.heap(heap).locate(*value, offset, size, parts); !done) {
      return std::unexpected(std::move(done.error()));
    }
    if (parts.empty()) return Found();
    for (std::size_t i = 1; i < parts.size(); ++i) {
      if (parts[i].offset != parts[i - 1].offset + parts[i - 1].size) return Found();
    }
    Reading reading(table.script, table.version());
    table.script.note([&] { return fmt::format("the digest of a value of column {}", column); });
    table.script.add(Program().read_digest(table.shape().heaps[heap], parts.front().offset, size));
    if (auto done = reading.run(table.link(), table.answers); !done) {
      // Others write more often than so much is read: it is not begun again, but read in pieces.
      if (is_lost_race(done.error())) return Found();
      return std::unexpected(std::move(done.error()));
    }
    Digest digest{};
    std::ranges::copy(table.answers.bytes(1), digest.begin());
    return Found(digest);
  });
}

Result<> Table::append_value(types::Row key, std::string_view column, Bytes bytes) {
  return change_value(*this, key, column, bytes,
                      [&](OpenTable& table, Change& change, const ValuePlace& at) -> Result<> {
                        const auto longer = plan_append(table, change, at, bytes);
                        return longer ? Result<>() : std::unexpected(longer.error());
                      });
}

Result<> Table::write_value(types::Row key, std::string_view column, std::uint64_t offset, Bytes bytes) {
  return change_value(*this, key, column, bytes, [&](OpenTable& table, Change& change, const ValuePlace& at) {
    return plan_write(table, change, at, offset, bytes);
  });
}

}  // namespace chimera::tables
