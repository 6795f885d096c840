#include "tables/table_header.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "isa/bytes.h"

namespace chimera::tables {
namespace {

constexpr std::array<std::uint8_t, 8> magic = {'c', 'h', 'i', 'm', 'T', 'a', 'b', 'l'};

void store(TableHeader::Bytes& bytes, std::size_t at, std::uint64_t value) {
  std::memcpy(&bytes[at], &value, sizeof value);
}

}  // namespace

TableHeader::Bytes TableHeader::bytes() const {
  Bytes bytes{};
  std::ranges::copy(magic, bytes.begin());
  std::memcpy(&bytes[format_offset], &format, sizeof format);
  std::memcpy(&bytes[gone_offset], &gone, sizeof gone);
  store(bytes, version_offset, version);
  store(bytes, shape_offset, shape);
  store(bytes, 32, tail);
  store(bytes, 40, live);
  store(bytes, 48, free);
  store(bytes, 56, position);
  return bytes;
}

std::expected<TableHeader, std::string> TableHeader::parse(std::span<const std::uint8_t> bytes) {
  if (bytes.size() != size || !std::ranges::equal(bytes.first(magic.size()), magic)) {
    return std::unexpected("There is no table's header at the beginning of the device.");
  }
  if (const auto given = load<std::uint32_t>(&bytes[format_offset]);
      given < first_format || given > format_with_packed) {
    return std::unexpected(fmt::format("The table has format {}, and this program knows formats {} and {} alone.",
                                       given, first_format, format_with_packed));
  }
  const auto at = [&bytes](std::size_t place) { return load<std::uint64_t>(&bytes[place]); };
  const TableHeader header{.format = load<std::uint32_t>(&bytes[format_offset]),
                           .version = at(version_offset),
                           .shape = at(shape_offset),
                           .gone = load<std::uint32_t>(&bytes[gone_offset]),
                           .tail = at(32),
                           .live = at(40),
                           .free = at(48),
                           .position = at(56)};
  if (header.tail > most_rows || header.live > header.tail || header.free > header.tail - header.live) {
    return std::unexpected(fmt::format("The table's header cannot be: {} rows and {} free ones up to row {}.",
                                       header.live, header.free, header.tail));
  }
  return header;
}

}  // namespace chimera::tables
