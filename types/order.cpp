#include "types/order.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace chimera::types {
namespace {

/// As unsigned integers in the order of their values: NaN behind all others, -0.0 before 0.0.
std::uint64_t ordered_bits(double value) {
  const auto bits = std::bit_cast<std::uint64_t>(value);
  constexpr std::uint64_t sign = std::uint64_t{1} << 63;
  return (bits & sign) != 0 ? ~bits : bits | sign;
}

std::strong_ordering compare_bytes(std::string_view left, std::string_view right) { return left <=> right; }

std::strong_ordering compare_pointers(const Pointer& left, const Pointer& right) {
  const auto devices = std::lexicographical_compare_three_way(left.device.begin(), left.device.end(),
                                                              right.device.begin(), right.device.end());
  return devices != 0 ? devices : left.offset <=> right.offset;
}

std::strong_ordering compare_integers(const Value& left, const Value& right) {
  return holds_signed(left.kind()) ? left.as_signed() <=> right.as_signed()
                                   : left.as_unsigned() <=> right.as_unsigned();
}

/// Of values of one kind that has nothing inside it. Floats are the one kind where equal and identical differ.
std::strong_ordering compare_scalars(const Value& left, const Value& right) {
  switch (left.kind()) {
    case Kind::null: return std::strong_ordering::equal;
    case Kind::boolean: return left.as_bool() <=> right.as_bool();
    case Kind::string:
    case Kind::function:
    case Kind::blob: return compare_bytes(left.as_bytes(), right.as_bytes());
    case Kind::pointer: return compare_pointers(left.as_pointer(), right.as_pointer());
    default:
      if (is_float(left.kind())) return ordered_bits(left.as_real()) <=> ordered_bits(right.as_real());
      return compare_integers(left, right);
  }
}

std::strong_ordering compare_payloads(const Value* left, const Value* right) {
  if (left == nullptr || right == nullptr) return (left != nullptr) <=> (right != nullptr);
  return total_order(*left, *right);
}

std::weak_ordering compare_variants(const Value& left, const Value& right, const Type& type) {
  const std::size_t place = type.find(left.label()).value_or(type.members.size());
  const std::size_t other = type.find(right.label()).value_or(type.members.size());
  if (place != other) return place <=> other;
  const Value* payload = left.payload();
  if (payload == nullptr || right.payload() == nullptr || place == type.members.size()) {
    return std::weak_ordering::equivalent;
  }
  return compare(*payload, *right.payload(), type.members[place].type);
}

std::weak_ordering compare_fields(const Value& left, const Value& right, const Type& type) {
  for (std::size_t i = 0; i < type.members.size(); ++i) {
    const auto order = compare(left.fields()[i].value, right.fields()[i].value, type.members[i].type);
    if (order != 0) return order;
  }
  return std::weak_ordering::equivalent;
}

}  // namespace

bool has_order(const Type& type) {
  if (type.holds_any() || type.kind == Kind::object || type.kind == Kind::interface) return false;
  return std::ranges::all_of(type.members, [](const Member& member) { return has_order(member.type); });
}

std::weak_ordering compare(const Value& left, const Value& right, const Type& type) {
  if (left.is_null() || right.is_null()) return !left.is_null() <=> !right.is_null();
  switch (type.kind) {
    case Kind::array:
    case Kind::set:
      return std::lexicographical_compare_three_way(
          left.items().begin(), left.items().end(), right.items().begin(), right.items().end(),
          [&type](const Value& a, const Value& b) { return compare(a, b, type.element()); });
    case Kind::enumeration:
    case Kind::one_of: return compare_variants(left, right, type);
    case Kind::structure: return compare_fields(left, right, type);
    default: break;
  }
  if (is_float(type.kind)) {
    return ordered_bits(left.as_real() + 0.0) <=> ordered_bits(right.as_real() + 0.0);  // -0.0 + 0.0 is 0.0
  }
  return compare_scalars(left, right);
}

std::strong_ordering total_order(const Value& left, const Value& right) {
  if (left.kind() != right.kind()) return left.kind() <=> right.kind();
  switch (left.kind()) {
    case Kind::array:
    case Kind::set:
      return std::lexicographical_compare_three_way(left.items().begin(), left.items().end(), right.items().begin(),
                                                    right.items().end(), total_order);
    case Kind::object:
    case Kind::structure:
    case Kind::interface:
      return std::lexicographical_compare_three_way(left.fields().begin(), left.fields().end(), right.fields().begin(),
                                                    right.fields().end(), [](const Field& a, const Field& b) {
                                                      const std::strong_ordering names = compare_bytes(a.name, b.name);
                                                      return names != 0 ? names : total_order(a.value, b.value);
                                                    });
    case Kind::enumeration:
    case Kind::one_of: {
      const std::strong_ordering names = compare_bytes(left.label(), right.label());
      return names != 0 ? names : compare_payloads(left.payload(), right.payload());
    }
    default: return compare_scalars(left, right);
  }
}

}  // namespace chimera::types
