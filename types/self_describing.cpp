#include "types/self_describing.h"

#include <fmt/format.h>
#include <algorithm>
#include <array>
#include <bit>
#include <cassert>

#include "isa/bytes.h"
#include "isa/text.h"
#include "types/limits.h"
#include "types/order.h"

namespace chimera::types {
namespace {

using Bytes = std::vector<std::uint8_t>;

// The low 3 bits of a tag. Integers and times: the width of what follows, as a place in `widths`.
constexpr std::array<unsigned, 6> widths{0, 1, 2, 4, 8, 16};
constexpr unsigned packed = 1;        ///< array, set: one tag for all elements
constexpr unsigned with_payload = 1;  ///< enum

constexpr std::uint8_t tag_of(Kind kind, unsigned info) {
  return static_cast<std::uint8_t>(static_cast<unsigned>(kind) << 3 | info);
}

bool has_width(Kind kind) { return is_integer(kind) || is_time(kind); }
bool is_packable(Kind kind) { return has_width(kind) || is_float(kind); }

bool fits_width(const Value& value, unsigned width) {
  if (width == 16) return true;
  if (!holds_signed(value.kind())) return value.as_unsigned() >> (8 * width) == 0;
  if (width == 0) return value.as_signed() == 0;
  const I128 half = I128{1} << (8 * width - 1);
  return value.as_signed() >= -half && value.as_signed() < half;
}

unsigned shortest_width(const Value& value) {
  unsigned info = 0;
  while (!fits_width(value, widths[info])) ++info;
  return info;
}

class Encoder {
 public:
  explicit Encoder(Bytes& to) : to_{to} {}

  void value(const Value& value) {
    const Kind kind = value.kind();
    if (is_packable(kind)) {
      const unsigned info = has_width(kind) ? shortest_width(value) : 0;
      to_.push_back(tag_of(kind, info));
      return number(value, info);
    }
    switch (kind) {
      case Kind::null: return to_.push_back(tag_of(kind, 0));
      case Kind::boolean: return to_.push_back(tag_of(kind, value.as_bool() ? 1 : 0));
      case Kind::string:
      case Kind::function:
      case Kind::blob: to_.push_back(tag_of(kind, 0)); return text(value.as_bytes());
      case Kind::pointer:
        to_.push_back(tag_of(kind, 0));
        to_.insert(to_.end(), value.as_pointer().device.begin(), value.as_pointer().device.end());
        return append_integer(to_, value.as_pointer().offset);
      case Kind::array:
      case Kind::set: return items(value);
      case Kind::enumeration:
      case Kind::one_of: return variant(value);
      default: return fields(value);
    }
  }

 private:
  /// A length or count: 7 bits a byte, the low ones first, the top bit where more follow.
  void count(std::uint64_t n) {
    for (; n >= 0x80; n >>= 7) to_.push_back(static_cast<std::uint8_t>(n | 0x80));
    to_.push_back(static_cast<std::uint8_t>(n));
  }

  void text(const std::string& bytes) {
    count(bytes.size());
    to_.insert(to_.end(), bytes.begin(), bytes.end());
  }

  /// A number without its tag.
  void number(const Value& value, unsigned info) {
    if (value.kind() == Kind::f32) {
      return append_integer(to_, std::bit_cast<std::uint32_t>(static_cast<float>(value.as_real())));
    }
    if (is_float(value.kind())) return append_integer(to_, std::bit_cast<std::uint64_t>(value.as_real()));
    const U128 bits = value.as_unsigned();
    const auto* low = reinterpret_cast<const std::uint8_t*>(&bits);
    to_.insert(to_.end(), low, low + widths[info]);
  }

  void items(const Value& list) {
    const std::vector<Value>& all = list.items();
    const Kind first = all.empty() ? Kind::null : all.front().kind();
    const bool alike =
        is_packable(first) && std::ranges::all_of(all, [first](const Value& item) { return item.kind() == first; });
    to_.push_back(tag_of(list.kind(), alike ? packed : 0));
    count(all.size());
    if (!alike) {
      for (const Value& item : all) value(item);
      return;
    }
    unsigned info = has_width(first) ? 1 : 0;
    if (has_width(first)) {
      for (const Value& item : all) info = std::max(info, shortest_width(item));
    }
    to_.push_back(tag_of(first, info));
    for (const Value& item : all) number(item, info);
  }

  void fields(const Value& value) {
    to_.push_back(tag_of(value.kind(), 0));
    count(value.fields().size());
    for (const Field& field : value.fields()) {
      text(field.name);
      this->value(field.value);
    }
  }

  void variant(const Value& value) {
    const bool is_bare = value.payload() == nullptr;
    to_.push_back(tag_of(value.kind(), value.kind() == Kind::enumeration && !is_bare ? with_payload : 0));
    text(value.label());
    if (!is_bare) this->value(*value.payload());
  }

  Bytes& to_;
};

/// Each function takes what it reads off the front; nothing is read past the end.
class Decoder {
 public:
  explicit Decoder(std::span<const std::uint8_t> bytes) : rest_{bytes} {}

  [[nodiscard]] bool at_end() const { return rest_.empty(); }

  Result<Value> value(unsigned depth) {
    if (depth > limits::most_depth) {
      return corrupt(fmt::format("values are inside each other more than {} deep", limits::most_depth));
    }
    if (rest_.empty()) return cut_off();
    const auto kind = static_cast<Kind>(rest_.front() >> 3);
    const unsigned info = rest_.front() & 7;
    rest_ = rest_.subspan(1);
    if (is_packable(kind)) return number(kind, info, /*shortest=*/true);
    const unsigned most =
        kind == Kind::boolean || kind == Kind::array || kind == Kind::set || kind == Kind::enumeration;
    if (info > most || kind == Kind::any || kind == Kind::unknown) return corrupt("no value has this tag");
    switch (kind) {
      case Kind::null: return Value{};
      case Kind::boolean: return Value::boolean(info == 1);
      case Kind::string:
      case Kind::function:
      case Kind::blob: return bytes(kind);
      case Kind::pointer: return pointer();
      case Kind::array:
      case Kind::set: return items(kind, info == packed, depth);
      case Kind::enumeration:
      case Kind::one_of: return variant(kind, kind == Kind::one_of || info == with_payload, depth);
      default: return fields(kind, depth);
    }
  }

 private:
  static std::unexpected<Error> cut_off() { return corrupt("the bytes end within the value"); }

  Result<std::uint64_t> count() {
    std::uint64_t n = 0;
    for (unsigned shift = 0; shift < 63; shift += 7) {
      if (rest_.empty()) return cut_off();
      const std::uint8_t byte = rest_.front();
      rest_ = rest_.subspan(1);
      n |= std::uint64_t{byte & 0x7Fu} << shift;
      if (byte < 0x80) {
        if (byte == 0 && shift > 0) return corrupt("a count has more bytes than it needs");
        return n;
      }
    }
    return corrupt("a count is too large");
  }

  /// A count of things of which each has `least` bytes or more.
  Result<std::uint64_t> count_of(std::size_t least) {
    auto n = count();
    if (n && *n > rest_.size() / least) return cut_off();
    return n;
  }

  Result<std::string> text() {
    const auto size = count_of(1);
    if (!size) return std::unexpected(size.error());
    std::string text{reinterpret_cast<const char*>(rest_.data()), *size};
    rest_ = rest_.subspan(*size);
    return text;
  }

  Result<std::string> name() {
    auto found = text();
    if (found && !is_utf8(*found)) return corrupt("a name is not UTF-8");
    return found;
  }

  Result<Value> bytes(Kind kind) {
    auto found = text();
    if (!found) return std::unexpected(found.error());
    if (kind == Kind::blob) return Value::blob(*std::move(found));
    if (kind == Kind::function) return Value::function(*std::move(found));
    if (!is_utf8(*found)) return corrupt("a string is not UTF-8");
    return Value::string(*std::move(found));
  }

  Result<Value> pointer() {
    if (rest_.size() < 24) return cut_off();
    Pointer place;
    std::memcpy(place.device.data, rest_.data(), 16);
    place.offset = load<std::uint64_t>(rest_.data() + 16);
    rest_ = rest_.subspan(24);
    return Value::pointer(place);
  }

  Result<Value> real(Kind kind) {
    if (rest_.size() < kind_width(kind)) return cut_off();
    const bool small = kind == Kind::f32;
    const double value = small ? static_cast<double>(std::bit_cast<float>(load<std::uint32_t>(rest_.data())))
                               : std::bit_cast<double>(load<std::uint64_t>(rest_.data()));
    const Value result = Value::real(kind, value);
    const auto narrow = static_cast<float>(result.as_real());
    const bool same = small ? std::memcmp(&narrow, rest_.data(), 4) == 0
                            : std::bit_cast<std::uint64_t>(result.as_real()) == load<std::uint64_t>(rest_.data());
    if (!same) return corrupt("this NaN is not the one that is written");
    rest_ = rest_.subspan(kind_width(kind));
    return result;
  }

  /// A number behind its tag. `shortest`: it has to have the width that it would be written with alone.
  Result<Value> number(Kind kind, unsigned info, bool shortest) {
    if (is_float(kind)) return info == 0 ? real(kind) : corrupt("no value has this tag");
    if (info >= widths.size()) return corrupt("no value has this tag");
    const unsigned width = widths[info];
    if (rest_.size() < width) return cut_off();
    U128 bits = 0;
    std::memcpy(&bits, rest_.data(), width);
    rest_ = rest_.subspan(width);
    Integer integer{false, bits};
    if (holds_signed(kind) && width > 0) {
      const unsigned shift = 128 - width * 8;
      integer = integer_of(static_cast<I128>(bits << shift) >> shift);
    }
    if (!fits(kind, integer)) return corrupt(fmt::format("a number does not fit {}", kind_name(kind)));
    Value value = Value::integer(kind, integer);
    if (shortest && shortest_width(value) != info) return corrupt("a number has more bytes than it needs");
    return value;
  }

  Result<Value> items(Kind kind, bool is_packed, unsigned depth) {
    const auto n = count_of(1);
    if (!n) return std::unexpected(n.error());
    std::vector<Value> all;
    if (auto wrong = is_packed ? packed_items(*n, all) : loose_items(*n, depth, all)) {
      return std::unexpected(*std::move(wrong));
    }
    if (kind == Kind::array) return Value::array(std::move(all));
    const auto out_of_order = [](const Value& left, const Value& right) { return total_order(left, right) >= 0; };
    if (std::ranges::adjacent_find(all, out_of_order) != all.end()) return corrupt("a set is not in order");
    return Value::set(std::move(all));
  }

  std::optional<Error> loose_items(std::uint64_t n, unsigned depth, std::vector<Value>& all) {
    bool alike = true;
    for (std::uint64_t i = 0; i < n; ++i) {
      auto item = value(depth + 1);
      if (!item) return std::move(item.error());
      alike = alike && is_packable(item->kind()) && (all.empty() || item->kind() == all.front().kind());
      all.push_back(*std::move(item));
    }
    if (alike && n > 0) return corrupt("numbers of one kind are written packed").error();
    return std::nullopt;
  }

  std::optional<Error> packed_items(std::uint64_t n, std::vector<Value>& all) {
    if (rest_.empty()) return cut_off().error();
    const auto kind = static_cast<Kind>(rest_.front() >> 3);
    const unsigned info = rest_.front() & 7;
    rest_ = rest_.subspan(1);
    const bool legal = is_packable(kind) && info < widths.size() && (has_width(kind) ? info > 0 : info == 0);
    if (!legal || n == 0) return corrupt("no packed list has this tag").error();
    if (n > rest_.size() / (has_width(kind) ? widths[info] : kind_width(kind))) return cut_off().error();
    all.reserve(n);
    unsigned widest = has_width(kind) ? 1 : 0;
    for (std::uint64_t i = 0; i < n; ++i) {
      auto item = number(kind, info, /*shortest=*/false);
      if (!item) return std::move(item.error());
      if (has_width(kind)) widest = std::max(widest, shortest_width(*item));
      all.push_back(*std::move(item));
    }
    if (widest != info) return corrupt("numbers have more bytes than they need").error();
    return std::nullopt;
  }

  Result<Value> variant(Kind kind, bool has_payload, unsigned depth) {
    auto label = name();
    if (!label) return std::unexpected(label.error());
    if (!has_payload) return Value::variant(*std::move(label));
    auto payload = value(depth + 1);
    if (!payload) return payload;
    return kind == Kind::one_of ? Value::one_of(*std::move(label), *std::move(payload))
                                : Value::variant(*std::move(label), *std::move(payload));
  }

  Result<Value> fields(Kind kind, unsigned depth) {
    const auto n = count_of(2);
    if (!n) return std::unexpected(n.error());
    std::vector<Field> all;
    std::vector<std::string_view> names;
    for (std::uint64_t i = 0; i < *n; ++i) {
      auto label = name();
      if (!label) return std::unexpected(label.error());
      auto content = value(depth + 1);
      if (!content) return content;
      all.push_back({*std::move(label), *std::move(content)});
    }
    for (const Field& field : all) names.push_back(field.name);
    std::ranges::sort(names);
    if (std::ranges::adjacent_find(names) != names.end()) return corrupt("a field is there twice");
    return Value::fields(kind, std::move(all));
  }

  std::span<const std::uint8_t> rest_;
};

}  // namespace

void encode_self_describing(const Value& value, std::vector<std::uint8_t>& to) { Encoder{to}.value(value); }

Result<Value> decode_self_describing(std::span<const std::uint8_t> bytes) {
  Decoder decoder{bytes};
  auto value = decoder.value(1);
  if (value && !decoder.at_end()) return corrupt("there are bytes behind the value");
  return value;
}

}  // namespace chimera::types
