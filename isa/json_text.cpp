#include "isa/json_text.h"

#include <fmt/format.h>

namespace chimera {
namespace {

void append_quoted(std::string& to, std::string_view utf8) {
  to += '"';
  for (const char c : utf8) {
    if (static_cast<unsigned char>(c) < 0x20) {
      to += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
      continue;
    }
    if (c == '"' || c == '\\') to += '\\';
    to += c;
  }
  to += '"';
}

}  // namespace

void JsonObject::begin(std::string_view name) {
  members_ += members_.empty() ? '{' : ',';
  append_quoted(members_, name);
  members_ += ':';
}

JsonObject& JsonObject::text(std::string_view name, std::string_view utf8) {
  begin(name);
  append_quoted(members_, utf8);
  return *this;
}

JsonObject& JsonObject::number(std::string_view name, std::uint64_t value) {
  return json(name, fmt::format_int(value).str());
}

JsonObject& JsonObject::flag(std::string_view name, bool value) { return json(name, value ? "true" : "false"); }

JsonObject& JsonObject::json(std::string_view name, std::string_view value) {
  begin(name);
  members_ += value;
  return *this;
}

std::string json_number(double value) {
  std::string text = fmt::format("{}", value);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

}  // namespace chimera
