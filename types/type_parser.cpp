#include "types/type_parser.h"

#include <fmt/format.h>
#include <algorithm>
#include <unordered_set>

#include "isa/nearest.h"
#include "types/limits.h"

namespace chimera::types {
namespace {

std::string_view last_name(std::string_view path) { return path.substr(path.rfind('.') + 1); }

}  // namespace

std::optional<Type> TypeParser::type() {
  members_ = 0;
  const Token begin = source_.peek();
  auto found = inside(1);
  if (found && depth_of(*found) > limits::most_depth) {
    source_.report(begin, fmt::format("types are inside each other more than {} deep", limits::most_depth));
    return std::nullopt;
  }
  return found;
}

std::optional<Type> TypeParser::inside(unsigned depth) {
  const Token& word = source_.peek();
  if (word.kind != Token::Kind::word) {
    source_.report_expected("a type");
    return std::nullopt;
  }
  if (depth > limits::most_depth) {
    source_.report(word, fmt::format("types are inside each other more than {} deep", limits::most_depth));
    return std::nullopt;
  }
  const auto kind = kind_named(word.text);
  if (!kind || *kind == Kind::null) return reference();
  source_.next();
  switch (*kind) {
    case Kind::string: return sized_string();
    case Kind::array:
    case Kind::set: return list(*kind, depth);
    case Kind::enumeration:
    case Kind::structure:
    case Kind::interface: return with_members(*kind, depth);
    case Kind::one_of: return alternatives(depth);
    default: return Type::of(*kind);
  }
}

std::optional<std::uint32_t> TypeParser::size() {
  const Token& token = source_.peek();
  const auto number = token.kind == Token::Kind::number ? parse_integer(token.text) : std::nullopt;
  if (!number || number->negative || number->magnitude == 0 || number->magnitude > limits::most_size) {
    source_.report_expected(fmt::format("a size of 1 to {}", limits::most_size));
    return std::nullopt;
  }
  source_.next();
  return static_cast<std::uint32_t>(number->magnitude);
}

std::optional<Type> TypeParser::sized_string() {
  if (!source_.take("(")) return Type::of(Kind::string);
  const auto most = size();
  if (!most || !source_.expect(")")) return std::nullopt;
  return Type::of(Kind::string, most);
}

std::optional<Type> TypeParser::list(Kind kind, unsigned depth) {
  if (!source_.expect("(")) return std::nullopt;
  const Token begin = source_.peek();
  auto element = inside(depth + 1);
  if (!element || !count(begin, 1)) return std::nullopt;
  std::optional<std::uint32_t> most;
  if (source_.take(",")) {
    most = size();
    if (!most) return std::nullopt;
  }
  if (!source_.expect(")")) return std::nullopt;
  return kind == Kind::array ? Type::array(*std::move(element), most) : Type::set(*std::move(element), most);
}

std::optional<Member> TypeParser::member(Kind kind, unsigned depth) {
  const bool is_variant = kind == Kind::enumeration;
  const auto name = source_.identifier(is_variant ? "the name of a variant" : "the name of a field");
  if (!name || !count(*name, 1)) return std::nullopt;
  Member member{.name = std::string{name->text}};
  if (is_variant && (source_.peek().is(",") || source_.peek().is("}"))) return member;
  if (!is_variant && !source_.expect(":")) return std::nullopt;
  auto type = inside(depth + 1);
  if (!type) return std::nullopt;
  member.type = *std::move(type);
  member.nullable = !is_variant && source_.take("nullable");
  if (!source_.peek().is(",") && !source_.peek().is("}")) {
    source_.report_expected(is_variant ? "',' or '}'" : "'nullable', ',' or '}'");
    return std::nullopt;
  }
  return member;
}

std::optional<Type> TypeParser::with_members(Kind kind, unsigned depth) {
  const Token brace = source_.peek();
  if (!source_.expect("{")) return std::nullopt;
  std::vector<Member> members;
  bool good = true;
  while (!source_.peek().is("}")) {
    const Token begin = source_.peek();
    auto found = member(kind, depth);
    if (!found) {
      good = false;
      source_.skip_in_list();
    } else if (std::ranges::find(members, found->name, &Member::name) != members.end()) {
      source_.report(begin, fmt::format("'{}' is there twice", found->name));
      good = false;
    } else {
      members.push_back(*std::move(found));
    }
    if (!source_.take(",")) break;
  }
  if (!source_.expect("}")) return std::nullopt;
  if (good && members.empty()) {
    source_.report(brace, fmt::format("this {} has nothing in it", kind_name(kind)));
    return std::nullopt;
  }
  if (!good) return std::nullopt;
  return Type::with_members(kind, std::move(members));
}

std::optional<Type> TypeParser::alternatives(unsigned depth) {
  if (!source_.expect("{")) return std::nullopt;
  std::vector<Type> types;
  std::unordered_set<std::string> texts;
  do {
    const Token begin = source_.peek();
    auto type = inside(depth + 1);
    if (!type || !count(begin, 1)) return std::nullopt;
    if (!texts.insert(type_text(*type)).second) {
      source_.report(begin, fmt::format("{} is there twice", short_text(*type)));
      return std::nullopt;
    }
    types.push_back(*std::move(type));
  } while (source_.take("|"));
  if (!source_.expect("}")) return std::nullopt;
  return Type::one_of(std::move(types));
}

std::optional<Token> TypeParser::path(std::string_view what) {
  auto whole = source_.identifier(what);
  while (whole && source_.peek().is(".")) {
    source_.next();
    const auto part = source_.identifier("a name behind the point");
    if (!part) return std::nullopt;
    const std::size_t size = part->offset + part->text.size() - whole->offset;
    if (size != whole->text.size() + 1 + part->text.size()) {
      source_.report(*part, "a name with points has no blanks in it");
      return std::nullopt;
    }
    whole->text = {whole->text.data(), size};
  }
  return whole;
}

std::optional<Type> TypeParser::reference() {
  const auto name = path("a type");
  if (!name) return std::nullopt;
  const auto find = [this](const std::string& full) { return std::ranges::find(named_, full, &Type::name); };
  auto found = find(std::string{name->text});
  if (name->text.find('.') == std::string_view::npos) {
    // From this module outwards.
    for (std::string module = module_; !module.empty();) {
      const auto inner = find(fmt::format("{}.{}", module, name->text));
      if (inner != named_.end()) {
        found = inner;
        break;
      }
      const std::size_t point = module.rfind('.');
      module.resize(point == std::string::npos ? 0 : point);
    }
  }
  if (found == named_.end()) {
    report_unknown(*name);
    return std::nullopt;
  }
  if (!count(*name, members_of(*found))) return std::nullopt;
  return *found;
}

void TypeParser::report_unknown(const Token& name) {
  Nearest nearest{name.text};
  for (unsigned i = 1; i < kind_count; ++i) nearest.offer(kind_name(static_cast<Kind>(i)));
  for (const Type& type : named_) {
    nearest.offer(type.name);
    nearest.offer(last_name(type.name));
  }
  std::string words = fmt::format("there is no type {} above this line", name.text);
  if (!nearest.best().empty()) words += fmt::format("; did you mean '{}'?", nearest.best());
  source_.report(name, std::move(words));
}

bool TypeParser::count(const Token& at, std::size_t members) {
  members_ += members;
  if (members_ <= limits::most_members) return true;
  source_.report(at, fmt::format("the type has more than {} members", limits::most_members));
  return false;
}

Result<Type> parse_type(std::string_view text) {
  Source source{text, "type"};
  const std::string root;
  const std::vector<Type> none;
  auto type = TypeParser{source, none, root}.type();
  if (type && source.peek().kind != Token::Kind::end) source.report_expected("the end of the type");
  if (source.ok() && type) return *std::move(type);
  const Diagnostic first = source.take_diagnostics().front();
  return bad(fmt::format("{} (at byte {})", first.message, first.column));
}

}  // namespace chimera::types
