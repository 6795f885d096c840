#include "cli/blob_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "cli/table_words.h"
#include "tables/attempt.h"
#include "tables/remove.h"
#include "tables/scan.h"
#include "tables/update.h"
#include "types/text.h"

namespace chimera::cli {
namespace {

using tables::OpenTable;

constexpr std::size_t piece_bytes = 4 << 20;

/// How a blob is called until it is complete.
constexpr std::string_view partial = ".partial";

bool is_long(const types::Column& column) {
  return column.type.kind == types::Kind::blob || column.type.kind == types::Kind::string ||
         column.type.kind == types::Kind::function;
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
    return BlobStore(table, column);
  }
  for (const types::Column& of : relation.columns) {
    if (of.type.kind == types::Kind::blob) return BlobStore(table, of.name);
  }
  return std::unexpected(fmt::format("{} has no column of blobs: name one with --column.", table.name()));
}

std::expected<types::Row, std::string> BlobStore::key(const std::string& name) const { return key_of(*table_, {name}); }

/// Makes the row, or empties what it has in the column.
Done BlobStore::make_empty(const std::string& name) {
  const auto of = key(name);
  if (!of) return std::unexpected(of.error());
  const types::Relation& relation = table_->relation();
  types::Row row(relation.columns.size());
  for (std::size_t i = 0; i < row.size(); ++i) {
    const types::Column& column = relation.columns[i];
    if (column.default_value) row[i] = *column.default_value;
    if (i == relation.key[0]) row[i] = (*of)[0];
    if (column.name == column_) row[i] = types::Value::blob({});
    if (column.name == column_ && column.type.kind == types::Kind::string) row[i] = types::Value::string({});
    if (column.name == column_ && column.type.kind == types::Kind::function) row[i] = types::Value::function({});
  }
  std::vector<types::Row> rows;
  rows.push_back(std::move(row));
  if (const auto made = table_->upsert(std::move(rows)); !made) return words_of(made);
  return {};
}

std::expected<std::uint64_t, std::string> BlobStore::append_all(const types::Row& key, TextSource& from) {
  for (std::uint64_t done = 0;;) {
    while (from.unread().size() < piece_bytes && !from.has_ended()) {
      if (auto read = from.more(); !read) return std::unexpected(read.error());
    }
    const std::string_view piece = from.unread().substr(0, piece_bytes);
    if (piece.empty()) return done;
    const auto bytes = std::span(reinterpret_cast<const std::uint8_t*>(piece.data()), piece.size());
    if (const auto added = table_->append_value(key, column_, bytes); !added) return words_of(added);
    done += piece.size();
    from.take(piece.size());
  }
}

/// One transaction: what had the name goes.
Done BlobStore::give_name(const types::Row& from, const types::Row& to) {
  const std::string key_column = table_->relation().columns[table_->relation().key[0]].name;
  const auto done = table_->retry<bool>([&](OpenTable& table) -> tables::Result<bool> {
    types::Row old_key = to, new_key = from;
    const auto old_row = tables::find_row(table, old_key), row = tables::find_row(table, new_key);
    if (!old_row || !row) return std::unexpected((old_row ? row : old_row).error());
    if (!*row) {
      return std::unexpected(
          tables::Failure{Status::not_found, "Somebody has deleted the blob before it was complete."});
    }
    tables::Change change(table_->link(), table_->options().explained);
    if (*old_row) {
      const std::uint64_t gone[] = {**old_row};
      auto planned = tables::plan_remove(table, change, gone, tables::WhatIsGone::refused);
      if (!planned) return std::unexpected(std::move(planned.error()));
    }
    const tables::Assignment assignment{key_column, to[0]};
    const auto bound = tables::bind_assignments(table.shape(), std::span(&assignment, 1));
    if (!bound) return std::unexpected(bound.error());
    const std::uint64_t numbers[] = {**row};
    auto planned = tables::plan_update(table, change, numbers, *bound);
    if (!planned) return std::unexpected(std::move(planned.error()));
    if (auto committed = change.commit(); !committed) return std::unexpected(std::move(committed.error()));
    return true;
  });
  if (!done) return words_of(done);
  return {};
}

std::expected<std::uint64_t, std::string> BlobStore::put(const std::string& name, TextSource& from) {
  const bool is_named_by_text = table_->relation().columns[table_->relation().key[0]].type.kind == types::Kind::string;
  const auto wanted = key(name);
  if (!wanted) return std::unexpected(wanted.error());
  const std::string first_name = is_named_by_text ? name + std::string(partial) : name;
  if (auto made = make_empty(first_name); !made) return std::unexpected(made.error());
  const auto first_key = key(first_name);
  const auto size = append_all(*first_key, from);
  if (!size) {
    static_cast<void>(table_->remove(*first_key));
    return size;
  }
  if (!is_named_by_text) return size;
  if (auto named = give_name(*first_key, *wanted); !named) return std::unexpected(named.error());
  return size;
}

std::expected<std::uint64_t, std::string> BlobStore::append(const std::string& name, TextSource& from) {
  const auto of = key(name);
  if (!of) return std::unexpected(of.error());
  return append_all(*of, from);
}

std::expected<std::uint64_t, std::string> BlobStore::get(
    const std::string& name, std::uint64_t offset, std::uint64_t count,
    const std::function<std::expected<bool, std::string>(std::string_view)>& to) {
  const auto of = key(name);
  if (!of) return std::unexpected(of.error());
  for (std::uint64_t done = 0;;) {
    const std::uint64_t wanted = std::min<std::uint64_t>(count - done, piece_bytes);
    const auto piece = table_->read_value(*of, column_, offset + done, wanted);
    if (!piece) return words_of(piece);
    const auto more = to({reinterpret_cast<const char*>(piece->data()), piece->size()});
    if (!more) return std::unexpected(more.error());
    done += piece->size();
    if (!*more || piece->size() < wanted || done == count) return done;
  }
}

Done BlobStore::remove(const std::string& name) {
  auto of = key(name);
  if (!of) return std::unexpected(of.error());
  const auto removed = table_->remove(std::move(*of));
  if (!removed) return words_of(removed);
  if (*removed || table_->options().explained) return {};
  return std::unexpected(fmt::format("{} has no blob \"{}\".", table_->name(), name));
}

std::expected<std::vector<ListedBlob>, std::string> BlobStore::list() {
  const types::Column column = table_->relation().columns[table_->relation().key[0]];
  auto scan = table_->scan({.columns = {column.name}, .where = {}, .along = "key"});
  if (!scan) return words_of(scan);
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
    if (size) blobs.push_back({types::to_text(of[0], column.type), *size});
    // One that has gone meanwhile is left out.
    if (!size && size.error().status != Status::not_found) return words_of(size);
  }
  return blobs;
}

}  // namespace chimera::cli
