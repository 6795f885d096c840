#pragma once
// The files of one assembly, each read once.

#include <cstdint>
#include <deque>
#include <expected>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "assembler/assembler.h"

namespace chimera::assembler {

/// A file of source, and where its lines and `.repeat`s are.
struct SourceText {
  const SourceFile* file = nullptr;
  std::uint32_t index = 0;               ///< in Assembled::files
  std::vector<std::size_t> line_begins;  ///< one more than there are lines: the end of the text
  /// For the line of a `.repeat`, the line of its `.end`; no entry where that lacks.
  std::unordered_map<std::size_t, std::size_t> ends;

  [[nodiscard]] std::size_t line_count() const { return line_begins.size() - 1; }
  /// Line `i`, from 0, without its newline.
  [[nodiscard]] std::string_view line(std::size_t i) const;
};

class Files {
 public:
  /// Source files go into `files`, which must outlive this.
  Files(const FileReader& reader, std::deque<SourceFile>& files) : reader_{reader}, files_{files} {}

  const SourceText& add_source(std::string name, std::string text);
  /// The source file at `path`; the error says why it cannot be read. Valid as long as this is.
  [[nodiscard]] std::expected<const SourceText*, std::string> source(const std::string& path);
  /// The bytes of any file. Valid as long as this is.
  [[nodiscard]] std::expected<std::string_view, std::string> bytes(const std::string& path);

 private:
  const FileReader& reader_;
  std::deque<SourceFile>& files_;
  std::deque<SourceText> sources_;
  std::unordered_map<std::string, const SourceText*> source_by_path_;
  std::unordered_map<std::string, std::string> bytes_by_path_;
};

/// `path` as seen from the folder of the file `from`, without . and .. inside.
[[nodiscard]] std::string path_from(std::string_view from, std::string_view path);

}  // namespace chimera::assembler
