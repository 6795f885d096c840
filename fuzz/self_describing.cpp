// Any bytes are a value, whose encoding they are, or an error. What stands behind a type and a newline is read as an
// entry, a content and a key of that type too.

#include "types/self_describing.h"

#include <algorithm>

#include "fuzz/check.h"
#include "fuzz/exact_copy.h"
#include "types/check.h"
#include "types/content.h"
#include "types/fixed.h"
#include "types/json.h"
#include "types/key.h"
#include "types/order.h"

namespace {

using namespace chimera::types;
using Bytes = std::span<const std::uint8_t>;

void check_free(Bytes bytes) {
  const ExactCopy copy{bytes};
  const auto value = decode_self_describing(copy.bytes());
  if (!value) return;
  std::vector<std::uint8_t> again;
  encode_self_describing(*value, again);
  FUZZ_CHECK(std::ranges::equal(again, bytes));
  const Type any = Type::of(Kind::any);
  if (check(*value, any, true)) return;  // a function that is no program
  const auto json = from_json(to_json(*value), any, true);
  FUZZ_CHECK(json && *json == *value);
}

void check_typed(Bytes bytes, const Type& type) {
  const ExactCopy copy{bytes};
  if (const auto value = value_of_content(copy.bytes(), type)) {
    std::vector<std::uint8_t> scratch;
    FUZZ_CHECK(std::ranges::equal(content_of(*value, type, scratch), bytes));
    const auto json = from_json(to_json(*value, type), type, true);
    FUZZ_CHECK(json && *json == *value);
  }
  for (const bool nullable : {false, true}) {
    if (has_order(type)) {
      Bytes rest = copy.bytes();
      if (const auto value = take_key(rest, type, nullable)) {
        std::vector<std::uint8_t> key;
        append_key(*value, type, nullable, key);
      }
    }
    if (!fixed_width(type)) continue;
    const FixedColumn column{type, nullable};
    if (bytes.size() < column.width()) continue;
    const ExactCopy entry{bytes.first(column.width())};
    if (const auto value = column.get(entry.data.get())) {
      const ExactCopy again{bytes.first(column.width())};
      column.put(*value, again.data.get());
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes input{data, size};
  check_free(input);
  const auto newline = std::ranges::find(input, '\n');
  if (newline == input.end()) return 0;
  const auto length = static_cast<std::size_t>(newline - input.begin());
  const auto type = parse_type({reinterpret_cast<const char*>(data), length});
  if (type) check_typed(input.subspan(length + 1), *type);
  return 0;
}
