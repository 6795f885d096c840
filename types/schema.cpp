// What a schema consists of, and how it is printed.

#include "types/schema.h"

#include <fmt/format.h>
#include <algorithm>

#include "types/json.h"

namespace chimera::types {
namespace {

/// "a.b" of "a.b.name"; empty for a name of the root.
std::string_view module_of(std::string_view name) {
  const std::size_t point = name.rfind('.');
  return point == std::string_view::npos ? std::string_view{} : name.substr(0, point);
}

std::string_view last_name(std::string_view name) { return name.substr(name.rfind('.') + 1); }

void append_names(std::string& to, const Relation& relation, const std::vector<std::uint32_t>& columns) {
  to += " (";
  for (const std::uint32_t& column : columns) {
    if (&column != columns.data()) to += ", ";
    to += relation.columns[column].name;
  }
  to += ')';
}

void append_column(std::string& to, const Column& column) {
  fmt::format_to(std::back_inserter(to), "  {}: {}", column.name, type_text(column.type));
  if (column.nullable) to += " nullable";
  if (column.external) to += " external";
  if (column.compressed) to += " compressed";
  if (column.indexed) to += " indexed";
  if (column.unique) to += " unique";
  if (column.default_value) {
    to += " default ";
    append_json(*column.default_value, column.type, to);
  }
  to += ",\n";
}

void append_relation(std::string& to, const Relation& relation) {
  fmt::format_to(std::back_inserter(to), "relation {} = struct {{\n", last_name(relation.name));
  for (const Column& column : relation.columns) append_column(to, column);
  to += '}';
  if (!relation.key.empty()) {
    to += " key";
    append_names(to, relation, relation.key);
  }
  for (const Index& index : relation.indexes) {
    fmt::format_to(std::back_inserter(to), "\n  {} {}", index.unique ? "unique" : "index", index.name);
    append_names(to, relation, index.columns);
  }
  if (relation.circular) fmt::format_to(std::back_inserter(to), "\n  circular {}", *relation.circular);
  if (relation.append_by) {
    fmt::format_to(std::back_inserter(to), "\n  append by {}", relation.columns[*relation.append_by].name);
  }
  to += '\n';
}

/// Opens and closes modules as the names of what is printed demand it; a blank line between the parts.
class Printer {
 public:
  void type(const Type& type) {
    enter(module_of(type.name));
    add(fmt::format("type {} = {}\n", last_name(type.name), type_body(type)));
  }
  void relation(const Relation& relation) {
    enter(module_of(relation.name));
    std::string lines;
    append_relation(lines, relation);
    add(lines);
  }
  std::string text() && {
    close();
    return std::move(text_);
  }

 private:
  /// Whole lines; in a module they are indented.
  void add(std::string_view lines) {
    while (!lines.empty()) {
      const std::size_t end = lines.find('\n') + 1;
      if (!module_.empty()) text_ += "  ";
      text_ += lines.substr(0, end);
      lines.remove_prefix(end);
    }
  }
  void close() {
    if (!module_.empty()) text_ += "}\n";
  }
  void enter(std::string_view module) {
    if (module == module_) {
      if (!text_.empty()) text_ += '\n';
      return;
    }
    close();
    if (!text_.empty()) text_ += '\n';
    module_ = module;
    if (!module.empty()) fmt::format_to(std::back_inserter(text_), "module {} {{\n", module);
  }

  std::string text_;
  std::string module_;
};

/// Prints the named types inside a type, those that others are made of first, each once.
void print_named(Printer& printer, std::vector<std::string>& printed, const Type& type) {
  for (const Member& member : type.members) print_named(printer, printed, member.type);
  if (type.name.empty() || std::ranges::find(printed, type.name) != printed.end()) return;
  printed.push_back(type.name);
  printer.type(type);
}

}  // namespace

std::optional<std::size_t> Relation::find(std::string_view column) const {
  const auto found = std::ranges::find(columns, column, &Column::name);
  if (found == columns.end()) return std::nullopt;
  return static_cast<std::size_t>(found - columns.begin());
}

Type Relation::row_type() const {
  std::vector<Member> members;
  members.reserve(columns.size());
  for (const Column& column : columns) members.push_back({column.name, column.type, column.nullable});
  return Type::with_members(Kind::structure, std::move(members));
}

std::vector<Index> Relation::all_indexes() const {
  std::vector<Index> all;
  for (std::uint32_t i = 0; i < columns.size(); ++i) {
    if (columns[i].indexed || columns[i].unique) all.push_back({columns[i].name, columns[i].unique, {i}});
  }
  all.insert(all.end(), indexes.begin(), indexes.end());
  return all;
}

const Relation* Schema::find(std::string_view relation) const {
  const auto found = std::ranges::find(relations, relation, &Relation::name);
  return found == relations.end() ? nullptr : &*found;
}

std::string print(const Schema& schema) {
  Printer printer;
  for (const Type& type : schema.types) printer.type(type);
  for (const Relation& relation : schema.relations) printer.relation(relation);
  return std::move(printer).text();
}

std::string print(const Relation& relation) {
  Printer printer;
  std::vector<std::string> printed;
  for (const Column& column : relation.columns) print_named(printer, printed, column.type);
  printer.relation(relation);
  return std::move(printer).text();
}

std::string diagnostics_text(const std::vector<Diagnostic>& diagnostics) {
  std::string text;
  for (const Diagnostic& diagnostic : diagnostics) text += diagnostic.text() + "\n";
  return text;
}

}  // namespace chimera::types
