#include "assembler/files.h"

#include <fmt/format.h>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

namespace chimera::assembler {
namespace {

/// True if the line's first word is that directive.
bool begins_with_directive(std::string_view line, std::string_view directive) {
  const std::size_t begin = line.find_first_not_of(" \t\r");
  if (begin == std::string_view::npos) return false;
  line.remove_prefix(begin);
  if (!line.starts_with(directive)) return false;
  line.remove_prefix(directive.size());
  return line.empty() || std::string_view{" \t\r;($\"@#-"}.find(line.front()) != std::string_view::npos;
}

void index_lines(SourceText& source) {
  const std::string_view text = source.file->text;
  std::vector<std::size_t> open;  // lines of .repeat
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t number = source.line_begins.size();
    source.line_begins.push_back(at);
    const std::size_t newline = text.find('\n', at);
    const std::size_t end = newline == std::string_view::npos ? text.size() : newline;
    const std::string_view line = text.substr(at, end - at);
    if (begins_with_directive(line, ".repeat")) open.push_back(number);
    if (begins_with_directive(line, ".end") && !open.empty()) {
      source.ends.emplace(open.back(), number);
      open.pop_back();
    }
    at = end + 1;
  }
  source.line_begins.push_back(at);  // one past the newline that the last line has or might have
}

std::optional<std::string> read_whole_file(const std::string& path, std::size_t most, std::string& error) {
  std::error_code failure;
  if (std::filesystem::is_directory(path, failure)) {
    error = "it is a folder";
    return std::nullopt;
  }
  std::ifstream file{path, std::ios::binary};
  if (!file) {
    error = std::strerror(errno);
    return std::nullopt;
  }
  std::string text;
  constexpr std::size_t piece = std::size_t{1} << 16;
  while (file) {
    const std::size_t size = text.size();
    text.resize(size + piece);
    file.read(text.data() + size, piece);
    text.resize(size + static_cast<std::size_t>(file.gcount()));
    if (text.size() > most) {
      error = fmt::format("it has more than {} bytes", most);
      return std::nullopt;
    }
  }
  if (file.bad()) {
    error = "it cannot be read to its end";
    return std::nullopt;
  }
  return text;
}

}  // namespace

std::string_view SourceText::line(std::size_t i) const {
  const std::string_view text = file->text;
  return text.substr(line_begins[i], line_begins[i + 1] - 1 - line_begins[i]);
}

const SourceText& Files::add_source(std::string name, std::string text) {
  SourceText source;
  source.index = static_cast<std::uint32_t>(files_.size());
  files_.push_back({std::move(name), std::move(text)});
  source.file = &files_.back();
  index_lines(source);
  return sources_.emplace_back(std::move(source));
}

std::expected<const SourceText*, std::string> Files::source(const std::string& path) {
  if (const auto known = source_by_path_.find(path); known != source_by_path_.end()) return known->second;
  std::string error = "files cannot be read here";
  auto text = reader_ ? reader_(path, error) : std::nullopt;
  if (!text) return std::unexpected(error);
  const SourceText* const source = &add_source(path, *std::move(text));
  source_by_path_.emplace(path, source);
  return source;
}

std::expected<std::string_view, std::string> Files::bytes(const std::string& path) {
  if (const auto known = bytes_by_path_.find(path); known != bytes_by_path_.end()) return known->second;
  std::string error = "files cannot be read here";
  auto bytes = reader_ ? reader_(path, error) : std::nullopt;
  if (!bytes) return std::unexpected(error);
  return bytes_by_path_.emplace(path, *std::move(bytes)).first->second;
}

std::string path_from(std::string_view from, std::string_view path) {
  const std::filesystem::path folder = std::filesystem::path{from}.parent_path();
  return (folder / path).lexically_normal().string();
}

FileReader file_system_reader(std::size_t most_bytes) {
  return [most_bytes](const std::string& path, std::string& error) { return read_whole_file(path, most_bytes, error); };
}

}  // namespace chimera::assembler
