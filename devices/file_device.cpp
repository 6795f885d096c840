#include "devices/file_device.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <cassert>
#include <cstring>

#include "devices/pool.h"
#include "devices/safeguards.h"

namespace chimera::devices {
namespace {

/// Blocks that the part holds for the file, and commits wait.
constexpr std::size_t most_pending = 32768;

constexpr std::uint64_t blocks_before(std::uint64_t offset) { return (offset + (block_size - 1)) / block_size; }

std::uint64_t last_block(std::uint64_t offset, std::uint64_t count) { return (offset + (count - 1)) / block_size; }

struct FreeDigest {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

/// A digest on its way: the file does not change before it has gone.
class DigestProgress final : public Progress {
 public:
  explicit DigestProgress(FileBlocks& blocks) : context(EVP_MD_CTX_new()), blocks_(blocks) {
    EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr);
    blocks_.begin_reading();
  }
  ~DigestProgress() override { blocks_.end_reading(); }
  DigestProgress(const DigestProgress&) = delete;
  DigestProgress& operator=(const DigestProgress&) = delete;

  std::unique_ptr<EVP_MD_CTX, FreeDigest> context;
  std::uint64_t done = 0;

 private:
  FileBlocks& blocks_;
};

}  // namespace

FileDevice::FileDevice(Pool& pool, std::unique_ptr<PoolDevice> part, io::Folder* folder, FileBudget& budget)
    : Device(Kind::file, part->uuid(), part->name()),
      pool_(pool),
      part_(std::move(part)),
      folder_(folder),
      budget_(budget) {
  family_ = part_->family();
  read_only_ = part_->read_only();
  columns_length_ = part_->columns_length();
}

FileDevice::~FileDevice() {
  pool_.release(mover_);
  budget_.release(mover_);
  wait_for_io();
}

void FileDevice::wait_for_io() {
  while (blocks_ != nullptr && !blocks_->at_rest()) pool_.loop().step(io::Loop::forever);
}

bool FileDevice::replaying() const { return pool_.replaying(); }

// ── The file ─────────────────────────────────────────────────────────────────────────────────────────────────────

void FileDevice::attach(std::unique_ptr<io::File> file) {
  blocks_ = std::make_unique<FileBlocks>(std::move(file), budget_);
  pending_found_ = true;
  fixed_length_ = blocks_->fixed_length();
  // Where commits have made it longer than it is the part knows.
  length_ = blocks_->length();
  if (fixed_length_) return;
  if (!pending_.empty()) length_ = std::max(length_, part_->length());
  if (part_->cut()) length_ = part_->length();
}

Outcome FileDevice::available(Waiter& waiter) {
  if (blocks_ != nullptr || replaying()) return Outcome::ready();
  if (const Outcome found = find_pending(waiter); !found.is_ready()) return found;
  return open(waiter);
}

std::expected<std::unique_ptr<io::File>, std::string> FileDevice::reach(bool read_only) const {
  if (folder_ == nullptr) {
    return std::unexpected(fmt::format(
        "\"{}\" is the file {}, and the store was opened without its folder: name it by --attach", name_, path()));
  }
  auto file = folder_->open(path(), read_only);
  if (file) return std::move(*file);
  return std::unexpected(fmt::format("\"{}\" cannot be served: {}", name_, file.error().message));
}

std::string FileDevice::why_missing() const {
  if (attached()) return {};
  const auto found = reach(true);
  return found ? std::string() : found.error();
}

Outcome FileDevice::open(Waiter& waiter) {
  auto file = reach(pool_.read_only());
  if (file) {
    attach(std::move(*file));
    return Outcome::ready();
  }
  waiter.message = std::move(file.error());
  return Outcome::fail(Status::io_error);
}

/// What commits of before have left in the part.
Outcome FileDevice::find_pending(Waiter& waiter) {
  if (pending_found_) return Outcome::ready();
  std::map<std::uint64_t, std::uint64_t> found;
  for (std::uint64_t at = 0; at < limits::greatest_length;) {
    std::vector<Extent> extents;
    const Outcome outcome = part_->extents(waiter, Plane::data, at, limits::greatest_length - at, extents);
    if (!outcome.is_ready()) return outcome;
    for (const Extent& extent : extents) {
      for (std::uint64_t n = 0; n < extent.length && (extent.flags & Extent::hole) == 0; n += block_size) {
        found.emplace((at + n) / block_size, 0);
      }
      at += extent.length;
    }
  }
  pending_ = std::move(found);
  pending_found_ = true;
  return Outcome::ready();
}

bool FileDevice::any_pending(std::uint64_t offset, std::uint64_t count) const {
  if (part_->cut() && last_block(offset, count) >= *part_->cut() / block_size) return true;
  const auto first = pending_.lower_bound(offset / block_size);
  return first != pending_.end() && first->first <= last_block(offset, count);
}

/// Calls visit(offset, count, whose they are) for the pieces of a range, in order. The block that a cut goes through
/// is the part's.
template <typename Visit>
void FileDevice::each_piece(std::uint64_t offset, std::uint64_t count, Visit&& visit) const {
  const std::uint64_t end = offset + count;
  const std::uint64_t cut = part_->cut() ? blocks_before(*part_->cut()) * block_size : end;
  auto next = pending_.lower_bound(offset / block_size);
  while (offset < end) {
    const bool is_held = next != pending_.end() && next->first == offset / block_size;
    std::uint64_t past = next == pending_.end() ? end : next->first * block_size;
    if (is_held) {
      past = offset / block_size;
      for (; next != pending_.end() && next->first == past; ++next) ++past;
      past *= block_size;
    }
    if (!is_held && offset < cut) past = std::min(past, cut);
    past = std::min(past, end);
    visit(offset, past - offset, is_held ? Source::part : offset < cut ? Source::file : Source::zeros);
    offset = past;
  }
}

Outcome FileDevice::wait_for_pending(Waiter& waiter) {
  if (blocks_->failed()) return blocks_->fail(waiter);
  if (!may_move()) {
    waiter.message = fmt::format("what was committed to \"{}\" cannot be brought into its file: the store {}", name_,
                                 is_stuck_ ? "is damaged" : "takes no more writes");
    return Outcome::fail(Status::io_error);
  }
  blocks_->let_go(waiter);
  return blocks_->wait_for_event(waiter);
}

Outcome FileDevice::refuse(Waiter& waiter, const char* what) const {
  waiter.message = fmt::format("\"{}\" is a file that is served in place, and {}", name_, what);
  return Outcome::fail(Status::unsupported);
}

// ── Instructions ─────────────────────────────────────────────────────────────────────────────────────────────────

Outcome FileDevice::fetch(Waiter& waiter, Plane plane, std::uint64_t offset, std::uint64_t count) {
  if (plane != Plane::data || replaying()) return part_->fetch(waiter, plane, offset, count);
  if (count == 0) return Outcome::ready();
  Outcome all = Outcome::ready();
  each_piece(offset, count, [&](std::uint64_t at, std::uint64_t size, Source source) {
    if (source == Source::zeros) return;
    const bool is_held = source == Source::part;
    const Outcome one = is_held ? part_->fetch(waiter, Plane::data, at, size) : blocks_->fetch(waiter, at, size);
    // Whatever is missing is asked for before anything is waited for; a failure is told.
    if (all.is_ready() || (all.waits() && !one.is_ready() && !one.waits())) all = one;
  });
  return all;
}

void FileDevice::read(Plane plane, std::uint64_t offset, std::span<std::uint8_t> out) {
  if (plane != Plane::data || replaying()) return part_->read(plane, offset, out);
  each_piece(offset, out.size(), [&](std::uint64_t at, std::uint64_t size, Source source) {
    const auto piece = out.subspan(static_cast<std::size_t>(at - offset), static_cast<std::size_t>(size));
    switch (source) {
      case Source::file: return blocks_->read(at, piece);
      case Source::part: return part_->read(Plane::data, at, piece);
      case Source::zeros: std::ranges::fill(piece, std::uint8_t{0});
    }
  });
}

bool FileDevice::equal(Plane plane, std::uint64_t offset, std::span<const std::uint8_t> bytes) {
  std::vector<std::uint8_t> held(bytes.size());
  read(plane, offset, held);
  return std::ranges::equal(held, bytes);
}

Outcome FileDevice::prepare(Waiter& waiter, Plane plane, std::uint64_t offset, std::uint64_t count) {
  if (plane != Plane::data || replaying()) return part_->prepare(waiter, plane, offset, count);
  if (count == 0) return Outcome::ready();
  if (const Outcome admitted = blocks_->admit_change(waiter); !admitted.is_ready()) return admitted;
  is_commit_ = waiter.stage == Waiter::Stage::rehearsing;
  if (is_commit_) return prepare_commit(waiter, offset, count);
  return any_pending(offset, count) ? wait_for_pending(waiter) : blocks_->prepare(waiter, offset, count);
}

/// The part takes whole blocks; those that are overwritten in part are read first.
Outcome FileDevice::prepare_commit(Waiter& waiter, std::uint64_t offset, std::uint64_t count) {
  if (pending_.size() > most_pending) return wait_for_pending(waiter);
  if (const Outcome reach = blocks_->check_reach(waiter, offset, count); !reach.is_ready()) return reach;
  const std::uint64_t first = offset / block_size;
  const std::uint64_t last = last_block(offset, count);
  const std::uint64_t end = offset + count;
  const Outcome head = offset % block_size == 0 && end >= (first + 1) * block_size
                           ? Outcome::ready()
                           : fetch(waiter, Plane::data, first * block_size, block_size);
  if (!head.is_ready() && !head.waits()) return head;
  const Outcome tail = last == first || end % block_size == 0
                           ? Outcome::ready()
                           : fetch(waiter, Plane::data, last * block_size, block_size);
  if (!tail.is_ready() && !tail.waits()) return tail;
  const Outcome room = part_->prepare(waiter, Plane::data, first * block_size, (last - first + 1) * block_size);
  if (!room.is_ready()) return room;
  return head.waits() ? head : tail;
}

/// `prepare`, which comes before it in the same run, has said who writes.
void FileDevice::write(Plane plane, std::uint64_t offset, std::span<const std::uint8_t> bytes) {
  if (plane != Plane::data || replaying()) return part_->write(plane, offset, bytes);
  if (bytes.empty()) return;
  if (is_commit_) return write_committed(offset, bytes);
  blocks_->write(offset, bytes);
  length_ = std::max(length_, blocks_->length());
}

void FileDevice::write_committed(std::uint64_t offset, std::span<const std::uint8_t> bytes) {
  ++version_;
  length_ = std::max(length_, offset + bytes.size());
  for (std::size_t done = 0; done < bytes.size();) {
    const std::uint64_t block = (offset + done) / block_size;
    const std::size_t within = (offset + done) % block_size;
    const std::size_t size = std::min(block_size - within, bytes.size() - done);
    std::uint8_t whole[block_size];
    if (size < block_size) read(Plane::data, block * block_size, whole);
    std::memcpy(whole + within, &bytes[done], size);
    part_->write(Plane::data, block * block_size, whole);
    pending_[block] = version_;
    done += size;
  }
  note_length();
}

/// To the byte: it ends within a block, perhaps.
void FileDevice::note_length() {
  part_->set_lengths(length_, columns_length_);
  pool_.journal().set_columns_length(*part_);
}

/// What the part holds behind the new end goes, and it takes the block that the end goes through.
Outcome FileDevice::rehearse_length(Waiter& waiter, std::uint64_t length) {
  if (const Outcome admitted = blocks_->admit_change(waiter); !admitted.is_ready()) return admitted;
  if (length >= length_) {
    const Outcome reach = blocks_->check_reach(waiter, length, 0);
    return reach.is_ready() ? part_->prepare(waiter, Plane::data, 0, 0) : reach;
  }
  const Outcome edge = length % block_size == 0 ? Outcome::ready() : prepare_commit(waiter, length, 1);
  if (!edge.is_ready() && !edge.waits()) return edge;
  const std::uint64_t end = pending_.empty() ? 0 : (pending_.rbegin()->first + 1) * block_size;
  const Outcome cleared = length < end ? part_->clear(waiter, Plane::data, length, end - length) : Outcome::ready();
  return cleared.is_ready() ? edge : cleared;
}

/// Everything behind the cut is the newest commit's from now on: a move that is under way neither takes it to the file
/// nor from the part, because the cut is still to come.
void FileDevice::commit_length(Waiter& waiter, std::uint64_t length) {
  cut_version_ = ++version_;
  const std::uint64_t kept = std::min(length, length_);
  const std::uint64_t edge = kept / block_size;
  std::uint8_t whole[block_size] = {};
  const bool has_edge = length < length_ && kept % block_size != 0;
  if (has_edge) read(Plane::data, edge * block_size, {whole, static_cast<std::size_t>(kept % block_size)});
  const std::uint64_t end = pending_.empty() ? 0 : (pending_.rbegin()->first + 1) * block_size;
  if (length < length_ && kept < end) {
    const Outcome cleared = part_->clear(waiter, Plane::data, kept, end - kept);
    assert(cleared.is_ready());
    (void)cleared;
    pending_.erase(pending_.lower_bound(blocks_before(kept)), pending_.end());
  }
  part_->set_cut(std::min(kept, part_->cut().value_or(kept)));
  if (has_edge) {
    part_->write(Plane::data, edge * block_size, whole);
    pending_[edge] = version_;
  }
  const auto behind = pending_.lower_bound(*part_->cut() / block_size);
  for (auto block = behind; block != pending_.end() && safeguards::cuts_hold_blocks_back; ++block)
    block->second = version_;
  length_ = length;
  note_length();
}

void FileDevice::set_columns_length(std::uint64_t length) {
  part_->set_columns_length(length);
  columns_length_ = length;
}

Outcome FileDevice::clear(Waiter& waiter, Plane plane, std::uint64_t offset, std::uint64_t count) {
  if (plane != Plane::data || replaying()) return part_->clear(waiter, plane, offset, count);
  assert(waiter.stage == Waiter::Stage::single);  // transactions write zeros
  if (count == 0) return Outcome::ready();
  return any_pending(offset, count) ? wait_for_pending(waiter) : blocks_->clear(waiter, offset, count);
}

Outcome FileDevice::set_length(Waiter& waiter, std::uint64_t length) {
  if (replaying()) return part_->set_length(waiter, length);
  if (waiter.stage == Waiter::Stage::rehearsing) return rehearse_length(waiter, length);
  if (waiter.stage == Waiter::Stage::performing) {
    commit_length(waiter, length);
    return Outcome::ready();
  }
  if (!all_moved()) return wait_for_pending(waiter);
  const Outcome set = blocks_->set_length(waiter, length);
  if (set.is_ready()) length_ = length;
  return set;
}

Outcome FileDevice::extents(Waiter& waiter, Plane plane, std::uint64_t offset, std::uint64_t count,
                            std::vector<Extent>& out) {
  if (plane != Plane::data || replaying()) return part_->extents(waiter, plane, offset, count, out);
  if (count == 0) return Outcome::ready();
  std::uint64_t covered = 0;
  each_piece(offset, count, [&](std::uint64_t at, std::uint64_t size, Source source) {
    if (covered < at - offset) return;  // the answer is full
    std::vector<Extent> piece;
    switch (source) {
      case Source::file: blocks_->extents(at, size, piece); break;
      case Source::part: piece.push_back({size, 0}); break;
      case Source::zeros: piece.push_back({size, Extent::hole | Extent::zeros});
    }
    for (const Extent& extent : piece) {
      if (!out.empty() && out.back().flags == extent.flags) {
        out.back().length += extent.length;
      } else if (out.size() < limits::most_extents) {
        out.push_back(extent);
      } else {
        return;
      }
      covered += extent.length;
    }
  });
  return Outcome::ready();
}

Outcome FileDevice::differences(Waiter& waiter, Device&, std::uint64_t, std::uint64_t, std::vector<Extent>&) {
  return refuse(waiter, "has no map that could be compared");
}

Outcome FileDevice::share(Waiter& waiter, std::uint64_t, Device&, std::uint64_t, std::uint64_t) {
  return refuse(waiter, "shares no blocks");
}

Outcome FileDevice::digest(Waiter& waiter, std::uint64_t offset, std::uint64_t count, std::span<std::uint8_t, 32> out) {
  if (replaying()) return part_->digest(waiter, offset, count, out);
  constexpr std::uint64_t piece = 1u << 20;
  std::uint64_t done = 0;
  if (waiter.progress != nullptr) done = static_cast<const DigestProgress&>(*waiter.progress).done;
  const auto size = static_cast<std::size_t>(std::min(piece, count - done));
  if (const Outcome fetched = fetch(waiter, Plane::data, offset + done, size); !fetched.is_ready()) return fetched;
  if (waiter.progress == nullptr) waiter.progress = std::make_unique<DigestProgress>(*blocks_);
  auto& progress = static_cast<DigestProgress&>(*waiter.progress);
  std::vector<std::uint8_t> bytes(size);
  read(Plane::data, offset + done, bytes);
  EVP_DigestUpdate(progress.context.get(), bytes.data(), bytes.size());
  progress.done += size;
  if (progress.done < count) {
    pool_.release(waiter);
    budget_.release(waiter);
    waiter.wake();
    return Outcome::wait();
  }
  EVP_DigestFinal_ex(progress.context.get(), out.data(), nullptr);
  return Outcome::ready();
}

}  // namespace chimera::devices
