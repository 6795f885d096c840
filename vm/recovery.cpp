#include "vm/recovery.h"

#include <fmt/format.h>

#include "devices/pool.h"
#include "isa/answer.h"
#include "isa/decoder.h"
#include "vm/byte_queue.h"
#include "vm/machine_core.h"
#include "vm/registers.h"
#include "vm/run_ahead.h"
#include "vm/session.h"

namespace chimera::vm {
namespace {

/// The size of the instruction in front, 0 if there is none.
std::size_t next_size(std::span<const std::uint8_t> instructions, Instruction& instruction) {
  const Decoded decoded = decode(instructions, instruction);
  return decoded.kind == Decoded::Kind::complete ? static_cast<std::size_t>(decoded.size) : 0;
}

/// The instructions of all records as one stream, so that the reads of those to come are started ahead, across the ends
/// of records, and the disk is not asked for one block after the other.
class Records {
 public:
  explicit Records(devices::Store& store) : store_(store), records_(store.pool()->log().records) {}

  /// The first `size` bytes belong to the instruction in front.
  void look_ahead(const Instruction& instruction, std::size_t size) {
    while (stream_.size() < size + far && appended_ < records_.size()) {
      stream_.append(records_[appended_++].instructions);
    }
    run_ahead_.run(instruction, {passed_, size, stream_.bytes().subspan(size)}, registers_, store_);
  }
  void pass(std::size_t size) {
    stream_.drop(size);
    passed_ += size;
  }
  /// The rest of a record, `size` bytes, which are no instructions.
  void skip(std::size_t size) {
    while (stream_.size() < size) stream_.append(records_[appended_++].instructions);
    pass(size);
  }

 private:
  /// Bytes. More than the run-ahead looks at, but where instructions are long.
  static constexpr std::size_t far = 1 << 20;

  devices::Store& store_;
  const std::vector<devices::JournalRecord>& records_;
  ByteQueue stream_;
  std::size_t appended_ = 0;
  std::uint64_t passed_ = 0;
  RunAhead run_ahead_;
  Registers registers_;  ///< nothing in a journal needs them
};

/// Runs the instructions of a record one by one, so that a checkpoint may come between any two. What went wrong, if
/// anything did.
std::string replay(StreamSession& session, Records& records, devices::Pool& pool, std::size_t record) {
  const std::span<const std::uint8_t> all(pool.log().records[record].instructions);
  std::vector<std::uint8_t> answers;
  for (std::size_t at = 0; at < all.size();) {
    pool.replayed(record, at);
    Instruction instruction;
    const std::size_t size = next_size(all.subspan(at), instruction);
    if (size == 0 && pool.salvaging()) {
      records.skip(all.size() - at);
      break;
    }
    if (size == 0) return "it holds something that is no instruction";
    records.look_ahead(instruction, size);
    answers.clear();
    (void)session.run(all.subspan(at, size), answers);
    records.pass(size);
    Answer answer;
    (void)parse_answer(instruction, answers, answer);
    // What is damaged cannot be brought up to date; it stays damaged, and everything else goes on.
    // And what is salvaged may miss whole devices.
    const bool lacks_room = answer.status == Status::no_space || answer.status == Status::io_error;
    const bool goes_on = answer.ok() || answer.status == Status::corrupt || (pool.salvaging() && !lacks_room);
    if (!goes_on) {
      // Nothing can be written, so all that the journal changes has to stay in memory.
      const bool lacks_memory = answer.status == Status::io_error && pool.read_only();
      const std::string_view hint =
          lacks_memory ? "; opened for reading only, a journal needs memory: give more of it (--cache), or open the "
                         "store for writing once"
                       : "";
      return fmt::format("{}: {}{}", mnemonic(instruction.operation), answer.message, hint);
    }
    at += size;
  }
  return {};
}

}  // namespace

std::expected<void, std::string> MachineCore::recover() {
  devices::Pool* const pool = store_->pool();
  if (pool == nullptr || !pool->replaying()) return {};
  return pool->amid_operation([&]() -> std::expected<void, std::string> {
    StreamSession session(*this);
    Records records(*store_);
    const std::size_t count = pool->log().records.size();
    for (std::size_t n = 0; n < count; ++n) {
      if (const std::string wrong = replay(session, records, *pool, n); !wrong.empty()) {
        return std::unexpected(fmt::format("record {} of the journal could not be replayed: {}",
                                           pool->log().records[n].position.sequence, wrong));
      }
    }
    pool->replayed(count, 0);
    return {};
  });
}

std::expected<std::unique_ptr<devices::Store>, std::string> open_store(io::Loop& loop, io::Disk& disk,
                                                                       const devices::OpenOptions& options) {
  auto opened = devices::open_store(loop, disk, options);
  if (!opened || !(*opened)->needs_replay()) return opened;
  MachineCore core(loop, std::move(*opened));
  if (const auto recovered = core.recover(); !recovered) return std::unexpected(recovered.error());
  auto store = core.take_store();
  // What was done again is nobody's doing.
  for (devices::Device* const device : store->list({}, {}, store->device_count())) device->count({});
  return store;
}

}  // namespace chimera::vm
