#include "tables/predicate.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <utility>

#include "isa/nearest.h"
#include "tables/table_shape.h"
#include "types/content.h"
#include "types/fixed.h"
#include "types/text.h"

namespace chimera::tables {
namespace {

using types::Kind;
using types::Value;

using Bound = std::expected<Term, Diagnostic>;

/// Looks columns up and makes literals of their types.
class Binder {
 public:
  Binder(std::string_view text, const types::Relation& relation) : text_(text), relation_(relation) {}

  Bound bind(const Condition& condition) {
    switch (condition.kind) {
      case Condition::Kind::both: return group(Term::Kind::both, condition.parts);
      case Condition::Kind::either: return group(Term::Kind::either, condition.parts);
      case Condition::Kind::negated: return group(Term::Kind::negated, condition.parts);
      default: break;
    }
    const std::optional<std::size_t> column = relation_.find(condition.column);
    if (!column) return no_column(condition);
    return leaf(condition, static_cast<std::uint32_t>(*column));
  }

 private:
  std::unexpected<Diagnostic> problem(std::size_t at, std::size_t length, std::string message) const {
    return std::unexpected(condition_problem(text_, at, length, std::move(message)));
  }
  std::unexpected<Diagnostic> problem(const Literal& literal, std::string message) const {
    return problem(literal.at, literal.length, std::move(message));
  }

  std::unexpected<Diagnostic> no_column(const Condition& condition) const {
    Nearest nearest(condition.column);
    for (const types::Column& column : relation_.columns) nearest.offer(column.name);
    std::string message = fmt::format("{} has no column \"{}\"", relation_.name, condition.column);
    if (!nearest.best().empty()) message += fmt::format("; did you mean \"{}\"?", nearest.best());
    return problem(condition.at, condition.column.size(), std::move(message));
  }

  Bound group(Term::Kind kind, const std::vector<Condition>& parts) {
    Term term;
    term.kind = kind;
    for (const Condition& part : parts) {
      Bound bound = bind(part);
      if (!bound) return bound;
      term.parts.push_back(std::move(*bound));
    }
    return term;
  }

  Bound leaf(const Condition& condition, std::uint32_t column) {
    switch (condition.kind) {
      case Condition::Kind::is_null: return is_null(column);
      case Condition::Kind::is_true: return is_true(condition, column);
      case Condition::Kind::compare: return compare(column, condition.comparison, condition.literals[0]);
      case Condition::Kind::between:
        return pair(compare(column, Comparison::greater_equal, condition.literals[0]),
                    compare(column, Comparison::less_equal, condition.literals[1]));
      case Condition::Kind::like: return like(column, condition.literals[0]);
      default: return in(column, condition.literals);
    }
  }
  /// `any` and `unknown` hold null as a value too, whose encoding is one byte, 0.
  Bound is_null(std::uint32_t column) const {
    Term term;
    term.kind = Term::Kind::null;
    term.column = column;
    const Kind kind = relation_.columns[column].type.kind;
    if (kind != Kind::any && kind != Kind::unknown) return term;
    Term held;
    held.kind = Term::Kind::content;
    held.column = column;
    held.literal = {0};
    return pair(std::move(term), std::move(held), Term::Kind::either);
  }
  static Bound pair(Bound first, Bound second, Term::Kind kind = Term::Kind::both) {
    if (!first) return first;
    if (!second) return second;
    Term term;
    term.kind = kind;
    term.parts.push_back(std::move(*first));
    term.parts.push_back(std::move(*second));
    return term;
  }
  Bound in(std::uint32_t column, const std::vector<Literal>& literals) {
    if (literals.size() == 1) return compare(column, Comparison::equal, literals[0]);
    Term term;
    term.kind = Term::Kind::either;
    for (const Literal& literal : literals) {
      Bound bound = compare(column, Comparison::equal, literal);
      if (!bound) return bound;
      term.parts.push_back(std::move(*bound));
    }
    return term;
  }
  Bound is_true(const Condition& condition, std::uint32_t column) {
    if (relation_.columns[column].type.kind != Kind::boolean) {
      return problem(condition.at, condition.column.size(),
                     fmt::format("column \"{}\" is {} and alone says nothing: a comparison was expected behind it",
                                 condition.column, types::type_text(relation_.columns[column].type)));
    }
    return scalar(column, Kind::boolean, Comparison::equal, Value::boolean(true));
  }
  Bound like(std::uint32_t column, const Literal& literal) {
    if (relation_.columns[column].type.kind != Kind::string) return unfit(column, literal, "a string for \"like\"");
    if (!literal.text.ends_with('%')) return compare(column, Comparison::equal, literal);
    Bound term = content(column, Comparison::equal, Value::string(literal.text.substr(0, literal.text.size() - 1)));
    term->kind = Term::Kind::prefix;
    return term;
  }

  std::unexpected<Diagnostic> unfit(std::uint32_t column, const Literal& literal, std::string_view wanted) const {
    const types::Column& of = relation_.columns[column];
    return problem(literal, fmt::format("column \"{}\" is {}, not {}", of.name, types::type_text(of.type), wanted));
  }

  Bound compare(std::uint32_t column, Comparison comparison, const Literal& literal) {
    const types::Type& type = relation_.columns[column].type;
    const bool is_number = literal.kind == Literal::Kind::number;
    if (types::is_integer(type.kind) || (types::is_time(type.kind) && is_number)) {
      if (!is_number) return unfit(column, literal, literal.kind == Literal::Kind::text ? "a text" : "a bool");
      return number(column, comparison, literal);
    }
    if (types::is_float(type.kind) && is_number) return real(column, comparison, literal);
    if (type.kind == Kind::boolean && literal.kind != Literal::Kind::boolean) return unfit(column, literal, "this");
    if (type.kind != Kind::boolean && literal.kind == Literal::Kind::boolean) return unfit(column, literal, "a bool");
    const bool by_content = types::is_plain(type);
    if (!by_content && !comparable_kind(type)) {
      return unfit(column, literal, "what a value can be compared with; only \"is null\" can be asked");
    }
    if (is_number) return unfit(column, literal, "a number");
    // What is longer than all that the column can hold is compared with it as any text.
    types::Type unbounded = type;
    if (type.kind == Kind::string) unbounded.size.reset();
    types::Result<Value> value = types::from_text(literal.text, unbounded);
    if (!value)
      return problem(literal, fmt::format("column \"{}\": {}", relation_.columns[column].name, value.error().text()));
    return by_content ? content(column, comparison, std::move(*value))
                      : scalar(column, *comparable_kind(type), comparison, std::move(*value));
  }

  /// As which kind the column's entries are compared; enums without payloads by the numbers of their variants.
  static std::optional<Kind> comparable_kind(const types::Type& type) {
    if (is_scalar(type.kind)) return type.kind;
    if (type.kind != Kind::enumeration) return {};
    const std::optional<std::uint32_t> width = types::fixed_width(type);
    if (!width) return {};
    return *width == 1 ? Kind::u8 : Kind::u16;
  }

  Bound scalar(std::uint32_t column, Kind as, Comparison comparison, Value value) const {
    Term term;
    term.kind = Term::Kind::scalar;
    term.column = column;
    term.as = as;
    term.comparison = comparison;
    const types::FixedColumn layout(relation_.columns[column].type, false);
    term.literal.resize(layout.width());
    layout.put(value, term.literal.data());
    term.value = std::move(value);
    return term;
  }
  static Bound content(std::uint32_t column, Comparison comparison, Value value) {
    Term term;
    term.kind = Term::Kind::content;
    term.column = column;
    term.comparison = comparison;
    term.literal.assign(value.as_bytes().begin(), value.as_bytes().end());
    term.value = std::move(value);
    return term;
  }
  static Bound constant(std::uint32_t column, bool holds) {
    Term term;
    term.kind = Term::Kind::constant;
    term.column = column;
    term.holds = holds;
    return term;
  }

  Bound real(std::uint32_t column, Comparison comparison, const Literal& literal) const {
    const std::optional<double> value = parse_real(literal.text);
    if (!value) return problem(literal, "this is no number");
    const Kind kind = relation_.columns[column].type.kind;
    // An f32 is rounded to first, and what is nearer to the greatest one than to the next would be is that one.
    const double most = kind == Kind::f32 ? std::numeric_limits<float>::max() : std::numeric_limits<double>::max();
    const double behind = kind == Kind::f32 ? 0x1.ffffffp127 : std::numeric_limits<double>::infinity();
    if (std::abs(*value) >= behind) return behind_finite(column, comparison, std::copysign(most, *value));
    return scalar(column, kind, comparison, Value::real(kind, *value));
  }
  /// A number between the last finite one that the column can hold, and infinity.
  Bound behind_finite(std::uint32_t column, Comparison comparison, double last) const {
    if (comparison == Comparison::equal) return constant(column, false);
    if (comparison == Comparison::unequal) return constant(column, true);
    const Kind kind = relation_.columns[column].type.kind;
    const bool is_less = comparison == Comparison::less || comparison == Comparison::less_equal;
    const Comparison below = last < 0 ? Comparison::less : Comparison::less_equal;
    const Comparison above = last < 0 ? Comparison::greater_equal : Comparison::greater;
    return scalar(column, kind, is_less ? below : above, Value::real(kind, last));
  }
  /// Infinity for what is beyond all doubles.
  static std::optional<double> parse_real(const std::string& text) {
    double value = 0;
    const char* const end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data(), end, value);
    if (parsed.ptr != end) return {};
    if (parsed.ec == std::errc::result_out_of_range)
      return std::strtod(text.c_str(), nullptr);  // which says on what side
    if (parsed.ec != std::errc()) return {};
    return value;
  }

  /// Numbers that an integer column cannot hold decide for all values alike, or are moved to the next whole one.
  Bound number(std::uint32_t column, Comparison comparison, const Literal& literal) const {
    const Kind kind = relation_.columns[column].type.kind;
    if (const std::optional<types::Integer> whole = types::parse_integer(literal.text)) {
      if (types::fits(kind, *whole)) return scalar(column, kind, comparison, Value::integer(kind, *whole));
      return beyond(column, comparison, whole->negative);
    }
    const std::optional<double> real = parse_real(literal.text);
    if (!real) return problem(literal, "this is no number");
    const double below = std::floor(*real);
    if (std::abs(below) >= 0x1p128) return beyond(column, comparison, below < 0);
    const types::Integer whole{below < 0, static_cast<types::U128>(std::abs(below))};
    if (below != *real) {
      if (comparison == Comparison::equal) return constant(column, false);
      if (comparison == Comparison::unequal) return constant(column, true);
      if (comparison == Comparison::less) comparison = Comparison::less_equal;
      if (comparison == Comparison::greater_equal) comparison = Comparison::greater;
    }
    if (!types::fits(kind, whole)) return beyond(column, comparison, whole.negative);
    return scalar(column, kind, comparison, Value::integer(kind, whole));
  }
  static Bound beyond(std::uint32_t column, Comparison comparison, bool below_all) {
    switch (comparison) {
      case Comparison::equal: return constant(column, false);
      case Comparison::unequal: return constant(column, true);
      case Comparison::less:
      case Comparison::less_equal: return constant(column, !below_all);
      default: return constant(column, below_all);
    }
  }

  std::string_view text_;
  const types::Relation& relation_;
};

void collect_columns(const Term& term, std::vector<std::uint32_t>& columns) {
  for (const Term& part : term.parts) collect_columns(part, columns);
  if (term.kind > Term::Kind::negated) columns.push_back(term.column);
}

bool term_needs(const Term& term, std::uint32_t column, const types::Slot& slot) {
  if (term.column == column && (term.kind == Term::Kind::content || term.kind == Term::Kind::prefix)) {
    const bool equality = term.comparison == Comparison::equal || term.comparison == Comparison::unequal;
    const bool other_size =
        term.kind == Term::Kind::content && equality && slot.length != term.literal.size() && !slot.is_long();
    return !other_size && compare_slot(slot, term.literal, term.kind == Term::Kind::prefix) == undecided;
  }
  return std::ranges::any_of(term.parts, [&](const Term& part) { return term_needs(part, column, slot); });
}

}  // namespace

std::expected<Predicate, Diagnostic> Predicate::parse(std::string_view text, const types::Relation& relation) {
  const std::expected<Condition, Diagnostic> condition = parse_condition(text);
  if (!condition) return std::unexpected(condition.error());
  Bound root = Binder(text, relation).bind(*condition);
  if (!root) return std::unexpected(std::move(root.error()));
  Predicate predicate;
  predicate.is_everything_ = false;
  predicate.root_ = std::move(*root);
  collect_columns(predicate.root_, predicate.columns_);
  std::ranges::sort(predicate.columns_);
  const auto repeated = std::ranges::unique(predicate.columns_);
  predicate.columns_.erase(repeated.begin(), repeated.end());
  return predicate;
}

bool Predicate::needs(std::uint32_t column, const types::Slot& slot) const {
  return slot.is_placed() && term_needs(root_, column, slot);
}

int compare_bytes(std::span<const std::uint8_t> left, std::span<const std::uint8_t> right) noexcept {
  const std::size_t common = std::min(left.size(), right.size());
  const int order = common == 0 ? 0 : std::memcmp(left.data(), right.data(), common);
  if (order != 0) return order < 0 ? -1 : 1;
  return left.size() == right.size() ? 0 : left.size() < right.size() ? -1 : 1;
}

int compare_slot(const types::Slot& slot, std::span<const std::uint8_t> literal, bool begins) noexcept {
  const std::span<const std::uint8_t> front = slot.content();
  const std::size_t common = std::min(front.size(), literal.size());
  if (slot.is_inside()) return compare_bytes(begins ? front.first(common) : front, literal);
  const int order = compare_bytes(front.first(common), literal.first(common));
  if (order != 0) return order;
  if (literal.size() > front.size()) return undecided;
  return begins ? 0 : 1;  // the content is longer than all of the literal
}

Result<Predicate> parse_where(const TableShape& shape, std::string_view where) {
  if (where.empty()) return Predicate();
  auto predicate = Predicate::parse(where, shape.relation);
  if (predicate) return std::move(*predicate);
  return std::unexpected(Failure{Status::bad_text, predicate.error().text()});
}

}  // namespace chimera::tables
