#include "types/json_document.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>

#include "types/limits.h"

namespace chimera::types {
namespace {

using Json = nlohmann::json;

/// nlohmann's parser calls it for each part of a text. It hands over the text of numbers beyond 64 bits and of those
/// with a point as they are written, so no digit is lost.
class Builder : public nlohmann::json_sax<Json> {
 public:
  bool null() override { return add({}); }
  bool boolean(bool value) override { return add({.form = JsonNode::Form::boolean, .truth = value}); }
  bool number_integer(number_integer_t value) override { return number(fmt::format("{}", value)); }
  bool number_unsigned(number_unsigned_t value) override { return number(fmt::format("{}", value)); }
  bool number_float(number_float_t, const string_t& text) override { return number(text); }
  bool string(string_t& value) override { return add({.form = JsonNode::Form::string, .text = std::move(value)}); }
  bool binary(binary_t&) override { return false; }

  bool start_object(std::size_t) override { return open(JsonNode::Form::object); }
  bool start_array(std::size_t) override { return open(JsonNode::Form::array); }
  bool end_array() override { return close(); }

  bool key(string_t& name) override {
    open_.back().names.push_back(std::move(name));
    return true;
  }

  bool end_object() override {
    std::vector<std::string_view> names{open_.back().names.begin(), open_.back().names.end()};
    std::ranges::sort(names);
    const auto twice = std::ranges::adjacent_find(names);
    if (twice != names.end()) {
      error_ = Error{Status::bad_text, fmt::format("the object has the field \"{}\" twice", *twice)};
      return false;
    }
    return close();
  }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& error) override {
    // "[json.exception.parse_error.101] parse error at line 1, column 2: syntax error while parsing value - unexpected
    // end of input; last read: '…'; expected …": what is unexpected, without the piece of text.
    std::string words = error.what();
    // A number that no double holds: "[json.exception.out_of_range.406] number overflow parsing '1e999'".
    const std::string_view mark = words.find(" - ") == std::string::npos ? "] " : " - ";
    words.erase(0, std::min(words.find(mark) + mark.size(), words.size()));
    const std::size_t read = words.find("; last read: '");
    if (read != std::string::npos) words.erase(read, words.rfind('\'') + 1 - read);
    error_ = Error{Status::bad_text, fmt::format("no JSON at byte {}: {}", position, words)};
    return false;
  }

  Result<JsonNode> result(bool complete) && {
    if (!complete) return std::unexpected(std::move(error_));
    return std::move(root_);
  }

 private:
  bool number(std::string text) { return add({.form = JsonNode::Form::number, .text = std::move(text)}); }

  bool add(JsonNode node) {
    (open_.empty() ? root_ : open_.back().items.emplace_back()) = std::move(node);
    return true;
  }

  bool open(JsonNode::Form form) {
    if (open_.size() >= limits::most_json_depth) {
      error_ = Error{Status::too_large, fmt::format("JSON is nested more than {} deep", limits::most_json_depth)};
      return false;
    }
    open_.push_back({.form = form});
    return true;
  }

  bool close() {
    JsonNode node = std::move(open_.back());
    open_.pop_back();
    return add(std::move(node));
  }

  JsonNode root_;
  std::vector<JsonNode> open_;
  Error error_{Status::bad_text, "no JSON"};
};

}  // namespace

std::string_view JsonNode::form_name() const {
  switch (form) {
    case Form::null: return "null";
    case Form::boolean: return truth ? "true" : "false";
    case Form::number: return "a number";
    case Form::string: return "a string";
    case Form::array: return "an array";
    case Form::object: return "an object";
  }
  return "";
}

Result<JsonNode> parse_json(std::string_view text) {
  Builder builder;
  bool complete = false;
  try {
    complete = Json::sax_parse(text, &builder);
  } catch (const Json::exception& error) {
    return bad(error.what());
  }
  return std::move(builder).result(complete);
}

}  // namespace chimera::types
