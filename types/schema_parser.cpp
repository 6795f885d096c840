// The items of a schema: modules, types, relations.

#include <fmt/format.h>
#include <algorithm>

#include "isa/nearest.h"
#include "isa/utf8.h"
#include "types/fixed.h"
#include "types/json.h"
#include "types/limits.h"
#include "types/order.h"
#include "types/schema.h"
#include "types/type_parser.h"

namespace chimera::types {
namespace {

bool is_inside(std::string_view module, std::string_view other) {
  return other.empty() || module == other || (module.starts_with(other) && module[other.size()] == '.');
}

std::string_view module_of(std::string_view name) {
  const std::size_t point = name.rfind('.');
  return point == std::string_view::npos ? std::string_view{} : name.substr(0, point);
}

class Parser {
 public:
  Parser(std::string_view text, std::string_view file) : source_{text, file}, types_{source_, schema_.types, module_} {}

  std::expected<Schema, std::vector<Diagnostic>> run() {
    items();
    if (!source_.ok()) return std::unexpected(source_.take_diagnostics());
    return std::move(schema_);
  }

 private:
  void items() {
    while (source_.peek().kind != Token::Kind::end) {
      if (source_.peek().is("}") && !module_.empty()) return;
      if (!item()) {
        source_.skip_to_item();
        // A brace that closes nothing that is open.
        if (module_.empty()) source_.take("}");
      }
    }
  }

  bool item() {
    if (source_.take("type")) return type();
    if (source_.take("relation")) return relation();
    if (source_.take("module")) return module();
    Nearest nearest{source_.peek().text};
    for (const std::string_view word : {"type", "relation", "module"}) nearest.offer(word);
    source_.report_expected(nearest.best().empty()
                                ? "type, relation or module"
                                : fmt::format("type, relation or module (did you mean '{}'?)", nearest.best()));
    source_.next();
    return false;
  }

  bool module() {
    const auto name = types_.path("the module's name");
    if (!name || !source_.expect("{")) return false;
    const std::string outer = module_;
    module_ = full(name->text);
    if (std::ranges::count(module_, '.') >= most_modules) {
      source_.report(*name, fmt::format("modules are inside each other more than {} deep", most_modules));
      module_ = outer;
      return false;
    }
    items();
    module_ = outer;
    return source_.expect("}");
  }

  [[nodiscard]] std::string full(std::string_view name) const {
    return module_.empty() ? std::string{name} : fmt::format("{}.{}", module_, name);
  }

  bool type() {
    const auto name = source_.identifier("the type's name");
    if (!name || !source_.expect("=")) return false;
    if (schema_.types.size() == limits::most_types) {
      source_.report(*name, fmt::format("a schema has at most {} types", limits::most_types));
      return false;
    }
    auto type = types_.type();
    if (!may_be_called(*name)) return false;
    if (!type) {
      // Of a type that was wrong the name is known, so that its uses are not wrong as well; null is what it is made of.
      schema_.types.push_back({.name = full(name->text)});
      return false;
    }
    type->name = full(name->text);
    schema_.types.push_back(*std::move(type));
    return true;
  }

  /// A name may not hide another: the canonical text has the names of types without the module where they are used.
  bool may_be_called(const Token& name) {
    if (kind_named(name.text)) {
      source_.report(name, fmt::format("'{}' is a type of the language", name.text));
      return false;
    }
    for (const Type& other : schema_.types) {
      const std::string_view module = module_of(other.name);
      if (std::string_view{other.name}.substr(other.name.rfind('.') + 1) != name.text) continue;
      if (!is_inside(module, module_) && !is_inside(module_, module)) continue;
      source_.report(name, fmt::format("'{}' is the name of a type already", other.name));
      return false;
    }
    return true;
  }

  bool relation() {
    const auto name = source_.identifier("the relation's name");
    if (!name || !source_.expect("=") || !source_.expect("struct") || !source_.expect("{")) return false;
    Relation relation{.name = full(name->text)};
    columns_are_good_ = true;
    if (schema_.find(relation.name) != nullptr) {
      source_.report(*name, fmt::format("'{}' is the name of a relation already", relation.name));
    }
    if (schema_.relations.size() == limits::most_relations) {
      source_.report(*name, fmt::format("a schema has at most {} relations", limits::most_relations));
      return false;
    }
    columns(relation);
    if (!source_.expect("}")) return false;
    if (relation.columns.empty() && columns_are_good_) source_.report(*name, "the relation has no columns");
    options(relation);
    if (columns_are_good_) schema_.relations.push_back(std::move(relation));
    return true;
  }

  void columns(Relation& relation) {
    while (!source_.peek().is("}")) {
      const Token begin = source_.peek();
      auto found = column();
      if (!found) {
        columns_are_good_ = false;
        source_.skip_in_list();
      } else if (relation.find(found->name)) {
        source_.report(begin, fmt::format("the column '{}' is there twice", found->name));
      } else if (relation.columns.size() == limits::most_columns) {
        source_.report(begin, fmt::format("a relation has at most {} columns", limits::most_columns));
      } else {
        relation.columns.push_back(*std::move(found));
      }
      if (!source_.take(",")) return;
    }
  }

  std::optional<Column> column() {
    const auto name = source_.identifier("the name of a column");
    if (!name || !source_.expect(":")) return std::nullopt;
    const Token type_at = source_.peek();
    auto type = types_.type();
    if (!type) return std::nullopt;
    Column column{.name = std::string{name->text}, .type = *std::move(type)};
    while (!source_.peek().is(",") && !source_.peek().is("}")) {
      if (!property(column)) return std::nullopt;
    }
    if (column.external && fixed_width(column.type)) {
      source_.report(type_at, fmt::format("{} has a fixed width, so it cannot be external", short_text(column.type)));
    }
    const bool is_null = column.default_value && column.default_value->is_null();
    if (is_null && !column.nullable && !column.type.holds_any()) {
      source_.report(default_at_, "the column is not nullable");
    }
    if (column.indexed && column.unique) source_.report(*name, "unique is an index already: leave out 'indexed'");
    if ((column.indexed || column.unique) && !has_order(column.type)) report_unordered(type_at, column);
    return column;
  }

  bool property(Column& column) {
    const Token word = source_.peek();
    if (word.is("default")) return default_value(column);
    bool* property = word.is("nullable")     ? &column.nullable
                     : word.is("external")   ? &column.external
                     : word.is("compressed") ? &column.compressed
                     : word.is("indexed")    ? &column.indexed
                     : word.is("unique")     ? &column.unique
                                             : nullptr;
    if (property == nullptr) {
      Nearest nearest{word.text};
      for (const std::string_view name : {"nullable", "external", "compressed", "indexed", "unique", "default"}) {
        nearest.offer(name);
      }
      source_.report_expected(
          nearest.best().empty() || word.kind != Token::Kind::word
              ? "',', '}' or a column's property: nullable, external, compressed, indexed, unique, default"
              : fmt::format("a column's property (did you mean '{}'?)", nearest.best()));
      return false;
    }
    if (*property) source_.report(word, fmt::format("'{}' is there twice", word.text));
    *property = true;
    source_.next();
    return true;
  }

  bool default_value(Column& column) {
    const Token word = source_.next();
    if (column.default_value) source_.report(word, "'default' is there twice");
    const auto literal = json();
    if (!literal) return false;
    if (column.type.kind == Kind::null) return true;
    // `nullable` may follow, so null is looked at when the column is complete; here it is taken as it is.
    auto value = from_json(literal->second, column.type, true);
    if (!value) {
      source_.report(literal->first, fmt::format("no value of {}: {}", short_text(column.type), value.error().text()));
      return true;
    }
    default_at_ = literal->first;
    column.default_value = *std::move(value);
    return true;
  }

  /// The JSON at the front, and the token that stands for all of it.
  std::optional<std::pair<Token, std::string>> json() {
    Token all = source_.peek();
    std::string text;
    unsigned depth = 0;
    do {
      const Token& token = source_.peek();
      const bool opens = token.is("{") || token.is("[");
      const bool closes = depth > 0 && (token.is("}") || token.is("]"));
      const bool is_value = token.kind == Token::Kind::number || token.kind == Token::Kind::string ||
                            token.is("true") || token.is("false") || token.is("null");
      const bool joins = depth > 0 && (token.is(",") || token.is(":"));
      if (!opens && !closes && !is_value && !joins) {
        source_.report_expected("a value, as JSON writes it");
        return std::nullopt;
      }
      depth += opens ? 1 : 0;
      depth -= closes ? 1 : 0;
      text += token.text;
      text += ' ';
      const std::size_t end = token.offset + token.text.size();
      all.text = {all.text.data(), end - all.offset};
      source_.next();
    } while (depth > 0);
    // Carets go to the end of the line at most.
    all.text = all.text.substr(0, all.text.find('\n'));
    return std::pair{all, std::move(text)};
  }

  void options(Relation& relation) {
    while (true) {
      const Token& word = source_.peek();
      const bool is_next =
          word.kind == Token::Kind::end || word.is("}") || word.is("type") || word.is("relation") || word.is("module");
      if (is_next) return;
      if (!option(relation)) source_.skip_to_option();
    }
  }

  bool option(Relation& relation) {
    const Token& word = source_.peek();
    if (word.is("key")) return key(relation);
    if (word.is("index") || word.is("unique")) return index(relation, word.is("unique"));
    if (word.is("circular")) return circular(relation);
    if (word.is("append")) return append_by(relation);
    source_.report_expected("key, index, unique, circular, append by or the next item");
    source_.next();
    return false;
  }

  bool key(Relation& relation) {
    const Token word = source_.next();
    if (!relation.key.empty()) source_.report(word, "a relation has one key");
    auto found = column_list(relation);
    if (!found) return false;
    for (const auto& [token, place] : *found) {
      const Column& column = relation.columns[place];
      if (column.nullable) source_.report(token, fmt::format("'{}' is nullable, and no key may be null", column.name));
      relation.key.push_back(place);
    }
    return true;
  }

  bool index(Relation& relation, bool unique) {
    source_.next();
    const auto name = source_.identifier("the index's name");
    if (!name) return false;
    const auto has_name = [&](const Index& other) { return other.name == name->text; };
    if (std::ranges::any_of(relation.all_indexes(), has_name)) {
      source_.report(*name, fmt::format("'{}' is the name of an index already", name->text));
    }
    auto found = column_list(relation);
    if (!found) return false;
    Index made{.name = std::string{name->text}, .unique = unique};
    for (const auto& [token, place] : *found) made.columns.push_back(place);
    relation.indexes.push_back(std::move(made));
    return true;
  }

  bool circular(Relation& relation) {
    const Token word = source_.next();
    if (relation.circular) source_.report(word, "'circular' is there twice");
    const Token& token = source_.peek();
    const auto number = token.kind == Token::Kind::number ? parse_integer(token.text) : std::nullopt;
    if (!number || number->negative || number->magnitude == 0 || number->magnitude > limits::most_rows) {
      source_.report_expected(fmt::format("a number of rows, 1 to {}", limits::most_rows));
      return false;
    }
    relation.circular = static_cast<std::uint64_t>(number->magnitude);
    source_.next();
    return true;
  }

  bool append_by(Relation& relation) {
    const Token word = source_.next();
    if (relation.append_by) source_.report(word, "'append by' is there twice");
    if (!source_.expect("by")) return false;
    const auto name = source_.identifier("the name of a column");
    if (!name) return false;
    const auto place = place_of(relation, *name);
    if (!place) return true;
    const Column& column = relation.columns[*place];
    if (column.nullable || (!is_integer(column.type.kind) && !is_time(column.type.kind))) {
      source_.report(*name, "rows are appended by a whole number, datetime or duration that is not nullable");
    }
    relation.append_by = *place;
    return true;
  }

  using Places = std::vector<std::pair<Token, std::uint32_t>>;

  /// "(a, b)": columns that have an order, each once.
  std::optional<Places> column_list(const Relation& relation) {
    if (!source_.expect("(")) return std::nullopt;
    Places places;
    do {
      const auto name = source_.identifier("the name of a column");
      if (!name) return std::nullopt;
      const auto place = place_of(relation, *name);
      if (!place) continue;
      const bool is_twice = std::ranges::any_of(places, [&](const auto& other) { return other.second == *place; });
      if (is_twice) source_.report(*name, fmt::format("the column '{}' is there twice", name->text));
      if (!has_order(relation.columns[*place].type)) report_unordered(*name, relation.columns[*place]);
      places.emplace_back(*name, *place);
    } while (source_.take(","));
    if (!source_.expect(")")) return std::nullopt;
    return places;
  }

  void report_unordered(const Token& at, const Column& column) {
    source_.report(at, fmt::format("the values of {} have no order, so '{}' cannot be in an index or key",
                                   short_text(column.type), column.name));
  }

  /// Of a relation with a bad column the names are not looked at: it may be that one.
  std::optional<std::uint32_t> place_of(const Relation& relation, const Token& name) {
    if (const auto place = relation.find(name.text)) return static_cast<std::uint32_t>(*place);
    if (!columns_are_good_) return std::nullopt;
    Nearest nearest{name.text};
    for (const Column& column : relation.columns) nearest.offer(column.name);
    std::string words = fmt::format("there is no column {}", name.text);
    if (!nearest.best().empty()) words += fmt::format("; did you mean '{}'?", nearest.best());
    source_.report(name, std::move(words));
    return std::nullopt;
  }

  static constexpr std::ptrdiff_t most_modules = 8;

  Source source_;
  Schema schema_;
  std::string module_;
  TypeParser types_;
  bool columns_are_good_ = true;  ///< of the relation that is being read
  Token default_at_;              ///< the literal of the column that is being read
};

}  // namespace

std::expected<Schema, std::vector<Diagnostic>> parse_schema(std::string_view text, std::string_view file) {
  return Parser{text, file}.run();
}

}  // namespace chimera::types
