#include "devices/journal_scan.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "devices/io_buffer.h"
#include "devices/journal_format.h"
#include "devices/read_now.h"
#include "devices/safeguards.h"
#include "isa/decoder.h"
#include "isa/instruction.h"

namespace chimera::devices {
namespace {

class Scan {
 public:
  Scan(io::Loop& loop, io::Disk& disk, const Superblock& superblock, JournalDamage damage)
      : loop_(loop),
        disk_(disk),
        first_(superblock.journal_first_block),
        count_(superblock.journal_blocks),
        done_(superblock.journal_done),
        at_(superblock.journal),
        cuts_(damage == JournalDamage::cut_off) {}

  std::expected<JournalLog, std::string> run() {
    const std::uint64_t begin = at_.block;
    std::uint64_t durable = at_.sequence - 1;
    while (std::optional<JournalRecord> record = read_record(begin, durable))
      log_.records.push_back(std::move(*record));
    if (unreadable_ && !cuts_) return std::unexpected("the journal could not be read");
    const std::uint64_t behind = durable_behind();
    durable = std::max(durable, behind);
    if (cuts_) {
      note_losses(durable);
    } else if (durable >= at_.sequence) {
      return std::unexpected(fmt::format(
          "the journal is damaged at record {}, and records up to {} had been made durable: what they did would be "
          "lost. With --without-journal the state before record {} can be read, and `chimera check --salvage` goes on "
          "without them",
          at_.sequence, durable, log_.records.empty() ? at_.sequence : log_.records.front().position.sequence));
    }
    if (!log_.records.empty()) {
      JournalRecord& first = log_.records.front();
      if (done_ > first.instructions.size() && !cuts_)
        return std::unexpected("the superblock of this store is damaged");
      first.done_before = std::min<std::uint64_t>(done_, first.instructions.size());
      first.instructions.erase(first.instructions.begin(),
                               first.instructions.begin() + static_cast<long>(first.done_before));
    }
    const std::uint64_t end = at_.sequence;
    drop_records_without_their_data(durable);
    if (unreadable_ && !cuts_) return std::unexpected("a block that the journal names could not be read");
    if (unreadable_) {
      log_.first_lost = at_.sequence;
      log_.last_lost = std::max(log_.last_lost, end - 1);
      log_.has_remains = true;
    }
    collect_names();
    log_.next = at_;
    return std::move(log_);
  }

 private:
  [[nodiscard]] std::uint64_t place_of(std::uint64_t block) const { return first_ + block % count_; }

  [[nodiscard]] static std::uint64_t blocks_of(const JournalHeader& header) {
    return (sizeof header + header.length + block_size - 1) / block_size;
  }

  /// The header that begins at this block of the ring, if it is one of this epoch.
  std::optional<JournalHeader> read_header(std::uint64_t block) {
    unreadable_ = unreadable_ || !read_now(loop_, disk_, place_of(block), *buffer_);
    if (unreadable_) return std::nullopt;
    JournalHeader header;
    std::memcpy(&header, buffer_.get(), sizeof header);
    const bool good = header.magic == JournalHeader::right_magic && header.epoch == at_.epoch &&
                      header.checksum == header_checksum(header, place_of(block)) &&
                      header.length <= (count_ - 1) * block_size;
    if (!good) return std::nullopt;
    return header;
  }

  /// The record at the present position, which moves behind it.
  std::optional<JournalRecord> read_record(std::uint64_t begin, std::uint64_t& durable) {
    const auto header = read_header(at_.block);
    if (!header) return std::nullopt;
    const bool continues = header->sequence == at_.sequence && header->chain == at_.chain;
    if (safeguards::records_are_chained && !continues) return std::nullopt;
    JournalRecord record{.position = at_, .blocks = blocks_of(*header), .instructions = {}};
    if (at_.block - begin + record.blocks > count_) return std::nullopt;
    if (!read_content(*header, record)) return std::nullopt;
    durable = std::max(durable, header->durable);
    at_.block += record.blocks;
    ++at_.sequence;
    at_.chain = header->checksum;
    return record;
  }

  bool read_content(const JournalHeader& header, JournalRecord& record) {
    record.instructions.resize(header.length);
    std::vector<std::uint64_t> addresses;
    for (std::uint64_t n = 0; n < record.blocks; ++n) addresses.push_back(place_of(record.position.block + n));
    bool good = true;
    read_many(loop_, disk_, addresses, [&](std::size_t n, const Block* bytes) {
      unreadable_ = unreadable_ || bytes == nullptr;
      good = good && bytes != nullptr;
      if (!good) return;
      const std::size_t begin = n == 0 ? 0 : n * block_size - sizeof header;
      const std::size_t skipped = n == 0 ? sizeof header : 0;
      const std::size_t size = std::min<std::size_t>(block_size - skipped, header.length - begin);
      if (size > 0) std::memcpy(&record.instructions[begin], bytes->data() + skipped, size);
    });
    if (!safeguards::records_are_verified) return good;
    return good && crc32c(0, record.instructions.data(), record.instructions.size()) == header.content;
  }

  /// What records that come to light behind the end of the log say was durable. They may be as far away as the longest
  /// record reaches.
  std::uint64_t durable_behind() {
    std::uint64_t durable = 0;
    const auto look = [&](std::uint64_t address, const Block* bytes) {
      if (bytes == nullptr) return;
      JournalHeader header;
      std::memcpy(&header, bytes, sizeof header);
      if (header.magic != JournalHeader::right_magic || header.epoch != at_.epoch) return;
      if (header.sequence < at_.sequence || header.checksum != header_checksum(header, address)) return;
      log_.has_remains = true;
      if (header.sequence == at_.sequence) return;
      log_.lost.push_back({header.sequence, blocks_of(header)});
      durable = std::max(durable, header.durable);
    };
    const std::uint64_t from = at_.block % count_;
    const std::uint64_t reach = cuts_ ? count_ : std::min(longest_record(count_) + 1, count_);
    const std::uint64_t to_end = std::min(reach, count_ - from);
    read_stretch(loop_, disk_, first_ + from, to_end, look);
    read_stretch(loop_, disk_, first_, reach - to_end, look);
    return durable;
  }

  /// What is cut off with the damage at the present position, if it is damage.
  void note_losses(std::uint64_t durable) {
    if (durable < at_.sequence && !unreadable_) {
      log_.lost.clear();
      return;
    }
    std::ranges::sort(log_.lost, {}, &LostRecord::sequence);
    log_.first_lost = at_.sequence;
    log_.last_lost = std::max({at_.sequence, durable, log_.lost.empty() ? 0 : log_.lost.back().sequence});
    log_.has_remains = true;
    unreadable_ = false;
  }

  /// Those that were not yet durable may name blocks that never reached the medium.
  void drop_records_without_their_data(std::uint64_t durable) {
    for (std::size_t n = 0; n < log_.records.size(); ++n) {
      if (log_.records[n].position.sequence <= durable) continue;
      const std::size_t before = log_.unflushed.size();
      if (data_is_there(log_.records[n])) continue;
      log_.unflushed.resize(before);
      at_ = log_.records[n].position;
      log_.records.resize(n);
      return;
    }
  }

  bool data_is_there(const JournalRecord& record) {
    std::vector<Slot> slots;
    bool good = each_named_block(
        record, [&](const Uuid&, std::uint8_t, const JournalEntry& entry) { slots.push_back(entry.slot); });
    good = good && std::ranges::all_of(slots, [&](const Slot& slot) { return slot.address() < disk_.block_count(); });
    if (!good || !safeguards::record_data_is_verified) return good;
    std::sort(slots.begin(), slots.end(), [](const Slot& a, const Slot& b) { return a.address() < b.address(); });
    std::vector<std::uint64_t> addresses;
    for (const Slot& slot : slots) addresses.push_back(slot.address());
    log_.unflushed.insert(log_.unflushed.end(), addresses.begin(), addresses.end());
    read_many(loop_, disk_, addresses, [&](std::size_t n, const Block* bytes) {
      const Slot& slot = slots[n];
      unreadable_ = unreadable_ || bytes == nullptr;
      good = good && bytes != nullptr && block_checksum(slot.address(), slot.generation(), bytes) == slot.checksum();
    });
    return good;
  }

  void collect_names() {
    for (const JournalRecord& record : log_.records) {
      (void)each_named_block(record, [&](const Uuid&, std::uint8_t, const JournalEntry& entry) {
        log_.named.push_back(entry.slot.address());
        log_.newest_generation = std::max(log_.newest_generation, entry.slot.generation());
      });
    }
    std::sort(log_.named.begin(), log_.named.end());
    const auto end = std::unique(log_.named.begin(), log_.named.end());
    log_.names_twice = end != log_.named.end();
    log_.named.erase(end, log_.named.end());
  }

  io::Loop& loop_;
  io::Disk& disk_;
  std::uint64_t first_;
  std::uint64_t count_;
  std::uint64_t done_;
  JournalPosition at_;
  bool cuts_;
  bool unreadable_ = false;
  JournalLog log_;
  BlockBuffer buffer_ = make_block_buffer();
};

}  // namespace

std::expected<JournalLog, std::string> scan_journal(io::Loop& loop, io::Disk& disk, const Superblock& superblock,
                                                    JournalDamage damage) {
  return Scan(loop, disk, superblock, damage).run();
}

bool each_named_block(const JournalRecord& record,
                      const std::function<void(const Uuid&, std::uint8_t, const JournalEntry&)>& visit) {
  bool good = true;
  std::span<const std::uint8_t> rest(record.instructions);
  while (!rest.empty()) {
    Instruction instruction;
    const Decoded decoded = decode(rest, instruction);
    if (decoded.kind != Decoded::Kind::complete) return false;
    rest = rest.subspan(static_cast<std::size_t>(decoded.size));
    const bool places = instruction.operation == Operation::journal_record &&
                        instruction.extension == static_cast<std::uint8_t>(JournalOpcode::place_blocks);
    if (!places) continue;
    constexpr std::size_t before = sizeof(Uuid) + 1;
    if (instruction.payload.size() < before) {
      good = false;
      continue;
    }
    Uuid device;
    std::memcpy(device.data, instruction.payload.data(), sizeof device);
    const auto entries = instruction.payload.subspan(before);
    good = good && entries.size() % sizeof(JournalEntry) == 0;
    for (std::size_t at = 0; at + sizeof(JournalEntry) <= entries.size(); at += sizeof(JournalEntry)) {
      JournalEntry entry;
      std::memcpy(&entry, &entries[at], sizeof entry);
      good = good && entry.can_be();
      if (entry.can_be()) visit(device, instruction.payload[sizeof(Uuid)], entry);
    }
  }
  return good;
}

}  // namespace chimera::devices
