#include "types/content.h"

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

Result<Value> value_of_content(std::span<const std::uint8_t> content, const Type& type) {
  Result<Value> value;
  if (is_plain(type)) {
    std::string bytes{reinterpret_cast<const char*>(content.data()), content.size()};
    if (type.kind == Kind::blob) return Value::blob(std::move(bytes));
    value = type.kind == Kind::string ? Value::string(std::move(bytes)) : Value::function(std::move(bytes));
  } else {
    value = decode_self_describing(content);
    if (!value) return value;
  }
  if (auto wrong = check(*value, type, type.holds_any())) {
    wrong->status = Status::corrupt;
    return std::unexpected(*std::move(wrong));
  }
  return value;
}

}  // namespace chimera::types
