#include "tables/check_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <numeric>
#include <vector>

#include "tables/btree_check.h"
#include "tables/change.h"
#include "tables/cover.h"
#include "tables/encoded_rows.h"
#include "tables/heap_check.h"
#include "tables/packed_check.h"
#include "tables/row_numbers.h"
#include "tables/row_reader.h"
#include "tables/row_writes.h"
#include "tables/value_place.h"
#include "types/order.h"

namespace chimera::tables {
namespace {

constexpr std::size_t rows_at_once = 8192;

class Check {
 public:
  Check(OpenTable& table, const std::function<void(std::string)>& tell)
      : table_(table), shape_(table.shape()), tell_(tell) {}

  Result<TableReport> run() {
    for (auto part : {&Check::check_lengths, &Check::check_packed, &Check::check_trees, &Check::begin_heaps,
                      &Check::check_rows, &Check::finish_heaps, &Check::check_free_rows}) {
      if (auto done = (this->*part)(); !done) return std::unexpected(std::move(done.error()));
    }
    if (report_.rows != table_.header().live && !are_unreadable_) {
      problem(fmt::format("the header counts {} rows, and {} are there", table_.header().live, report_.rows));
    }
    if (unfinished_size_ != unfinished_rows_) {
      problem(fmt::format("the index that is being added has {} entries, and should have {}", unfinished_size_,
                          unfinished_rows_));
    }
    report_.fillings = shape_.fillings.size();
    return report_;
  }

 private:
  void problem(const std::string& words) {
    ++report_.problems;
    tell_(fmt::format("{}: {}.", shape_.name, words));
  }
  /// Damage is told; what is not is the link's failure, or somebody's change.
  Result<> told(Result<> done) {
    if (done || done.error().status != Status::corrupt) return done;
    std::string words = done.error().words;
    if (words.ends_with('.')) words.pop_back();
    problem(words);
    return {};
  }

  Result<> check_lengths() {
    Reading reading(table_.script, table_.version());
    for (const ColumnFile& column : shape_.columns) table_.script.add(Program().read_length(column.device));
    if (auto done = reading.run(table_.link(), table_.answers); !done) return done;
    for (std::uint32_t column = 0; column < shape_.columns.size(); ++column) {
      const std::uint64_t length = table_.answers.u64(1 + column);
      const std::uint64_t needed = table_.header().tail * shape_.columns[column].width;
      if (length >= needed) continue;
      problem(fmt::format("column {} has {} bytes, and needs {}", shape_.column_name(column), length, needed));
      are_unreadable_ = true;
    }
    return {};
  }

  Result<> check_packed() {
    if (are_unreadable_) return {};
    for (std::uint32_t column = 0; column < shape_.columns.size(); ++column) {
      if (shape_.columns[column].is_variable()) continue;
      const auto readable = check_pieces(table_, column, [this](const std::string& words) { problem(words); });
      if (!readable) return std::unexpected(readable.error());
      are_unreadable_ = are_unreadable_ || !*readable;
    }
    return {};
  }

  Result<> check_trees() {
    for (std::size_t i = 0; i < shape_.indexes.size(); ++i) {
      BTreeReport report;
      report.problem = [this](std::string words) {
        ++report_.problems;
        tell_(std::move(words));
      };
      const IndexFile& index = shape_.indexes[i];
      auto done =
          check_btree(table_.link(), table_.version(), index.device, shape_.name + ", index " + index.name, report);
      if (!done) return done;
      const auto size = table_.tree(i).size();
      if (!size) return told(std::unexpected(size.error()));
      unfinished_size_ = index.is_unfinished ? *size : 0;
      if (*size == table_.header().live || index.is_unfinished) continue;
      problem(fmt::format("index {} has {} entries, and there are {} rows", index.name, *size, table_.header().live));
    }
    return {};
  }

  Result<> begin_heaps() {
    for (std::size_t i = 0; i < shape_.heaps.size(); ++i) {
      heaps_.emplace_back(table_.link(), table_.version(), shape_.heaps[i], fmt::format("{}, heap {}", shape_.name, i),
                          [this](std::string words) {
                            ++report_.problems;
                            tell_(std::move(words));
                          });
      if (auto done = heaps_.back().begin(); !done) return done;
    }
    return {};
  }
  Result<> finish_heaps() {
    for (HeapCheck& heap : heaps_) {
      if (auto done = heap.finish(); !done) return done;
    }
    return {};
  }

  Result<> check_rows() {
    if (are_unreadable_) return {};
    all_columns_.resize(shape_.columns.size());
    std::iota(all_columns_.begin(), all_columns_.end(), 0u);
    RowReader reader(table_);
    for (std::uint64_t first = 0; first < table_.header().tail; first += rows_at_once) {
      const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(rows_at_once, table_.header().tail - first));
      if (auto done = reader.entries.read_run(first, count, {}, true); !done) return done;
      std::vector<std::uint64_t> numbers;
      for (std::size_t i = 0; i < count; ++i) {
        const std::uint8_t state = reader.entries.states()[i];
        const bool is_active = (state & row_state::active) != 0;
        if (is_active) numbers.push_back(first + i);
        if (state != 0 && !is_active)
          problem(fmt::format("row {} is not there, and has the state {:#04x}", first + i, state));
      }
      report_.rows += numbers.size();
      for (const RowRun& run : runs_of(numbers)) static_cast<void>(taken_.add(run.row, run.count));
      if (numbers.empty()) continue;
      if (auto done = reader.entries.read(numbers, all_columns_); !done) return done;
      if (auto done = check_slots(reader.entries, numbers); !done) return done;
      if (auto done = check_values(reader, numbers); !done) return done;
    }
    return {};
  }

  /// Of rows whose entries have been read: as many at once as a chunk of a scan would have.
  Result<> check_values(RowReader& reader, std::span<const std::uint64_t> numbers) {
    std::vector<types::Row> rows;
    for (bool is_read = true; !numbers.empty(); is_read = false) {
      if (!is_read) {
        if (auto done = reader.entries.read(numbers, all_columns_); !done) return done;
      }
      const std::vector<std::uint32_t> columns = columns_to_decode(reader.entries, 0);
      std::size_t most = 1;
      if (!leaves_out(reader.entries, 0)) {
        while (most < numbers.size() && !leaves_out(reader.entries, most)) ++most;
      }
      const std::size_t fit = reader.fitting(reader.first_places(most), columns);
      const std::span<const std::uint64_t> some = numbers.first(fit);
      numbers = numbers.subspan(fit);
      const auto decoded = reader.decode_sparse(fit, columns, rows);
      const bool is_damage =
          !decoded && (decoded.error().status == Status::corrupt || decoded.error().status == Status::too_large);
      if (!decoded && !is_damage) return decoded;
      if (is_damage) {
        problem(fmt::format("rows {} to {}: {}", some.front(), some.back(), decoded.error().words));
        continue;
      }
      for (std::size_t i = 0; i < shape_.indexes.size(); ++i) {
        if (auto done = told(check_index(i, rows, some)); !done) return done;
      }
      check_order(rows, some);
    }
    return {};
  }

  /// All but blobs that are in no index, of which any bytes are one; and of a row not what it leaves out.
  std::vector<std::uint32_t> columns_to_decode(const EntryReader& entries, std::size_t i) const {
    std::vector<std::uint32_t> columns;
    for (const std::uint32_t column : all_columns_) {
      const bool is_looked_at = is_in_index(column) || !(is_blob(column) || is_too_large(entries, column, i));
      if (is_looked_at) columns.push_back(column);
    }
    return columns;
  }
  /// A row that has a value which is too large to be read as a whole comes alone, without that.
  bool leaves_out(const EntryReader& entries, std::size_t i) const {
    return std::ranges::any_of(all_columns_, [&](std::uint32_t column) {
      return is_too_large(entries, column, i) && !is_blob(column) && !is_in_index(column);
    });
  }
  bool is_blob(std::uint32_t column) const { return shape_.relation.columns[column].type.kind == types::Kind::blob; }
  bool is_in_index(std::uint32_t column) const {
    return std::ranges::any_of(shape_.indexes, [&](const IndexFile& of) { return of.covers(column); });
  }
  bool is_too_large(const EntryReader& entries, std::uint32_t column, std::size_t i) const {
    if (!shape_.columns[column].is_variable()) return false;
    const types::Slot slot = types::read_slot(entries.entry(column, i));
    return slot.is_placed() && ContentBudget::bytes_of(slot) > ContentReader::largest;
  }

  Result<> check_slots(const EntryReader& entries, std::span<const std::uint64_t> numbers) {
    for (std::uint32_t column = 0; column < shape_.columns.size(); ++column) {
      const ColumnFile& file = shape_.columns[column];
      if (!file.is_variable()) continue;
      for (std::size_t i = 0; i < numbers.size(); ++i) {
        const types::Slot slot = types::read_slot(entries.entry(column, i));
        if (!slot.is_placed()) continue;
        const auto value = long_value(entries, column, i, numbers[i]);
        if (!value) {
          if (auto done = told(std::unexpected(value.error())); !done) return done;
          continue;
        }
        const auto whole = heaps_[file.heap].value(*value);
        if (!whole) return std::unexpected(whole.error());
        if (!*whole)
          problem(
              fmt::format("row {}, column {} leads to no value of its own", numbers[i], shape_.column_name(column)));
      }
    }
    return {};
  }

  /// What a slot leads to, also where it is too long for the slot to tell.
  Result<HeapValue> long_value(const EntryReader& entries, std::uint32_t column, std::size_t i, std::uint64_t row) {
    ValuePlace at{row, column, {}, 0};
    std::copy_n(entries.entry(column, i), types::slot_size, at.slot.begin());
    return value_of(table_, at);
  }

  /// Each row is found by its key; since there are as many entries as rows there are no others.
  Result<> check_index(std::size_t index, const std::vector<types::Row>& rows, std::span<const std::uint64_t> numbers) {
    const IndexFile& of = shape_.indexes[index];
    SortedKeys keys(of);
    std::vector<std::uint8_t> key;
    std::vector<std::size_t> added;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (!table_.is_entered(of, numbers[i])) continue;
      key.clear();
      if (auto done = append_index_key(shape_, of, rows[i], key); !done) return done;
      keys.add(key, has_row_number(of, rows[i]), numbers[i]);
      added.push_back(i);
    }
    if (of.is_unfinished) unfinished_rows_ += added.size();
    const std::span<const BTree::Entry> entries = keys.entries();
    BTree& tree = table_.tree(index);
    if (auto done = tree.load(entries); !done) return done;
    for (std::size_t i = 0; i < entries.size(); ++i) {
      const auto found = tree.find(entries[i].key);
      if (!found) return std::unexpected(found.error());
      const std::size_t row = added[keys.added(i)];
      const std::uint64_t number = numbers[row];
      if (*found && of.row_of(entries[i].key, **found) == number) continue;
      problem(fmt::format("row {}, {}: index {} {}", number, shown_key(shape_, of, rows[row]), of.name,
                          *found ? "leads to another row" : "does not have it"));
    }
    return {};
  }

  void check_order(const std::vector<types::Row>& rows, std::span<const std::uint64_t> numbers) {
    if (!shape_.relation.append_by || shape_.relation.circular) return;
    const std::uint32_t column = *shape_.relation.append_by;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const types::Value& value = rows[i][column];
      if (!last_.is_null() && types::compare(value, last_, shape_.relation.columns[column].type) < 0) {
        problem(fmt::format("row {} is out of the order of {}", numbers[i], shape_.column_name(column)));
      }
      last_ = value;
    }
  }

  Result<> check_free_rows() {
    const TableHeader& header = table_.header();
    if (shape_.keeps_order() || are_unreadable_) return {};
    if (header.live + header.free != header.tail) {
      problem(fmt::format("{} rows and {} free ones are not {}", header.live, header.free, header.tail));
    }
    constexpr std::uint64_t at_once = 65536;
    for (std::uint64_t first = 0; first < header.free; first += at_once) {
      const std::uint64_t count = std::min(at_once, header.free - first);
      Reading reading(table_.script, table_.version());
      table_.script.read_bytes(shape_.free, first * sizeof(std::uint64_t),
                               static_cast<std::uint32_t>(count * sizeof(std::uint64_t)));
      auto done = reading.run(table_.link(), table_.answers);
      if (!done && done.error().status == Status::out_of_range) {
        problem("the stack of free rows is shorter than the header says");
        return {};
      }
      if (!done) return done;
      for (std::uint64_t i = 0; i < count; ++i) {
        const auto row = load<std::uint64_t>(&table_.answers.bytes(1)[i * sizeof(std::uint64_t)]);
        const bool is_free = row < header.tail && taken_.add(row, 1);
        if (!is_free) problem(fmt::format("row {} is listed as free, and is not, or is listed twice", row));
      }
    }
    return {};
  }

  OpenTable& table_;
  const TableShape& shape_;
  const std::function<void(std::string)>& tell_;
  TableReport report_;
  bool are_unreadable_ = false;  ///< the entries of some rows
  std::vector<std::uint32_t> all_columns_;
  std::uint64_t unfinished_size_ = 0, unfinished_rows_ = 0;  ///< of the index that is being added
  /// Rows that are there, or listed as free. The header may name a tail that no memory could hold a bit each for.
  Cover taken_;
  std::deque<HeapCheck> heaps_;
  types::Value last_;
};

}  // namespace

Result<TableReport> check_table(Link& link, const std::string& name, const std::function<void(std::string)>& tell) {
  constexpr unsigned most_tries = 5;
  for (unsigned tries = 1;; ++tries) {
    const auto table = open_table(link, false, name);
    if (!table) return std::unexpected(table.error());
    auto report = Check(**table, tell).run();
    if (report || !is_lost_race(report.error()) || tries == most_tries) return report;
  }
}

}  // namespace chimera::tables
