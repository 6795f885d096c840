#include "assembler/assembly.h"

#include <fmt/format.h>
#include <algorithm>
#include <iterator>

#include "assembler/compose.h"
#include "assembler/mnemonics.h"
#include "isa/limits.h"
#include "isa/nearest.h"

namespace chimera::assembler {
namespace {

constexpr std::array<std::string_view, 6> directives{".device", ".equ", ".include", ".repeat", ".end", ".bytes"};
constexpr std::string_view byte_forms = "bytes: \"…\", hex\"…\" or file\"…\"";
constexpr std::string_view blanks = " \t\r";

Problem unknown_directive(const Token& token) {
  Nearest nearest{token.text};
  for (std::string_view known : directives) nearest.offer(known);
  return {token.column, token.text.size(),
          nearest.best().empty() ? "unknown directive; expected .device, .equ, .include, .repeat, .end or .bytes"
                                 : fmt::format("unknown directive; did you mean '{}'?", nearest.best())};
}

}  // namespace

Assembly::Assembly(const FileReader& reader, const AssemblyLimits& limits)
    : limits_{limits},
      files_{reader, result_.files},
      context_{symbols_, limits.depth, [this](const Token& token) { return read_payload_file(token); }},
      lines_left_{limits.lines},
      bytes_left_{limits.source_bytes} {}

Assembled Assembly::run(std::string_view source, std::string_view file_name) {
  constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
  if (source.starts_with(byte_order_mark)) source.remove_prefix(byte_order_mark.size());
  const SourceText& text = files_.add_source(std::string{file_name}, std::string{source});
  including_.push_back(&text);
  run_lines(text, 0, text.line_count());
  if (!result_.ok()) {
    result_.bytes.clear();
    result_.lines.clear();
  }
  return std::move(result_);
}

void Assembly::run_lines(const SourceText& source, std::size_t first, std::size_t last) {
  for (std::size_t line = first; line < last && !stopped_;) {
    const Place place{&source, line};
    std::size_t next = line + 1;
    if (auto wrong = run_line(place, next)) report(place, *std::move(wrong));
    line = next;
  }
}

Assembly::Wrong Assembly::run_line(Place place, std::size_t& next) {
  const std::string_view line = place.source->line(place.line);
  if (auto wrong = spend(line)) return wrong;
  auto wrong = tokenize(line, tokens_);
  const bool is_directive = !tokens_.empty() && tokens_.front().kind == Token::Kind::directive;
  if (is_directive && tokens_.front().text == ".repeat") return repeat(place, next, std::move(wrong));
  if (wrong || tokens_.empty()) return wrong;
  return is_directive ? directive(place) : instruction(place);
}

Assembly::Wrong Assembly::spend(std::string_view line) {
  if (lines_left_ == 0 || bytes_left_ <= line.size()) {
    stopped_ = true;
    return Problem{0, line.size(),
                   lines_left_ == 0
                       ? fmt::format("the program runs through more than {} lines", limits_.lines)
                       : fmt::format("the program runs through more than {} bytes of source", limits_.source_bytes)};
  }
  --lines_left_;
  bytes_left_ -= line.size() + 1;
  return std::nullopt;
}

Assembly::Wrong Assembly::directive(Place place) {
  Cursor cursor{tokens_};
  const Token& token = cursor.take();
  if (token.text == ".device") return declare_device(cursor);
  if (token.text == ".equ") return declare_number(cursor);
  if (token.text == ".include") return include(cursor);
  if (token.text == ".bytes") return raw_bytes(cursor, place);
  if (token.text == ".end") {
    return Problem{token.column, token.text.size(), "there is no .repeat that this could end"};
  }
  return unknown_directive(token);
}

Parsed<const Token*> Assembly::declared_name(Cursor& cursor, std::string_view what) const {
  if (!cursor.next_is(Token::Kind::word)) return cursor.expected(what);
  const Token& name = cursor.take();
  if (symbols_.find(name.text) != nullptr) {
    return problem(name.column, name.text.size(), fmt::format("'{}' is already declared", name.text));
  }
  return &name;
}

Assembly::Wrong Assembly::declare(Cursor& cursor, const Token& name, Symbols::Value value) {
  if (auto wrong = end_of_line(cursor)) return wrong;
  if (!symbols_.declare(name.text, value)) {
    return Problem{name.column, name.text.size(), fmt::format("'{}' is already declared", name.text)};
  }
  return std::nullopt;
}

Assembly::Wrong Assembly::declare_device(Cursor& cursor) {
  const auto name = declared_name(cursor, "a name for the device: letters, digits and _");
  if (!name) return name.error();
  if (continues_a_mnemonic((*name)->text)) {
    return Problem{(*name)->column, (*name)->text.size(),
                   fmt::format("'{}' is part of an instruction's name; a device needs another", (*name)->text)};
  }
  if (!cursor.next_is(Token::Kind::uuid)) {
    return cursor.expected("a UUID: 8-4-4-4-12 hexadecimal digits").error();
  }
  return declare(cursor, **name, cursor.take().uuid);
}

Assembly::Wrong Assembly::declare_number(Cursor& cursor) {
  const auto name = declared_name(cursor, "a name for the number: letters, digits and _");
  if (!name) return name.error();
  const auto value = evaluate(cursor, symbols_, limits_.depth);
  if (!value) return value.error();
  return declare(cursor, **name, *value);
}

Assembly::Wrong Assembly::include(Cursor& cursor) {
  if (!cursor.next_is(Token::Kind::string)) return cursor.expected("the path of a file: \"…\"").error();
  const Token& token = cursor.take();
  if (auto wrong = end_of_line(cursor)) return wrong;
  const auto wrong = [&token](std::string message) {
    return Problem{token.column, token.text.size(), std::move(message)};
  };
  const std::string path = path_from(including_.back()->file->name, token.bytes);
  for (const SourceText* source : including_) {
    if (path_from("", source->file->name) == path) return wrong(fmt::format("{} is being included already", path));
  }
  if (including_.size() >= limits_.depth) return wrong("too many files include each other");
  const auto source = files_.source(path);
  if (!source) return wrong(fmt::format("cannot read {}: {}", path, source.error()));
  including_.push_back(*source);
  run_lines(**source, 0, (*source)->line_count());
  including_.pop_back();
  return std::nullopt;
}

Assembly::Wrong Assembly::repeat(Place place, std::size_t& next, Wrong wrong) {
  const Token begin = tokens_.front();
  Cursor cursor{tokens_};
  cursor.take();
  std::uint64_t turns = 1;
  if (!wrong) {
    const auto count = evaluate(cursor, symbols_, limits_.depth);
    turns = count.value_or(1);
    wrong = count ? end_of_line(cursor) : count.error();
  }
  const auto end = place.source->ends.find(place.line);
  const bool has_end = end != place.source->ends.end();
  const std::size_t last = has_end ? end->second : place.source->line_count();
  next = has_end ? last + 1 : last;
  if (!wrong && !has_end) wrong = Problem{begin.column, begin.text.size(), "this .repeat has no .end"};
  if (repeats_ >= limits_.depth) {
    return Problem{begin.column, begin.text.size(), "too many .repeat inside each other"};
  }
  // The body of a damaged one is looked at once, for further mistakes.
  if (wrong) {
    report(place, *std::move(wrong));
    turns = 1;
  }
  return run_turns(place, last, turns);
}

Assembly::Wrong Assembly::run_turns(Place place, std::size_t last, std::uint64_t turns) {
  const Token begin = tokens_.front();
  const std::size_t known_wrong = result_.diagnostics.size();
  Wrong wrong;
  ++repeats_;
  for (std::uint64_t turn = 0; turn < turns && !stopped_; ++turn) {
    const Symbols::Turn scope{symbols_, turn};
    run_lines(*place.source, place.line + 1, last);
    if (result_.diagnostics.size() > known_wrong) break;  // the other turns would say the same
    wrong = spend({});                                    // so that an empty body comes to an end
    if (wrong) {
      wrong->column = begin.column;
      wrong->length = begin.text.size();
    }
  }
  --repeats_;
  return wrong;
}

Assembly::Wrong Assembly::raw_bytes(Cursor& cursor, Place place) {
  if (cursor.at_end()) return cursor.expected(byte_forms).error();
  operands_.clear();
  if (auto wrong = read_operands(cursor, context_, operands_)) return wrong;
  const std::size_t offset = result_.bytes.size();
  for (const WrittenOperand& operand : operands_) {
    if (operand.kind != WrittenOperand::Kind::text) {
      return Problem{operand.column, operand.length, fmt::format("expected {}", byte_forms)};
    }
    result_.bytes.insert(result_.bytes.end(), operand.bytes.begin(), operand.bytes.end());
    if (auto wrong = check_output()) return wrong;
  }
  note_line(place, offset);
  return std::nullopt;
}

Assembly::Wrong Assembly::instruction(Place place) {
  Cursor cursor{tokens_};
  const auto row = read_mnemonic(cursor);
  if (!row) return row.error();
  operands_.clear();
  const Cursor behind_mnemonic = cursor;
  if (auto wrong = read_operands(cursor, context_, operands_)) {
    if (auto unquoted = unquoted_string(**row, *wrong)) return unquoted;
    const std::string_view longer = longer_mnemonic(**row, behind_mnemonic);
    if (operands_.empty() && !longer.empty()) wrong->message += fmt::format("; did you mean '{}'?", longer);
    return wrong;
  }
  const std::size_t offset = result_.bytes.size();
  if (auto wrong = compose(**row, operands_, cursor.column(), result_.bytes)) return wrong;
  note_line(place, offset);
  return check_output();
}

Assembly::Wrong Assembly::unquoted_string(const Row& row, const Problem& wrong) const {
  const auto is_string = [](const Token& token) {
    return token.kind == Token::Kind::string || token.kind == Token::Kind::file;
  };
  const auto word = std::ranges::find(tokens_, wrong.column, &Token::column);
  if (word == tokens_.end() || word == tokens_.begin() || word->kind != Token::Kind::word ||
      symbols_.find(word->text) != nullptr) {
    return std::nullopt;
  }
  // Behind a symbol it is part of an expression. Where all the row's strings stand elsewhere it is none of them.
  const auto strings = static_cast<std::size_t>(std::ranges::count_if(tokens_, is_string));
  if (std::prev(word)->kind == Token::Kind::symbol || string_rule(row, strings).empty()) return std::nullopt;
  const auto before = static_cast<std::size_t>(std::count_if(tokens_.begin(), word, is_string));
  return Problem{wrong.column, wrong.length, fmt::format("{}: write \"{}\"", string_rule(row, before), word->text)};
}

Assembly::Wrong Assembly::check_output() {
  if (result_.bytes.size() <= limits_.output_bytes) return std::nullopt;
  stopped_ = true;
  const Token& first = tokens_.front();
  return Problem{first.column, first.text.size(),
                 fmt::format("the program gets larger than {} bytes", limits_.output_bytes)};
}

Parsed<std::string_view> Assembly::read_payload_file(const Token& token) {
  const std::string path = path_from(including_.back()->file->name, token.bytes);
  const auto bytes = files_.bytes(path);
  if (!bytes) {
    return problem(token.column, token.text.size(), fmt::format("cannot read {}: {}", path, bytes.error()));
  }
  return *bytes;
}

Assembly::Wrong Assembly::end_of_line(const Cursor& cursor) const {
  if (cursor.at_end()) return std::nullopt;
  return cursor.expected("the end of the line").error();
}

void Assembly::note_line(Place place, std::size_t offset) {
  const Token& first = tokens_.front();
  result_.lines.push_back({.offset = offset,
                           .size = result_.bytes.size() - offset,
                           .file = place.source->index,
                           .line = static_cast<std::uint32_t>(place.line + 1),
                           .text_begin = place.source->line_begins[place.line] + first.column,
                           .text_size = tokens_.back().end() - first.column});
}

void Assembly::report(Place place, Problem wrong) {
  if (result_.diagnostics.size() >= limits_.diagnostics) {
    stopped_ = true;
    return;
  }
  std::string_view line = place.source->line(place.line);
  while (!line.empty() && blanks.find(line.back()) != std::string_view::npos) line.remove_suffix(1);
  result_.diagnostics.push_back({.file = place.source->file->name,
                                 .line = place.line + 1,
                                 .column = wrong.column + 1,
                                 .length = std::max<std::size_t>(wrong.length, 1),
                                 .message = std::move(wrong.message),
                                 .source_line = std::string{line}});
}

}  // namespace chimera::assembler
