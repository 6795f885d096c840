#pragma once
// A set that stays: different elements in order, in the rows of a table.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tables/collections/collection.h"
#include "tables/collections/element.h"

namespace chimera::tables {

template <typename T>
class Set : public Collection {
 public:
  [[nodiscard]] static Result<Set> open(Link& link, const std::string& name) {
    auto table = open_or_create(link, name, relation_of({{.name = "element", .type = Element<T>::type()}}));
    if (!table) return std::unexpected(std::move(table.error()));
    return Set(std::move(*table));
  }

  /// False if it was there already.
  [[nodiscard]] Result<bool> add(const T& element) {
    bool is_new = false;
    auto done = edit(Element<T>::make(element), [&](const std::optional<types::Row>& before) {
      is_new = !before;
      return Result<std::optional<types::Row>>(before ? *before : types::Row{Element<T>::make(element)});
    });
    if (!done) return std::unexpected(std::move(done.error()));
    return is_new;
  }
  /// In pieces of 2,048 or fewer, each there at one moment.
  [[nodiscard]] Result<> add(const std::vector<T>& elements) {
    std::vector<types::Row> rows;
    rows.reserve(elements.size());
    for (const T& element : elements) rows.push_back({Element<T>::make(element)});
    return put(std::move(rows));
  }
  [[nodiscard]] Result<bool> contains(const T& element) {
    const auto row = get(Element<T>::make(element));
    if (!row) return std::unexpected(row.error());
    return row->has_value();
  }
  /// False if it was not there.
  [[nodiscard]] Result<bool> remove(const T& element) { return Collection::remove(Element<T>::make(element)); }

  /// The least or the greatest element.
  [[nodiscard]] Result<std::optional<T>> end(End which) {
    auto row = at_end(which);
    if (!row) return std::unexpected(std::move(row.error()));
    if (!*row) return std::optional<T>();
    return std::optional(Element<T>::take(std::move((**row)[0])));
  }
  /// In order, until `visit` answers false.
  [[nodiscard]] Result<> for_each(const std::function<bool(const T&)>& visit, End from = End::first) {
    return each(from, [&](types::Row& row) { return visit(Element<T>::take(std::move(row[0]))); });
  }

 private:
  explicit Set(std::unique_ptr<Table> table) : Collection(std::move(table)) {}
};

}  // namespace chimera::tables
