#include "tables/btree_header.h"

#include <fmt/format.h>

#include <cstring>

#include "isa/bytes.h"
#include "isa/limits.h"

namespace chimera::tables {
namespace {

constexpr char magic[] = "CHIMTREE";
constexpr std::uint16_t format = 1;
constexpr std::size_t magic_size = sizeof magic - 1;
constexpr std::size_t format_at = 8, key_width_at = 10, value_width_at = 12, height_at = 14, root_at = 16,
                      entries_at = 24, blocks_at = 32, free_at = 40, trunk_at = 48;

template <typename Integer>
void put(BTreeHeader::Bytes& bytes, std::size_t at, Integer value) {
  std::memcpy(bytes.data() + at, &value, sizeof value);
}

std::string problem_with(const BTreeHeader& header) {
  if (header.shape.key_width > BTreeShape::longest_key) return fmt::format("keys of {} bytes", header.shape.key_width);
  if (header.shape.value_width > BTreeShape::widest_value) {
    return fmt::format("values of {} bytes", header.shape.value_width);
  }
  if (header.blocks == 0 || header.blocks > limits::greatest_length / limits::block_size) {
    return fmt::format("it has {} blocks", header.blocks);
  }
  if (header.root >= header.blocks) return fmt::format("its root is block {} of {}", header.root, header.blocks);
  if (header.trunk >= header.blocks) {
    return fmt::format("its free blocks are listed in block {} of {}", header.trunk, header.blocks);
  }
  const bool has_free = header.free != 0;
  if (header.free >= header.blocks || has_free != (header.trunk != 0)) {
    return fmt::format("{} free blocks of {}, listed in block {}", header.free, header.blocks, header.trunk);
  }
  const bool has_nodes = header.height != 0;
  if (header.height > BTreeHeader::greatest_height || has_nodes != (header.root != 0)) {
    return fmt::format("a height of {} below block {}", header.height, header.root);
  }
  if (has_nodes != (header.entries != 0)) return fmt::format("{} entries in {} levels", header.entries, header.height);
  return {};
}

}  // namespace

BTreeHeader::Bytes BTreeHeader::bytes() const {
  Bytes bytes{};
  std::memcpy(bytes.data(), magic, magic_size);
  put(bytes, format_at, format);
  put(bytes, key_width_at, shape.key_width);
  put(bytes, value_width_at, shape.value_width);
  put(bytes, height_at, height);
  put(bytes, root_at, root);
  put(bytes, entries_at, entries);
  put(bytes, blocks_at, blocks);
  put(bytes, free_at, free);
  put(bytes, trunk_at, trunk);
  return bytes;
}

std::expected<BTreeHeader, std::string> BTreeHeader::parse(std::span<const std::uint8_t> bytes) {
  if (bytes.size() < size || std::memcmp(bytes.data(), magic, magic_size) != 0) {
    return std::unexpected("it does not begin as an index does");
  }
  const auto written_as = load<std::uint16_t>(bytes.data() + format_at);
  if (written_as != format) return std::unexpected(fmt::format("its format is {}, not {}", written_as, format));
  BTreeHeader header;
  header.shape.key_width = load<std::uint16_t>(bytes.data() + key_width_at);
  header.shape.value_width = load<std::uint16_t>(bytes.data() + value_width_at);
  header.height = bytes[height_at];
  header.root = load<std::uint64_t>(bytes.data() + root_at);
  header.entries = load<std::uint64_t>(bytes.data() + entries_at);
  header.blocks = load<std::uint64_t>(bytes.data() + blocks_at);
  header.free = load<std::uint64_t>(bytes.data() + free_at);
  header.trunk = load<std::uint64_t>(bytes.data() + trunk_at);
  if (std::string problem = problem_with(header); !problem.empty()) return std::unexpected(std::move(problem));
  return header;
}

}  // namespace chimera::tables
