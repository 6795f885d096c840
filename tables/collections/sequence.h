#pragma once
// Lists and queues: elements in the rows of a table whose key is their number.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tables/collections/collection.h"
#include "tables/collections/element.h"

namespace chimera::tables {

/// What both share.
template <typename T>
class Sequence : public Collection {
 public:
  /// At the end.
  [[nodiscard]] Result<> push(const T& element) { return append({Element<T>::make(element)}); }
  /// In pieces of 1,024, or fewer where they are large, each of which is there at one moment.
  [[nodiscard]] Result<> push(const std::vector<T>& elements) {
    std::vector<types::Value> values;
    values.reserve(elements.size());
    for (const T& element : elements) values.push_back(Element<T>::make(element));
    return append(std::move(values));
  }
  /// From the first to the last, or the other way round, until `visit` answers false.
  [[nodiscard]] Result<> for_each(const std::function<bool(const T&)>& visit, End from = End::first) {
    return each(from, [&](types::Row& row) { return visit(Element<T>::take(std::move(row[1]))); });
  }

 protected:
  explicit Sequence(std::unique_ptr<Table> table) : Collection(std::move(table)) {}

  static types::Relation relation() {
    return relation_of(
        {{.name = "place", .type = Element<std::uint64_t>::type()}, {.name = "element", .type = Element<T>::type()}});
  }
  static Result<std::optional<T>> element_of(Result<std::optional<types::Row>> row) {
    if (!row) return std::unexpected(std::move(row.error()));
    if (!*row) return std::optional<T>();
    return std::optional(Element<T>::take(std::move((**row)[1])));
  }
};

/// A list that stays. It grows and shrinks at its end; element i is the one that was pushed behind i others.
template <typename T>
class List : public Sequence<T> {
 public:
  [[nodiscard]] static Result<List> open(Link& link, const std::string& name) {
    auto table = Collection::open_or_create(link, name, Sequence<T>::relation());
    if (!table) return std::unexpected(std::move(table.error()));
    return List(std::move(*table));
  }

  /// Nothing where the list is not as long.
  [[nodiscard]] Result<std::optional<T>> get(std::uint64_t place) {
    return Sequence<T>::element_of(Collection::get(types::Value::of(place)));
  }
  /// False, and nothing is changed, where the list is not as long.
  [[nodiscard]] Result<bool> set(std::uint64_t place, const T& element) {
    bool is_there = false;
    auto done = Collection::edit(types::Value::of(place), [&](const std::optional<types::Row>& before) {
      is_there = before.has_value();
      std::optional<types::Row> after;
      if (is_there) after = types::Row{types::Value::of(place), Element<T>::make(element)};
      return Result<std::optional<types::Row>>(std::move(after));
    });
    if (!done) return std::unexpected(std::move(done.error()));
    return is_there;
  }
  /// Takes the last one off.
  [[nodiscard]] Result<std::optional<T>> pop() { return Sequence<T>::element_of(Collection::take_end(End::last)); }

 private:
  explicit List(std::unique_ptr<Table> table) : Sequence<T>(std::move(table)) {}
};

/// A queue that stays: first in, first out. Each element is popped once, however many pop at the same time.
template <typename T>
class Queue : public Sequence<T> {
 public:
  [[nodiscard]] static Result<Queue> open(Link& link, const std::string& name) {
    auto table = Collection::open_or_create(link, name, Sequence<T>::relation());
    if (!table) return std::unexpected(std::move(table.error()));
    return Queue(std::move(*table));
  }

  [[nodiscard]] Result<std::optional<T>> front() { return Sequence<T>::element_of(Collection::at_end(End::first)); }
  [[nodiscard]] Result<std::optional<T>> pop() { return Sequence<T>::element_of(Collection::take_end(End::first)); }

 private:
  explicit Queue(std::unique_ptr<Table> table) : Sequence<T>(std::move(table)) {}
};

}  // namespace chimera::tables
