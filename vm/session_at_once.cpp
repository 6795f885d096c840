// What a session runs between the machine's turns, because it has to wait for nothing.

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>

#include "isa/limits.h"
#include "vm/session.h"

namespace chimera::vm {
namespace {

/// As many programs are run between two turns of the machine at most: it may have something to do in the background.
constexpr unsigned most_turns_left_out = 63;
/// Instructions of such a program, and about the bytes of their answers: so few that the room made for them is kept.
constexpr std::uint32_t most_at_once = 64;
constexpr std::size_t most_answered_at_once = 4 << 10;

/// Visits the bytes of a range, block by block. False where a block is not in memory.
template <typename Visit>
bool each_in_memory(const devices::Device& device, std::uint64_t offset, std::uint64_t size, Visit&& visit) {
  while (size > 0) {
    const std::uint8_t* const block = device.peek(offset / limits::block_size);
    if (block == nullptr) return false;
    const std::size_t within = offset % limits::block_size;
    const std::size_t part = std::min<std::uint64_t>(limits::block_size - within, size);
    visit(std::span(block + within, part));
    size -= part;
    offset += part;
  }
  return true;
}

}  // namespace

/// A transaction that runs alone would lose to what others write meanwhile.
bool StreamSession::may_run_at_once() const {
  return !ended_ && !parked_ && !runnable() && !dispatcher_.needs_care() && !core_.somebody_runs_alone();
}

template <typename Visit>
bool StreamSession::visit_at_once(const Uuid& uuid, std::uint64_t offset, std::uint64_t size, Visit&& visit) {
  if (!may_run_at_once()) return false;
  const Handle* const handle = dispatcher_.reach_at_once(uuid);
  if (handle == nullptr) return false;
  const std::uint64_t length = handle->device->length();
  const bool is_inside = offset <= length && size <= length - offset;
  if (!is_inside || !each_in_memory(*handle->device, offset, size, visit)) return false;
  handle->device->count_read(size);
  ++core_.statistics().instructions_of(Operation::read_bytes);
  ++core_.statistics().short_reads;
  core_.statistics().found_blocks += (offset % limits::block_size + size + limits::block_size - 1) / limits::block_size;
  return true;
}

bool StreamSession::read_at_once(const Uuid& uuid, std::uint64_t offset, std::span<std::uint8_t> out) {
  std::uint8_t* to = out.data();
  return visit_at_once(uuid, offset, out.size(), [&to](std::span<const std::uint8_t> part) {
    std::memcpy(to, part.data(), part.size());
    to += part.size();
  });
}

bool StreamSession::view_at_once(const Uuid& uuid, std::uint64_t offset, std::uint64_t size,
                                 std::vector<std::span<const std::uint8_t>>& parts) {
  return visit_at_once(uuid, offset, size, [&parts](std::span<const std::uint8_t> part) { parts.push_back(part); });
}

bool StreamSession::write_at_once(const Uuid& uuid, std::uint64_t offset, std::span<const std::uint8_t> bytes) {
  if (!may_run_at_once() || bytes.size() > limits::largest_transfer) return false;
  Instruction instruction;
  instruction.operation = Operation::write_bytes;
  instruction.has_device = instruction.has_offset = true;
  instruction.device = uuid;
  instruction.offset = offset;
  instruction.count = bytes.size();
  instruction.payload = bytes;
  const std::size_t answered = answers_.size();
  const bool has_run = dispatcher_.run_at_once(instruction);
  if (has_run) answers_.truncate(answered);
  core_.note_work();
  return has_run;
}

/// Small reads at the front of a program, if nobody else has anything to do: the bytes of those that have run. An empty
/// program is nothing to run, and has its turn.
std::size_t StreamSession::run_reads_at_once(std::span<const std::uint8_t> program,
                                             std::vector<std::uint8_t>& answers) {
  const bool is_quiet = input_.empty() && answers_.empty() && flushes_.empty() && !core_.has_ready();
  if (program.empty() || !is_quiet || !may_run_at_once()) return 0;
  if (turns_left_out_++ == most_turns_left_out) {
    turns_left_out_ = 0;
    return 0;
  }
  std::uint32_t instructions = most_at_once;
  const std::size_t size = fast_path_.run(program, most_answered_at_once, instructions);
  consumed_ += size;
  core_.statistics().consumed_bytes += size;
  core_.statistics().answer_bytes += answers_.size();
  const std::span<const std::uint8_t> answered = answers_.bytes();
  answers.insert(answers.end(), answered.begin(), answered.end());
  answers_.drop(answered.size());
  return size;
}

void StreamSession::approach(const Uuid& uuid, std::span<const std::uint64_t> offsets) {
  assert(offsets.size() <= most_approached);
  const Handle* const handle = registers_.find(uuid);
  if (handle == nullptr) return;
  std::array<devices::Device::Place, most_approached> places;
  for (std::size_t n = 0; n < offsets.size(); ++n) {
    places[n] = handle->device->locate(offsets[n] / limits::block_size);
  }
  for (std::size_t n = 0; n < offsets.size(); ++n) handle->device->approach(places[n]);
}

}  // namespace chimera::vm
