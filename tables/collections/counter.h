#pragma once
// Counters that stay: a number for each key, 0 for those that are not there.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "tables/collections/collection.h"
#include "tables/collections/element.h"

namespace chimera::tables {

template <typename Key>
class Counter : public Collection {
 public:
  [[nodiscard]] static Result<Counter> open(Link& link, const std::string& name) {
    auto table = open_or_create(link, name,
                                relation_of({{.name = "key", .type = Element<Key>::type()},
                                             {.name = "number", .type = Element<std::int64_t>::type()}}));
    if (!table) return std::unexpected(std::move(table.error()));
    return Counter(std::move(*table));
  }

  /// The number afterwards. What many add at the same time adds up. `out_of_range`, and nothing is changed: the number
  /// would not fit 64 bits.
  [[nodiscard]] Result<std::int64_t> add(const Key& key, std::int64_t by = 1) {
    std::int64_t number = 0;
    auto done = edit(Element<Key>::make(key),
                     [&](const std::optional<types::Row>& before) -> Result<std::optional<types::Row>> {
                       const std::int64_t old = before ? Element<std::int64_t>::take((*before)[1]) : 0;
                       if (__builtin_add_overflow(old, by, &number)) {
                         return std::unexpected(Failure{Status::out_of_range, "The counter would not fit 64 bits."});
                       }
                       return types::Row{Element<Key>::make(key), types::Value::of(number)};
                     });
    if (!done) return std::unexpected(std::move(done.error()));
    return number;
  }
  [[nodiscard]] Result<std::int64_t> number(const Key& key) {
    const auto row = get(Element<Key>::make(key));
    if (!row) return std::unexpected(row.error());
    return *row ? Element<std::int64_t>::take((**row)[1]) : 0;
  }
  /// Back to 0. False if it was not there.
  [[nodiscard]] Result<bool> remove(const Key& key) { return Collection::remove(Element<Key>::make(key)); }
  /// Those that are there, in the order of their keys, until `visit` answers false.
  [[nodiscard]] Result<> for_each(const std::function<bool(const Key&, std::int64_t)>& visit, End from = End::first) {
    return each(from, [&](types::Row& row) {
      return visit(Element<Key>::take(std::move(row[0])), Element<std::int64_t>::take(row[1]));
    });
  }

 private:
  explicit Counter(std::unique_ptr<Table> table) : Collection(std::move(table)) {}
};

}  // namespace chimera::tables
