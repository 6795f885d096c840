// Large transfers of a server's sessions: each is asked for before its payload is received or its answer made.

#include <algorithm>

#include "isa/limits.h"
#include "vm/session.h"

namespace chimera::vm {
namespace {

constexpr std::uint64_t largest = limits::largest_transfer;
/// What is read of a device at a time where that takes several turns.
constexpr std::uint64_t largest_piece = 4 << 20;

std::uint64_t bytes_of_extents(std::uint64_t count) {
  constexpr std::uint64_t item = sizeof(std::uint64_t) + sizeof(std::uint32_t);
  return item * std::min<std::uint64_t>(limits::most_extents, count / limits::block_size + 2);
}

}  // namespace

void StreamSession::ask_before_transfers(TransferBudget& budget) { transfers_ = &budget; }

/// Bytes of the answer at most, beside what any answer may have. What has not arrived whole has only its operation.
std::uint64_t StreamSession::largest_answer(const Instruction& instruction, std::uint64_t size) {
  constexpr std::uint64_t of_a_device = sizeof(Uuid) + sizeof(std::uint16_t) + limits::longest_name;
  switch (instruction.operation) {
    case Operation::swap_bytes: return std::min(size, largest);
    case Operation::snapshot: return size;  // names take more room than UUIDs
    case Operation::read_bytes:
    case Operation::read_metadata_bytes: return std::min(instruction.count, largest);
    case Operation::read_extents:
    case Operation::read_metadata_extents:
    case Operation::compare_devices: return bytes_of_extents(instruction.count);
    case Operation::list_devices:
      return of_a_device * std::min<std::uint64_t>(instruction.count, core_.store().device_count());
    case Operation::read_columns: return dispatcher_.columns_length(instruction);
    default: return 0;
  }
}

/// Bytes beside the cache that it needs of the devices that it touches.
std::uint64_t StreamSession::largest_touch(const Instruction& instruction, std::uint64_t size) {
  const std::uint64_t count = std::min(std::max(instruction.count, size), largest);
  const bool may_be_file = core_.store().serves_files();
  switch (instruction.operation) {
    case Operation::copy_bytes:  // through a buffer, where no blocks are shared
      return instruction.count > largest ? 0 : instruction.count * (may_be_file ? 3 : 1);
    case Operation::read_digest: return may_be_file ? std::min(count, largest_piece) : 0;
    case Operation::read_bytes:
    case Operation::check_bytes:
    case Operation::write_bytes:
    case Operation::swap_bytes:
    case Operation::append_bytes: return may_be_file ? count : 0;
    default: return 0;
  }
}

/// False: the session waits for its turn. `size`: of the instruction, as far as that is known.
bool StreamSession::may_transfer(const Instruction& instruction, std::uint64_t size) {
  if (transfers_ == nullptr || claim_.is_held()) return true;
  const std::uint64_t bytes = size + largest_answer(instruction, size) + largest_touch(instruction, size);
  if (bytes <= TransferBudget::free_bytes) return true;
  is_claim_in_front_ = true;
  if (claim_.ask(*transfers_, bytes, *this)) return true;
  // Those who hold what it waits for have to run.
  core_.end_alone(*this);
  return false;
}

/// Told by whoever has given memory back.
void StreamSession::transfer_granted() { enqueue_if_runnable(); }

/// Gives back what nothing is left of: the session has answered, and the answers are within their cap.
void StreamSession::settle_transfer() {
  if (!claim_.is_held() || is_claim_in_front_) return;
  if (answers_.size() > answer_cap_ || stream().size() > most_unread) return;
  input_.fit();
  answers_.fit();
  claim_.give_back();
}

}  // namespace chimera::vm
