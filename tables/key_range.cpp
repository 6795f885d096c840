#include "tables/key_range.h"

#include <algorithm>
#include <utility>

#include "types/key.h"
#include "types/order.h"

namespace chimera::tables {
namespace {

using Key = std::vector<std::uint8_t>;
using types::Value;

/// The least bytes behind all that begin with these; nothing if there are none. No key is the beginning of another one,
/// so a value's key and what follows it lie between the key and this.
std::optional<Key> behind_all(Key key) {
  while (!key.empty() && key.back() == 0xFF) key.pop_back();
  if (key.empty()) return {};
  ++key.back();
  return key;
}

/// What the conditions that all have to be true say of one column.
struct Bounds {
  struct End {
    Key key;
    bool included = false;
  };
  std::optional<Key> equal;
  std::optional<End> low, high;
};

class Reader {
 public:
  Reader(const types::Relation& relation, std::uint32_t column) : column_(relation.columns[column]), place_(column) {}

  void read(const Term& term) {
    if (term.kind == Term::Kind::both) {
      for (const Term& part : term.parts) read(part);
    } else if (term.column == place_) {
      read_leaf(term);
    }
  }

  Bounds bounds;

 private:
  void read_leaf(const Term& term) {
    switch (term.kind) {
      case Term::Kind::null:  // a column that is never null has no key for it, and no row is found
        if (column_.nullable) bounds.equal = key_of(Value());
        break;
      case Term::Kind::scalar:
      case Term::Kind::content: return read_comparison(term.comparison, key_of(term.value));
      case Term::Kind::prefix: return read_prefix(key_of(term.value));
      default: break;
    }
  }
  [[nodiscard]] Key key_of(const Value& value) const {
    Key key;
    types::append_key(value, column_.type, column_.nullable, key);
    return key;
  }
  void read_comparison(Comparison comparison, Key key) {
    switch (comparison) {
      case Comparison::equal: bounds.equal = std::move(key); break;
      case Comparison::unequal: break;
      case Comparison::less:
      case Comparison::less_equal: raise_high({std::move(key), comparison == Comparison::less_equal}); break;
      default: raise_low({std::move(key), comparison == Comparison::greater_equal}); break;
    }
  }
  /// A string's key ends with two bytes that say so; without them it is the beginning of all that begin so.
  void read_prefix(Key key) {
    key.resize(key.size() - 2);
    std::optional<Key> high = behind_all(key);
    raise_low({std::move(key), true});
    if (high) raise_high({std::move(*high), false});
  }
  void raise_low(Bounds::End end) {
    if (!bounds.low || bounds.low->key < end.key || (bounds.low->key == end.key && !end.included)) {
      bounds.low = std::move(end);
    }
  }
  void raise_high(Bounds::End end) {
    if (!bounds.high || end.key < bounds.high->key || (bounds.high->key == end.key && !end.included)) {
      bounds.high = std::move(end);
    }
  }

  const types::Column& column_;
  std::uint32_t place_;
};

Key joined(const Key& front, const Key& back) {
  Key key = front;
  key.insert(key.end(), back.begin(), back.end());
  return key;
}

}  // namespace

KeyRange keys_with_prefix(Key prefix) {
  KeyRange range;
  range.is_bounded = !prefix.empty();
  range.high = behind_all(prefix);
  range.low = std::move(prefix);
  return range;
}

KeyRange key_range(const Predicate& predicate, const types::Relation& relation,
                   std::span<const std::uint32_t> columns) {
  Key prefix;
  unsigned equal_columns = 0;
  if (predicate.is_everything()) return {};
  for (const std::uint32_t column : columns) {
    Reader reader(relation, column);
    reader.read(predicate.root());
    const Bounds& bounds = reader.bounds;
    if (bounds.equal) {
      prefix.insert(prefix.end(), bounds.equal->begin(), bounds.equal->end());
      ++equal_columns;
      continue;
    }
    KeyRange range = keys_with_prefix(prefix);
    range.equal_columns = equal_columns;
    if (bounds.low) {
      const Key low = joined(prefix, bounds.low->key);
      const std::optional<Key> behind = behind_all(low);
      range.low = bounds.low->included || !behind ? low : *behind;
      range.is_bounded = true;
    }
    if (bounds.high) {
      const Key high = joined(prefix, bounds.high->key);
      range.high = bounds.high->included ? behind_all(high) : high;
      range.is_bounded = true;
    }
    return range;
  }
  KeyRange range = keys_with_prefix(std::move(prefix));
  range.equal_columns = equal_columns;
  return range;
}

}  // namespace chimera::tables
