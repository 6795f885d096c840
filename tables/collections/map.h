#pragma once
// A map that stays: keys in order, each with a value, in the rows of a table.
//
//     auto prices = Map<std::string, double>::open(link, "shop/main/prices");
//     prices->put("tea", 2.5);
//     auto price = prices->get("tea");    // Result<std::optional<double>>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tables/collections/collection.h"
#include "tables/collections/element.h"

namespace chimera::tables {

template <typename Key, typename Value>
class Map : public Collection {
 public:
  using Entry = std::pair<Key, Value>;

  [[nodiscard]] static Result<Map> open(Link& link, const std::string& name) {
    auto table = open_or_create(link, name,
                                relation_of({{.name = "key", .type = Element<Key>::type()},
                                             {.name = "value", .type = Element<Value>::type()}}));
    if (!table) return std::unexpected(std::move(table.error()));
    return Map(std::move(*table));
  }

  [[nodiscard]] Result<std::optional<Value>> get(const Key& key) {
    return value_of(Collection::get(Element<Key>::make(key)));
  }
  [[nodiscard]] Result<bool> contains(const Key& key) {
    const auto row = Collection::get(Element<Key>::make(key));
    if (!row) return std::unexpected(row.error());
    return row->has_value();
  }
  [[nodiscard]] Result<> put(const Key& key, const Value& value) { return Collection::put({row_of(key, value)}); }
  /// In pieces of 2,048 or fewer, each there at one moment. Of a key that is there twice the last value counts.
  [[nodiscard]] Result<> put(const std::vector<Entry>& entries) {
    std::vector<types::Row> rows;
    rows.reserve(entries.size());
    for (const auto& [key, value] : entries) rows.push_back(row_of(key, value));
    return Collection::put(std::move(rows));
  }
  /// False, and nothing is changed, if the key has a value.
  [[nodiscard]] Result<bool> put_if_absent(const Key& key, const Value& value) {
    bool is_new = false;
    auto done = update(key, [&](std::optional<Value> before) -> std::optional<Value> {
      is_new = !before;
      return before ? before : value;
    });
    if (!done) return std::unexpected(std::move(done.error()));
    return is_new;
  }
  /// Puts what `change` makes of the key's value or of nothing; nothing removes it. Nobody else comes between. `change`
  /// may be called several times, and its last answer counts.
  [[nodiscard]] Result<> update(const Key& key,
                                const std::function<std::optional<Value>(std::optional<Value>)>& change) {
    return edit(Element<Key>::make(key), [&](const std::optional<types::Row>& before) {
      std::optional<Value> after = change(before ? std::optional(Element<Value>::take((*before)[1])) : std::nullopt);
      return Result<std::optional<types::Row>>(after ? std::optional(row_of(key, *after)) : std::nullopt);
    });
  }
  /// False if it was not there.
  [[nodiscard]] Result<bool> remove(const Key& key) { return Collection::remove(Element<Key>::make(key)); }

  /// The entry with the least or the greatest key.
  [[nodiscard]] Result<std::optional<Entry>> end(End which) { return entry_of(at_end(which)); }
  /// In the order of keys, until `visit` answers false.
  [[nodiscard]] Result<> for_each(const std::function<bool(const Key&, const Value&)>& visit, End from = End::first) {
    return each(from, [&](types::Row& row) {
      return visit(Element<Key>::take(std::move(row[0])), Element<Value>::take(std::move(row[1])));
    });
  }

 private:
  explicit Map(std::unique_ptr<Table> table) : Collection(std::move(table)) {}

  static types::Row row_of(const Key& key, const Value& value) {
    return {Element<Key>::make(key), Element<Value>::make(value)};
  }
  static Result<std::optional<Value>> value_of(Result<std::optional<types::Row>> row) {
    if (!row) return std::unexpected(std::move(row.error()));
    if (!*row) return std::optional<Value>();
    return std::optional(Element<Value>::take(std::move((**row)[1])));
  }
  static Result<std::optional<Entry>> entry_of(Result<std::optional<types::Row>> row) {
    if (!row) return std::unexpected(std::move(row.error()));
    if (!*row) return std::optional<Entry>();
    return std::optional(Entry(Element<Key>::take(std::move((**row)[0])), Element<Value>::take(std::move((**row)[1]))));
  }
};

}  // namespace chimera::tables
