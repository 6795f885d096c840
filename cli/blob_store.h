#pragma once
// Long values by their names: a table whose key is the name, and one column of it. Streams, in bounded memory.

#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/table_session.h"
#include "cli/text_source.h"

namespace chimera::cli {

struct ListedBlob {
  std::string name;                   ///< the key as a text
  std::optional<std::uint64_t> size;  ///< nothing: null
};

/// Errors are whole sentences. The table must outlive it.
class BlobStore {
 public:
  /// `column`: empty for the first blob, else string or function, of the table, which is not part of its key.
  [[nodiscard]] static std::expected<BlobStore, std::string> open(tables::Table& table, const std::string& column);

  /// Takes bytes until they end; how many it were. Nobody sees anything of them until all have come; then they are in
  /// the place of what the row of that name has in the column, or in a new row. Where it is explained they end early,
  /// behind the first piece.
  [[nodiscard]] std::expected<std::uint64_t, std::string> put(const std::string& name, TextSource& from);
  /// Adds to the end, without reading what is there. What came before a failure stays, in whole characters of a text;
  /// of a function nothing. Where it is explained the first piece.
  [[nodiscard]] std::expected<std::uint64_t, std::string> append(const std::string& name, TextSource& from);
  /// Gives out a range, a piece at a time, up to the blob's end, until `to` returns false. How many bytes it were.
  [[nodiscard]] std::expected<std::uint64_t, std::string> get(
      const std::string& name, std::uint64_t offset, std::uint64_t count,
      const std::function<std::expected<bool, std::string>(std::string_view)>& to);
  /// The SHA-256 of a range, as 64 hexadecimal digits: by the machine itself where it can, else read piece by piece.
  [[nodiscard]] std::expected<std::string, std::string> digest(const std::string& name, std::uint64_t offset,
                                                               std::uint64_t count);
  [[nodiscard]] Done remove(const std::string& name);
  [[nodiscard]] std::expected<std::vector<ListedBlob>, std::string> list();

 private:
  BlobStore(tables::Table& table, const types::Column& column)
      : table_(&table), column_(column.name), kind_(column.type.kind) {}
  [[nodiscard]] std::expected<types::Row, std::string> key(const std::string& name) const;
  /// A failure's words; where there is no such row, that there is no such blob.
  [[nodiscard]] std::string words_for(const std::string& name, const tables::Failure& failure) const;
  [[nodiscard]] std::expected<std::uint64_t, std::string> put_function(const types::Row& key, TextSource& from);
  [[nodiscard]] std::expected<std::string_view, std::string> next_piece(TextSource& from) const;

  tables::Table* table_;
  std::string column_;
  types::Kind kind_;
};

/// The relation of a table of blobs that nobody has made: a name and a content.
[[nodiscard]] const types::Relation& blob_relation();

}  // namespace chimera::cli
