#include "cli/program.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>

#include "isa/utf8.h"

namespace chimera::cli {
namespace {

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

constexpr std::size_t read_size = 1 << 16;

std::expected<std::string, std::string> read_stream(std::FILE* file, const std::string& name) {
  std::string content;
  std::size_t size = 0;
  do {
    content.resize(size + read_size);
    size += std::fread(content.data() + size, 1, read_size, file);
    content.resize(size);
  } while (std::feof(file) == 0 && std::ferror(file) == 0);
  if (std::ferror(file) != 0) return std::unexpected(fmt::format("Cannot read {}: {}.", name, std::strerror(errno)));
  return content;
}

/// Where text stops being text; nothing where all of it is.
std::optional<std::size_t> first_odd_byte(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const Utf8Character character = first_character(text.substr(at));
    const bool is_blank = character.point == '\t' || character.point == '\n' || character.point == '\r';
    if (character.size == 0 || (is_control(character.point) && !is_blank)) return at;
    at += character.size;
  }
  return std::nullopt;
}

std::string display_name(const std::string& path) { return path == "-" ? "standard input" : path; }

}  // namespace

std::expected<std::string, std::string> read_whole(const std::string& path) {
  if (path == "-") return read_stream(stdin, display_name(path));
  const File file(std::fopen(path.c_str(), "rbe"));
  if (!file) return std::unexpected(fmt::format("Cannot open {}: {}.", path, std::strerror(errno)));
  return read_stream(file.get(), path);
}

std::expected<void, std::string> write_whole(const std::string& path, std::string_view content) {
  File opened(path == "-" ? nullptr : std::fopen(path.c_str(), "wbe"));
  std::FILE* file = path == "-" ? stdout : opened.get();
  const bool written = file != nullptr && std::fwrite(content.data(), 1, content.size(), file) == content.size() &&
                       std::fflush(file) == 0;
  if (!written) {
    const std::string name = path == "-" ? "standard output" : path;
    return std::unexpected(fmt::format("Cannot write {}: {}.", name, std::strerror(errno)));
  }
  return {};
}

std::expected<LoadedProgram, std::string> assemble_program(std::string_view source, const std::string& name) {
  assembler::Assembled assembled = assembler::assemble(source, name, assembler::file_system_reader());
  if (assembled.ok()) {
    std::vector<std::uint8_t> bytes = std::move(assembled.bytes);
    return LoadedProgram{name, std::move(bytes), std::move(assembled)};
  }
  if (const auto odd = first_odd_byte(source)) {
    return std::unexpected(fmt::format(
        "{} is no assembly text: the byte at offset {} is 0x{:02x}. Instructions are read by chimera disasm.", name,
        *odd, static_cast<std::uint8_t>(source[*odd])));
  }
  const std::size_t count = assembled.diagnostics.size();
  return std::unexpected(
      fmt::format("{} has {} error{}.\n{}", name, count, count == 1 ? "" : "s", assembled.diagnostics_text()));
}

std::expected<LoadedProgram, std::string> load_program(const std::string& path, ProgramForm form) {
  const auto content = read_whole(path);
  if (!content) return std::unexpected(content.error());
  const std::span bytes(reinterpret_cast<const std::uint8_t*>(content->data()), content->size());
  const bool is_text =
      form == ProgramForm::text || (form == ProgramForm::by_content && assembler::looks_like_text(bytes));
  if (is_text) return assemble_program(*content, display_name(path));
  return LoadedProgram{display_name(path), {bytes.begin(), bytes.end()}, {}};
}

}  // namespace chimera::cli
