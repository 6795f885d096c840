#include "isa/words.h"

namespace chimera {
namespace {

struct Words {
  std::string_view name;
  std::string_view encoding;
};

Words words_of(Operand operand) {
  switch (operand) {
    case Operand::device: return {"device", "16 bytes, a UUID in RFC 4122 order"};
    case Operand::second_device: return {"second device", "16 bytes, a UUID"};
    case Operand::offset: return {"offset64", "u64"};
    case Operand::second_offset: return {"second offset64", "u64"};
    case Operand::count32: return {"count32", "u32"};
    case Operand::count64: return {"count64", "u64"};
    case Operand::value8: return {"value8", "u8"};
    case Operand::token: return {"token", "16 bytes"};
    case Operand::block: return {"block", "4096 bytes"};
    case Operand::name: return {"name", "u16 length, bytes: UTF-8, 1 to 255 bytes, no control characters"};
    case Operand::prefix: return {"prefix", "u16 length, bytes: what the names begin with, perhaps nothing"};
    case Operand::after: return {"after", "u16 length, bytes: the name to start after, perhaps nothing"};
    case Operand::options: return {"options", "u16 length (not 0), bytes: `key=value` pairs separated by commas"};
    case Operand::credentials: return {"credentials", "u16 length, bytes, perhaps none"};
    case Operand::columns: return {"columns", "u32 length, bytes"};
    case Operand::bytes: return {"bytes", "u32 count, bytes"};
    case Operand::device_names: return {"device names", "u32 n, n times (device, name)"};
    case Operand::operands: return {"operands", "all the bytes that the length behind the second opcode covers"};
  }
  return {};
}

Words words_of(Result result) {
  switch (result) {
    case Result::none: return {"none", "nothing"};
    case Result::byte: return {"byte", "u8"};
    case Result::bytes: return {"bytes", "as many as the count"};
    case Result::block: return {"block", "4096 bytes"};
    case Result::text: return {"text32", "u32 length, bytes"};
    case Result::extents:
      return {"extents",
              "u32 n (at most 65,536), n times (u64 length, u32 flags: 1 hole, 2 reads as zeros, 4 differs)"};
    case Result::uuid: return {"UUID", "16 bytes"};
    case Result::uuids: return {"UUIDs", "16 bytes for each device named"};
    case Result::devices: return {"devices", "u32 n (at most 65,536), n times (16 bytes UUID, u16 length, name)"};
    case Result::u64: return {"u64", "u64"};
    case Result::digest: return {"digest", "32 bytes"};
    case Result::greeting:
      return {"greeting",
              "version 3 × u8, block size u32, largest transfer u32, most open devices a session u32, session u64, "
              "features u64 (bit 0: transactions)"};
  }
  return {};
}

}  // namespace

std::string_view operand_name(Operand operand) noexcept { return words_of(operand).name; }
std::string_view operand_encoding(Operand operand) noexcept { return words_of(operand).encoding; }
std::string_view result_name(Result result) noexcept { return words_of(result).name; }
std::string_view result_encoding(Result result) noexcept { return words_of(result).encoding; }

std::vector<std::string_view> property_names(const Row& row) {
  struct Property {
    std::uint16_t bit;
    std::string_view name;
  };
  static constexpr Property all[] = {
      {properties::reads, "reads"},
      {properties::writes, "writes"},
      {properties::metadata, "metadata"},
      {properties::moves_cursor, "moves cursor"},
      {properties::sets_cursor, "sets cursor"},
      {properties::makes_current, "makes current"},
      {properties::control, "control"},
      {properties::protects, "protects"},
      {properties::needs_device, "needs device"},
  };
  std::vector<std::string_view> names;
  for (const Property& property : all) {
    if (row.has(property.bit)) names.push_back(property.name);
  }
  return names;
}

std::vector<Operand> all_operands() {
  std::vector<Operand> all;
  for (unsigned i = 0; i <= static_cast<unsigned>(Operand::operands); ++i) all.push_back(static_cast<Operand>(i));
  return all;
}

std::vector<Result> all_results() {
  std::vector<Result> all;
  for (unsigned i = 0; i <= static_cast<unsigned>(Result::greeting); ++i) all.push_back(static_cast<Result>(i));
  return all;
}

}  // namespace chimera
