#include "tables/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <numeric>
#include <thread>
#include <utility>
#include <vector>

#include "tables/attempt.h"
#include "tables/change.h"
#include "tables/encoded_rows.h"
#include "tables/given_rows.h"
#include "tables/insert.h"
#include "tables/names.h"
#include "tables/remove.h"
#include "tables/row_reader.h"
#include "tables/update.h"

namespace chimera::tables {

using types::Row;

namespace {

/// Names and UUIDs of all devices: a column or index that comes, goes or is renamed is another one. A column that is
/// being dropped can be empty already, and its schema says so. How values are kept is nothing to readers.
bool is_same_to_readers(const TableShape& one, const TableShape& other) {
  const auto columns = [](const TableShape& shape) {
    std::vector<types::Column> all = shape.relation.columns;
    for (types::Column& column : all) column.compressed = false;
    return all;
  };
  return one.devices() == other.devices() && columns(one) == columns(other);
}

}  // namespace

Table::Table(Link& link, std::string name, const TableOptions& options)
    : link_(&link), name_(std::move(name)), options_(options) {}
Table::Table(Table&&) noexcept = default;
Table& Table::operator=(Table&&) noexcept = default;
Table::~Table() = default;

Result<Table> Table::open(Link& link, std::string name, const TableOptions& options) {
  Table table(link, std::move(name), options);
  for (unsigned tries = 1;; ++tries) {
    auto opened = table.reopen();
    if (opened) return table;
    if (!is_lost_race(opened.error()) || tries >= options.most_tries) return std::unexpected(std::move(opened.error()));
  }
}

const types::Relation& Table::relation() const { return open_->shape().relation; }

Result<> Table::reopen() {
  auto opened = open_table(*link_, options_.explained, name_);
  if (!opened) return std::unexpected(std::move(opened.error()));
  (*opened)->is_read_only = is_catalogues_own(name_);
  reader_.reset();
  if (open_ && is_same_to_readers(open_->shape(), (*opened)->shape())) (*opened)->go_on_from(*open_);
  open_ = std::move(*opened);
  reader_ = std::make_unique<RowReader>(*open_);
  return {};
}

bool Table::has_new_shape() {
  const Result<TableHeader> header = read_header(*open_);
  const bool is_old = header ? header->shape != open_->header().shape : is_lost_race(header.error());
  if (!is_old) return false;
  const Result<> opened = reopen();
  return opened || is_lost_race(opened.error());
}

namespace {

/// Where the version was another one each time; what else was in the way says so itself.
Failure lost_all_races(const Failure& failure, const std::string& name, unsigned tries) {
  const bool is_of_version = failure.status == Status::conflict || failure.status == Status::mismatch;
  if (!is_of_version || is_shape_changed(failure)) return failure;
  return {Status::conflict,
          fmt::format("Others have changed {} at each of {} tries: do it again when fewer of them do.", name, tries)};
}

}  // namespace

Result<> Table::prepare_again(const Failure& failure, unsigned tries) {
  if (!is_lost_race(failure)) {
    // What was found may have been found in memory alone, and be no longer so.
    const bool is_found_here = failure.instruction == Failure::nowhere && failure.status != Status::io_error;
    if (!is_found_here) return std::unexpected(failure);
    const Result<> confirmed = open_->confirm();
    if (confirmed || !is_lost_race(confirmed.error())) return std::unexpected(failure);
  }
  if (tries >= options_.most_tries) return std::unexpected(lost_all_races(failure, name_, tries));
  if (tries > 2) {
    constexpr unsigned longest_wait_us = 5000;
    std::this_thread::sleep_for(std::chrono::microseconds(std::min(20u << std::min(tries, 10u), longest_wait_us)));
  }
  const Result<TableHeader> header = read_header(*open_);
  if (header && header->shape == open_->header().shape) {
    open_->renew(*header);
    return {};
  }
  const Result<> opened = reopen();
  // Somebody has changed it again while it was looked at. What is kept is old still, so that the next try fails as this
  // one has, and comes here.
  if (!opened && is_lost_race(opened.error())) return {};
  return opened;
}

Result<std::uint64_t> Table::count() {
  return retry<std::uint64_t>([](OpenTable& table) -> Result<std::uint64_t> {
    const Result<TableHeader> header = read_header(table);
    if (!header) return std::unexpected(header.error());
    return header->live;
  });
}

namespace {

/// So many of the rows from `first` on as make a batch.
std::size_t batch_from(const EncodedRows& rows, const TableShape& shape, std::size_t first) {
  std::size_t entry_bytes = 0;
  for (const ColumnFile& column : shape.columns) entry_bytes += column.width;
  std::size_t most = std::min(Table::most_batch_rows, rows.size() - first);
  most = std::min(most, std::max<std::size_t>(Table::most_batch_bytes / entry_bytes, 1));
  if (shape.relation.circular) most = static_cast<std::size_t>(std::min<std::uint64_t>(most, *shape.relation.circular));
  std::size_t bytes = most * entry_bytes;
  for (std::uint32_t column = 0; column < shape.columns.size(); ++column) {
    for (const LongContent& of : rows.column(column).longs) {
      if (of.row >= first && of.row < first + most) bytes += of.content.size();
    }
  }
  while (most > 1 && bytes > 2 * Table::most_batch_bytes) most /= 2, bytes /= 2;
  return most;
}

}  // namespace

Result<> Table::insert(std::vector<Row> rows, std::uint64_t* inserted) {
  std::uint64_t done = 0;
  if (inserted != nullptr) *inserted = 0;
  std::size_t most = most_batch_rows;
  const std::size_t all = rows.size();
  GivenRows given(std::move(rows));
  while (done < all) {
    const auto piece = retry<std::size_t>([&](OpenTable& table) -> Result<std::size_t> {
      const auto encoded = given.encode(table);
      if (!encoded) return std::unexpected(encoded.error());
      const std::size_t count = std::min(batch_from(**encoded, table.shape(), done), most);
      Change change(*link_, options_.explained);
      std::vector<std::uint32_t> places(count);
      std::iota(places.begin(), places.end(), static_cast<std::uint32_t>(done));
      if (auto planned = plan_insert(table, change, **encoded, places); !planned) {
        return std::unexpected(std::move(planned.error()));
      }
      if (auto committed = change.commit(); !committed) return std::unexpected(std::move(committed.error()));
      return count;
    });
    if (!piece && piece.error().status == Status::too_large && piece.error().instruction != Failure::nowhere) {
      // It does not fit one transaction.
      most = std::min(most, all - done);
      if (most > 1) {
        most /= 2;
        continue;
      }
    }
    if (!piece) return std::unexpected(piece.error());
    done += *piece;
    if (inserted != nullptr) *inserted = done;
  }
  return {};
}

namespace {

/// The key's values in their columns' types.
Result<std::vector<std::uint8_t>> encode_key(const TableShape& shape, Row& key) {
  if (!shape.has_key) {
    return std::unexpected(Failure{Status::unsupported, fmt::format("{} has no primary key.", shape.name)});
  }
  const IndexFile& index = shape.indexes[primary_key];
  if (key.size() != index.columns.size()) {
    return std::unexpected(
        Failure{Status::bad_text, fmt::format("The key of {} has {} columns, and {} values are given.", shape.name,
                                              index.columns.size(), key.size())});
  }
  Row row(shape.columns.size());
  for (std::size_t i = 0; i < key.size(); ++i) {
    if (auto fits = conform_value(shape.relation.columns[index.columns[i]], key[i]); !fits) {
      return std::unexpected(std::move(fits.error()));
    }
    row[index.columns[i]] = key[i];
  }
  std::vector<std::uint8_t> bytes;
  if (auto done = append_index_key(shape, index, row, bytes); !done) return std::unexpected(std::move(done.error()));
  return bytes;
}

}  // namespace

Result<std::optional<std::uint64_t>> find_row(OpenTable& table, Row& key) {
  const auto bytes = encode_key(table.shape(), key);
  if (!bytes) return std::unexpected(bytes.error());
  const auto found = table.tree(primary_key).find(*bytes);
  if (!found) return std::unexpected(found.error());
  if (*found) {
    const auto row = table.row_of_key(**found);
    if (!row) return std::unexpected(row.error());
    return std::optional(*row);
  }
  if (auto confirmed = table.confirm(); !confirmed) return std::unexpected(std::move(confirmed.error()));
  return std::optional<std::uint64_t>();
}

Result<std::optional<Row>> Table::get(Row key) {
  return retry<std::optional<Row>>([&](OpenTable& table) -> Result<std::optional<Row>> {
    const auto row = find_row(table, key);
    if (!row) return std::unexpected(row.error());
    if (!*row) return std::optional<Row>();
    const std::uint64_t numbers[] = {**row};
    std::vector<Row> rows;
    if (auto done = reader_->read_sparse(numbers, table.shape().beside_key, rows); !done) {
      return std::unexpected(std::move(done.error()));
    }
    const TableShape& shape = table.shape();
    for (std::size_t i = 0; i < key.size(); ++i) {
      const std::uint32_t column = shape.indexes[primary_key].columns[i];
      if (!std::ranges::binary_search(shape.beside_key, column)) rows[0][column] = key[i];
    }
    return std::optional(std::move(rows[0]));
  });
}

Result<bool> Table::remove(Row key) {
  return retry<bool>([&](OpenTable& table) -> Result<bool> {
    const auto row = find_row(table, key);
    if (!row) return std::unexpected(row.error());
    if (!*row) return false;
    Change change(*link_, options_.explained);
    const std::uint64_t numbers[] = {**row};
    if (auto done = plan_remove(table, change, numbers, WhatIsGone::refused); !done) {
      return std::unexpected(std::move(done.error()));
    }
    if (auto done = change.commit(); !done) return std::unexpected(std::move(done.error()));
    return true;
  });
}

Result<bool> Table::mark(Row key, std::uint8_t set, std::uint8_t clear) {
  return retry<bool>([&](OpenTable& table) -> Result<bool> {
    const auto row = find_row(table, key);
    if (!row) return std::unexpected(row.error());
    if (!*row) return false;
    const std::uint64_t numbers[] = {**row};
    if (auto done = reader_->entries.read(numbers, {}, true); !done) return std::unexpected(std::move(done.error()));
    const auto state = static_cast<std::uint8_t>(((reader_->entries.states()[0] & ~clear) | set) | row_state::active);
    Change change(*link_, options_.explained);
    change.join(table);
    write_states(table, change, numbers, state);
    if (auto done = change.commit(); !done) return std::unexpected(std::move(done.error()));
    return true;
  });
}

Result<> Table::truncate() {
  const auto done = retry<bool>([&](OpenTable& table) -> Result<bool> {
    Change change(*link_, options_.explained);
    if (auto planned = plan_truncate(table, change); !planned) return std::unexpected(std::move(planned.error()));
    if (auto committed = change.commit(); !committed) return std::unexpected(std::move(committed.error()));
    return true;
  });
  if (!done) return std::unexpected(done.error());
  return {};
}

}  // namespace chimera::tables
