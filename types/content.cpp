#include "types/content.h"

#include <utility>

#include "isa/text.h"
#include "types/check.h"
#include "types/self_describing.h"

namespace chimera::types {

std::span<const std::uint8_t> content_of(const Value& value, const Type& type, std::vector<std::uint8_t>& scratch) {
  if (is_plain(type)) {
    const std::string& bytes = value.as_bytes();
    return {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()};
  }
  const std::size_t begin = scratch.size();
  encode_self_describing(value, scratch);
  return std::span<const std::uint8_t>{scratch}.subspan(begin);
}

std::optional<Error> read_content(std::span<const std::uint8_t> content, const Type& type, Value& value) {
  if (is_plain(type)) {
    value.become(type.kind, std::string_view(reinterpret_cast<const char*>(content.data()), content.size()));
    if (type.kind == Kind::blob) return std::nullopt;
  } else {
    auto decoded = decode_self_describing(content);
    if (!decoded) return std::move(decoded.error());
    value = *std::move(decoded);
  }
  auto wrong = check(value, type, type.holds_any());
  if (wrong) wrong->status = Status::corrupt;
  return wrong;
}

Result<Value> value_of_content(std::span<const std::uint8_t> content, const Type& type) {
  Value value;
  if (auto wrong = read_content(content, type, value)) return std::unexpected(*std::move(wrong));
  return value;
}

}  // namespace chimera::types
