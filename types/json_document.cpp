#include "types/json_document.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>
#include <iterator>

#include "types/limits.h"

namespace chimera::types {
namespace {

using Json = nlohmann::json;

/// A place in a text that tells how far the parser has read.
class Reader {
 public:
  using difference_type = std::ptrdiff_t;
  using value_type = char;
  using reference = const char&;
  using pointer = const char*;
  using iterator_category = std::input_iterator_tag;

  Reader(const char* at, std::size_t* read) : at_(at), read_(read) {}
  reference operator*() const { return *at_; }
  Reader& operator++() {
    ++at_;
    ++*read_;
    return *this;
  }
  bool operator==(const Reader& other) const { return at_ == other.at_; }
  bool operator!=(const Reader& other) const { return at_ != other.at_; }

 private:
  const char* at_;
  std::size_t* read_;
};

/// nlohmann's parser calls it for each part of a text. It hands over the text of numbers beyond 64 bits and of those
/// with a point as they are written, so no digit is lost.
class Builder : public nlohmann::json_sax<Json> {
 public:
  /// `read`: bytes of the text that the parser has looked at, which is one more than it has taken behind a number.
  Builder(std::string_view text, const std::size_t& read) : text_(text), read_(read) {}

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
    open_.back().name_offsets.push_back(take_offset());
    open_.back().names.push_back(std::move(name));
    return true;
  }

  bool end_object() override {
    std::vector<std::string_view> names{open_.back().names.begin(), open_.back().names.end()};
    std::ranges::sort(names);
    const auto twice = std::ranges::adjacent_find(names);
    if (twice != names.end()) {
      error_ = Error{Status::bad_text, fmt::format("the object has the field \"{}\" twice", *twice)};
      const auto second = std::ranges::find(open_.back().names.rbegin(), open_.back().names.rend(), *twice);
      error_.offset = open_.back().name_offsets[static_cast<std::size_t>(open_.back().names.rend() - second) - 1];
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
    error_.offset = position == 0 ? 0 : position - 1;
    return false;
  }

  Result<JsonNode> result(bool complete) && {
    if (!complete) return std::unexpected(std::move(error_));
    return std::move(root_);
  }

 private:
  bool number(std::string text) { return add({.form = JsonNode::Form::number, .text = std::move(text)}); }

  /// Where what is told now begins: behind what was told before.
  std::size_t take_offset() {
    const std::size_t begin = std::min(text_.find_first_not_of(" \t\r\n,:]}", told_), text_.size());
    told_ = read_;
    return begin;
  }

  bool add(JsonNode node) {
    node.offset = take_offset();
    return put(std::move(node));
  }

  bool put(JsonNode node) {
    (open_.empty() ? root_ : open_.back().items.emplace_back()) = std::move(node);
    return true;
  }

  bool open(JsonNode::Form form) {
    const std::size_t offset = take_offset();
    if (open_.size() >= limits::most_json_depth) {
      error_ = Error{Status::too_large, fmt::format("JSON is nested more than {} deep", limits::most_json_depth)};
      error_.offset = offset;
      return false;
    }
    open_.push_back({.form = form});
    open_.back().offset = offset;
    return true;
  }

  bool close() {
    JsonNode node = std::move(open_.back());
    open_.pop_back();
    told_ = read_;
    return put(std::move(node));
  }

  std::string_view text_;
  const std::size_t& read_;
  std::size_t told_ = 0;  ///< up to here
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

std::size_t offset_at(const JsonNode& node, std::string_view path) {
  if (path.starts_with('[')) {
    std::size_t index = 0;
    const char* const end = path.data() + path.size();
    const char* const behind = std::from_chars(path.data() + 1, end, index).ptr;
    if (node.form != JsonNode::Form::array || behind == end || index >= node.items.size()) return node.offset;
    return offset_at(node.items[index], path.substr(static_cast<std::size_t>(behind - path.data()) + 1));
  }
  if (path.empty() || node.form != JsonNode::Form::object) return node.offset;
  // A name may have points and brackets in it: the longest that fits.
  std::size_t found = node.names.size();
  for (std::size_t i = 0; i < node.names.size(); ++i) {
    const std::string& name = node.names[i];
    if (!path.substr(1).starts_with(name)) continue;
    const std::string_view rest = path.substr(1 + name.size());
    const bool is_whole = rest.empty() || rest.front() == '.' || rest.front() == '[';
    if (is_whole && (found == node.names.size() || name.size() > node.names[found].size())) found = i;
  }
  if (found < node.names.size()) return offset_at(node.items[found], path.substr(1 + node.names[found].size()));
  // {"$kind": value} stands for the value.
  const bool is_tagged = node.names.size() == 1 && node.names.front().starts_with('$');
  return is_tagged ? offset_at(node.items.front(), path) : node.offset;
}

Result<JsonNode> parse_json(std::string_view text) {
  std::size_t read = 0;
  Builder builder(text, read);
  bool complete = false;
  try {
    complete = Json::sax_parse(Reader(text.data(), &read), Reader(text.data() + text.size(), &read), &builder);
  } catch (const Json::exception& error) {
    return bad(error.what());
  }
  return std::move(builder).result(complete);
}

}  // namespace chimera::types
