#include "types/value.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <utility>

#include "types/order.h"

namespace chimera::types {

// Out of line: where GCC 12 inlines the assignment of a variant that holds a string it warns of copies that overlap.
Value& Value::operator=(const Value& other) = default;
Value& Value::operator=(Value&& other) noexcept = default;

void Value::become(Kind kind, std::string_view bytes) {
  if (auto* const old = std::get_if<std::string>(&content_)) {
    old->assign(bytes);
  } else {
    content_.emplace<std::string>(bytes);
  }
  kind_ = kind;
}

Value Value::real(Kind kind, double value) {
  if (!is_float(kind)) return {};
  if (std::isnan(value)) value = std::numeric_limits<double>::quiet_NaN();
  if (kind == Kind::f32) value = static_cast<double>(static_cast<float>(value));
  return {kind, value};
}

Value Value::set(std::vector<Value> items) {
  std::ranges::sort(items, [](const Value& left, const Value& right) { return total_order(left, right) < 0; });
  const auto twice = std::ranges::unique(items);
  items.erase(twice.begin(), twice.end());
  return {Kind::set, std::move(items)};
}

Value Value::fields(Kind kind, std::vector<Field> fields) {
  if (kind != Kind::object && kind != Kind::structure && kind != Kind::interface) return {};
  return {kind, std::move(fields)};
}

Value Value::variant(std::string name, Value payload) {
  std::vector<Field> one;
  one.push_back({std::move(name), std::move(payload)});
  return {Kind::enumeration, std::move(one)};
}

Value Value::one_of(std::string label, Value value) {
  std::vector<Field> one;
  one.push_back({std::move(label), std::move(value)});
  return {Kind::one_of, std::move(one)};
}

std::string Value::take_bytes() {
  std::string bytes;
  if (auto* const held = std::get_if<std::string>(&content_)) bytes = std::move(*held);
  *this = Value{};
  return bytes;
}

const std::string& Value::label() const {
  static const std::string nothing;
  if (kind_ != Kind::enumeration && kind_ != Kind::one_of) return nothing;
  const std::vector<Field>& one = content<std::vector<Field>>();
  return one.empty() ? content<std::string>() : one.front().name;
}

const Value* Value::payload() const {
  const std::vector<Field>& one = content<std::vector<Field>>();
  const bool has_one = (kind_ == Kind::enumeration || kind_ == Kind::one_of) && !one.empty();
  return !has_one ? nullptr : &one.front().value;
}

Value* Value::payload() { return const_cast<Value*>(std::as_const(*this).payload()); }

bool Value::operator==(const Value& other) const {
  if (kind_ != other.kind_) return false;
  if (const double* real = std::get_if<double>(&content_)) {
    return std::bit_cast<std::uint64_t>(*real) == std::bit_cast<std::uint64_t>(other.as_real());
  }
  return content_ == other.content_;
}

}  // namespace chimera::types
