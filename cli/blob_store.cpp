#include "cli/blob_store.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <limits>

#include "cli/render.h"
#include "cli/sha256.h"
#include "cli/table_words.h"
#include "isa/utf8.h"
#include "tables/blob_writer.h"
#include "tables/scan.h"
#include "tables/value_appender.h"
#include "types/text.h"

namespace chimera::cli {
namespace {

constexpr std::size_t piece_bytes = 4 << 20;

bool is_long(const types::Column& column) {
  return column.type.kind == types::Kind::blob || column.type.kind == types::Kind::string ||
         column.type.kind == types::Kind::function;
}

std::string no_blob(const tables::Table& table, const std::string& name) {
  return fmt::format("{} has no blob \"{}\".", table.name(), name);
}

}  // namespace

const types::Relation& blob_relation() {
  static const types::Relation relation =
      types::parse_schema("relation blobs = struct { name: string, content: blob external } key (name)", "blobs")
          ->relations[0];
  return relation;
}

std::expected<BlobStore, std::string> BlobStore::open(tables::Table& table, const std::string& column) {
  const types::Relation& relation = table.relation();
  if (relation.key.size() != 1) {
    return std::unexpected(fmt::format("{} has no key of one column, which would name its blobs.", table.name()));
  }
  if (!column.empty()) {
    const auto place = relation.find(column);
    if (!place) return std::unexpected(fmt::format("{} has no column {}.", table.name(), column));
    if (!is_long(relation.columns[*place])) {
      return std::unexpected(fmt::format("Column {} is {}, and neither blob, string nor function.", column,
                                         types::type_text(relation.columns[*place].type)));
    }
    return BlobStore(table, relation.columns[*place]);
  }
  for (const types::Column& of : relation.columns) {
    if (of.type.kind == types::Kind::blob) return BlobStore(table, of);
  }
  return std::unexpected(fmt::format("{} has no column of blobs: name one with --column.", table.name()));
}

std::expected<types::Row, std::string> BlobStore::key(const std::string& name) const { return key_of(*table_, {name}); }

std::string BlobStore::words_for(const std::string& name, const tables::Failure& failure) const {
  // A column or the table can have gone too.
  if (failure.status == Status::not_found) {
    auto of = key(name);
    const auto row = of ? table_->get(std::move(*of)) : std::unexpected(failure);
    if (row && !*row) return no_blob(*table_, name);
  }
  return failure.words;
}

/// Up to 4 MiB that can be put or added by themselves: whole characters of a text, all of a function. Empty at the end.
std::expected<std::string_view, std::string> BlobStore::next_piece(TextSource& from) const {
  const bool is_function = kind_ == types::Kind::function;
  const std::size_t most = is_function ? tables::Table::most_value_bytes : piece_bytes;
  while (from.unread().size() <= most && !from.has_ended()) {
    if (auto read = from.more(); !read) return std::unexpected(read.error());
  }
  if (is_function && from.unread().size() > most) {
    return std::unexpected(
        fmt::format("A function has to be at hand as a whole, and this one has more than {} bytes.", most));
  }
  std::string_view piece = from.unread().substr(0, most);
  if (kind_ == types::Kind::string && piece.size() == most) piece.remove_suffix(cut_off_at_end(piece));
  return piece;
}

std::expected<std::uint64_t, std::string> BlobStore::put_function(const types::Row& key, TextSource& from) {
  const auto piece = next_piece(from);
  if (!piece) return std::unexpected(piece.error());
  const types::Value program = types::Value::function(std::string(*piece));
  const auto updated = table_->update(key, {{column_, program}});
  if (!updated) return words_of(updated);
  if (!*updated) {
    const types::Relation& relation = table_->relation();
    std::vector<types::Row> rows(1, types::Row(relation.columns.size()));
    for (std::size_t i = 0; i < relation.columns.size(); ++i) {
      const types::Column& column = relation.columns[i];
      if (column.default_value) rows[0][i] = *column.default_value;
      if (i == relation.key[0]) rows[0][i] = key[0];
      if (column.name == column_) rows[0][i] = program;
    }
    if (const auto inserted = table_->insert(std::move(rows)); !inserted) return words_of(inserted);
  }
  const std::uint64_t size = piece->size();
  from.take(piece->size());
  return size;
}

std::expected<std::uint64_t, std::string> BlobStore::put(const std::string& name, TextSource& from) {
  const auto of = key(name);
  if (!of) return std::unexpected(of.error());
  if (kind_ == types::Kind::function) return put_function(*of, from);
  auto writer = tables::BlobWriter::begin(*table_, *of, column_, tables::BlobWriter::Rows::new_too);
  if (!writer) return words_of(writer);
  std::uint64_t done = 0;
  // What is explained is kept and printed, so it is the first piece and a little more.
  const std::uint64_t most = table_->options().explained ? piece_bytes + 1 : std::numeric_limits<std::uint64_t>::max();
  while (done < most) {
    if (from.unread().empty() && !from.has_ended()) {
      if (auto read = from.more(); !read) return std::unexpected(read.error());
    }
    const std::string_view piece =
        from.unread().substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(most - done, from.unread().size())));
    if (piece.empty()) break;
    const auto bytes = std::span(reinterpret_cast<const std::uint8_t*>(piece.data()), piece.size());
    if (const auto added = writer->add(bytes); !added) return words_of(added);
    done += piece.size();
    from.take(piece.size());
  }
  if (const auto finished = writer->finish(); !finished) return words_of(finished);
  return done;
}

std::expected<std::uint64_t, std::string> BlobStore::append(const std::string& name, TextSource& from) {
  const auto of = key(name);
  if (!of) return std::unexpected(of.error());
  tables::ValueAppender appender(*table_, *of, column_);
  std::uint64_t done = 0;
  const auto stopped = [&](const tables::Failure& failure, std::uint64_t given) {
    const std::string words = words_for(name, failure);
    if (failure.is_in_doubt) {
      return std::unexpected(fmt::format(
          "{}\n{} bytes are appended for certain. Up to {} more, of those that follow, may be there too: see how long "
          "{} is (chimera blob list) before you go on.",
          words, grouped(appender.written()), grouped(given - appender.written()), name));
    }
    if (appender.written() == 0) return std::unexpected(words);
    return std::unexpected(fmt::format("{}\nThe first {} bytes are appended, and nothing of what follows.", words,
                                       grouped(appender.written())));
  };
  while (done == 0 || !table_->options().explained) {
    const auto piece = next_piece(from);
    if (!piece) return std::unexpected(piece.error());
    if (piece->empty()) break;
    if (const auto added = appender.add({piece->begin(), piece->end()}); !added) {
      return stopped(added.error(), done + piece->size());
    }
    done += piece->size();
    from.take(piece->size());
  }
  if (const auto settled = appender.settle(); !settled) return stopped(settled.error(), done);
  return done;
}

std::expected<std::uint64_t, std::string> BlobStore::get(
    const std::string& name, std::uint64_t offset, std::uint64_t count,
    const std::function<std::expected<bool, std::string>(std::string_view)>& to) {
  const auto of = key(name);
  if (!of) return std::unexpected(of.error());
  for (std::uint64_t done = 0;;) {
    const std::uint64_t wanted = std::min<std::uint64_t>(count - done, piece_bytes);
    const auto piece = table_->read_value(*of, column_, offset + done, wanted);
    if (!piece) return std::unexpected(words_for(name, piece.error()));
    const auto more = to({reinterpret_cast<const char*>(piece->data()), piece->size()});
    if (!more) return std::unexpected(more.error());
    done += piece->size();
    if (!*more || piece->size() < wanted || done == count) return done;
  }
}

std::expected<std::string, std::string> BlobStore::digest(const std::string& name, std::uint64_t offset,
                                                          std::uint64_t count) {
  const auto of = key(name);
  if (!of) return std::unexpected(of.error());
  const auto told = table_->value_digest(*of, column_, offset, count);
  if (!told) return std::unexpected(words_for(name, told.error()));
  if (*told) return fmt::format("{:02x}", fmt::join(**told, ""));
  Sha256 sum;
  const auto bytes = get(name, offset, count, [&](std::string_view piece) -> std::expected<bool, std::string> {
    sum.add(piece);
    return true;
  });
  if (!bytes) return std::unexpected(bytes.error());
  return sum.digits();
}

Done BlobStore::remove(const std::string& name) {
  auto of = key(name);
  if (!of) return std::unexpected(of.error());
  const auto removed = table_->remove(std::move(*of));
  if (!removed) return words_of(removed);
  if (*removed || table_->options().explained) return {};
  return std::unexpected(no_blob(*table_, name));
}

std::expected<std::vector<ListedBlob>, std::string> BlobStore::list() {
  const std::string column = table_->relation().columns[table_->relation().key[0]].name;
  auto scan = table_->scan({.columns = {column}, .where = {}, .along = "key"});
  if (!scan) return words_of(scan);
  const types::Type type = table_->relation().columns[scan->columns().front()].type;
  std::vector<types::Row> keys, rows;
  for (;;) {
    const auto some = scan->next(rows);
    if (!some) return words_of(some);
    if (!*some) break;
    std::ranges::move(rows, std::back_inserter(keys));
  }
  std::vector<ListedBlob> blobs;
  for (const types::Row& of : keys) {
    const auto size = table_->value_size(of, column_);
    if (size) blobs.push_back({types::to_text(of[0], type), *size});
    // One that has gone meanwhile is left out.
    if (!size && size.error().status != Status::not_found) return words_of(size);
  }
  return blobs;
}

}  // namespace chimera::cli
