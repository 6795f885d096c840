#include "assembler/operands.h"

#include <fmt/format.h>

namespace chimera::assembler {
namespace {

using Kind = WrittenOperand::Kind;
using TokenKind = Token::Kind;

WrittenOperand at(const Token& token, Kind kind) {
  return {.kind = kind, .column = token.column, .length = token.text.size()};
}

Parsed<WrittenOperand> read_number(Cursor& cursor, const Context& context, Kind kind) {
  WrittenOperand operand = at(*cursor.peek(), kind);
  if (kind != Kind::value) cursor.take();  // the @ or #
  const auto number = evaluate(cursor, context.symbols, context.depth);
  if (!number) return std::unexpected(number.error());
  operand.number = *number;
  operand.length = cursor.column() - operand.column;
  return operand;
}

Parsed<WrittenOperand> read_word(Cursor& cursor, const Context& context) {
  const Token& token = *cursor.peek();
  const Symbols::Value* const value = context.symbols.find(token.text);
  if (value == nullptr) {
    const std::string_view nearest = context.symbols.nearest(token.text);
    return problem(
        token.column, token.text.size(),
        nearest.empty()
            ? fmt::format("'{}' is not declared; expected an operand, or a name made by .device or .equ", token.text)
            : fmt::format("'{}' is not declared; did you mean '{}'?", token.text, nearest));
  }
  const auto* const device = std::get_if<Uuid>(value);
  if (device == nullptr) return read_number(cursor, context, Kind::value);
  WrittenOperand operand = at(cursor.take(), Kind::device);
  operand.device = *device;
  return operand;
}

Parsed<WrittenOperand> read_operand(Cursor& cursor, const Context& context) {
  const Token& token = *cursor.peek();
  switch (token.kind) {
    case TokenKind::uuid: {
      WrittenOperand operand = at(cursor.take(), Kind::device);
      operand.device = token.uuid;
      return operand;
    }
    case TokenKind::string: {
      WrittenOperand operand = at(cursor.take(), Kind::text);
      operand.bytes = token.bytes;
      return operand;
    }
    case TokenKind::file: {
      WrittenOperand operand = at(cursor.take(), Kind::text);
      const auto bytes = context.read_file(token);
      if (!bytes) return std::unexpected(bytes.error());
      operand.bytes = *bytes;
      operand.from_file = true;
      return operand;
    }
    case TokenKind::word: return read_word(cursor, context);
    default: break;
  }
  if (token.is('@')) return read_number(cursor, context, Kind::offset);
  if (token.is('#')) return read_number(cursor, context, Kind::count);
  if (begins_expression(token)) return read_number(cursor, context, Kind::value);
  return cursor.expected("an operand: a device, @offset, #count, a string or a number");
}

}  // namespace

std::optional<Problem> read_operands(Cursor& cursor, const Context& context, std::vector<WrittenOperand>& operands) {
  while (!cursor.at_end()) {
    auto operand = read_operand(cursor, context);
    if (!operand) return std::move(operand).error();
    operands.push_back(*operand);
  }
  return std::nullopt;
}

}  // namespace chimera::assembler
