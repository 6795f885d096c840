#include "vm/view.h"

#include <algorithm>
#include <cstring>

#include "devices/extents.h"
#include "devices/sha256.h"
#include "vm/transaction.h"

namespace chimera::vm {
namespace {

using devices::Device;
using devices::Extent;
using devices::Outcome;

using Piece = const Overlay::Pieces::value_type*;

/// Past every offset of data, and still in the last block that there can be.
constexpr std::uint64_t last_of_data = limits::greatest_length + limits::block_size - 1;

std::uint64_t last_of(std::uint64_t offset, std::uint64_t count) { return offset + (count - 1); }

class DigestProgress final : public devices::Progress {
 public:
  devices::Sha256 digest;
  std::uint64_t done = 0;
};

}  // namespace

View::View(Transaction& transaction, Device& base)
    : Device(base.kind(), base.uuid(), base.name()),
      transaction_(transaction),
      base_(&base),
      origin_(&base),
      subject_(&base) {
  family_ = base.family();
  fixed_length_ = base.fixed_length();
  refresh();
}

View::View(Transaction& transaction, std::unique_ptr<Device> hidden, std::string name)
    : Device(hidden->kind(), hidden->uuid(), std::move(name)),
      transaction_(transaction),
      hidden_(std::move(hidden)),
      subject_(hidden_.get()) {
  family_ = subject_->family();
  fixed_length_ = subject_->fixed_length();
  refresh();
}

void View::refresh() {
  if (!least_length_) length_ = std::max(subject_->length(), end_);
  if (!columns_set_) columns_length_ = subject_->columns_length();
  if (base_ == nullptr) return;
  if (kind_ == devices::Kind::file) fixed_length_ = base_->fixed_length();
  if (!renamed_) name_ = base_->name();
  if (!protection_set_) read_only_ = base_->read_only();
}

bool View::changes_content() const {
  return least_length_ || columns_set_ ||
         std::ranges::any_of(overlays_, [](const Overlay& overlay) { return !overlay.empty(); });
}

void View::adopt(const View& content, std::unique_ptr<Device> hidden) {
  charge_all(false);
  hidden_ = std::move(hidden);
  subject_ = hidden_ != nullptr ? hidden_.get() : base_;
  origin_ = content.origin_;
  if (origin_ == nullptr && content.uuid() != uuid_) {
    new_origin_ = content.new_origin_.value_or(content.uuid());
  }
  family_ = content.family_;
  std::ranges::copy(content.overlays_, overlays_);
  least_length_ = content.least_length_;
  end_ = content.end_;
  columns_set_ = content.columns_set_;
  length_ = content.length_;
  columns_length_ = content.columns_length_;
  fixed_length_ = content.fixed_length_;
  charge_all(true);
}

View::~View() {
  charge_all(false);
  transaction_.store().abandon(std::move(hidden_));
}

void View::charge_all(bool in) {
  Transaction::Charge all;
  for (const Plane plane : {Plane::data, Plane::metadata, Plane::columns}) {
    all.bytes += overlay(plane).bytes();
    all.blocks += touched_blocks(plane);
  }
  transaction_.charge(in ? all : Transaction::Charge{}, in ? Transaction::Charge{} : all);
}

/// A piece by itself has nodes of its own above it.
std::uint64_t View::touched_blocks(Plane plane) const {
  constexpr std::uint64_t nodes = 8;
  if (kind_ == devices::Kind::memory) return 0;
  return overlay(plane).blocks() + nodes * overlay(plane).pieces().size();
}

std::uint64_t View::held_bytes() const {
  std::uint64_t sum = 0;
  for (const Overlay& overlay : overlays_) sum += overlay.bytes();
  return sum;
}

void View::note(Plane plane, std::uint64_t first, std::uint64_t last) {
  if (subject_ != base_) return;
  Ranges& read = read_[static_cast<std::size_t>(plane)];
  const std::size_t before = read.size();
  read.add(first, last);
  if (read.size() > before) transaction_.charge({.bytes = Ranges::bytes_each}, {});
  if (transaction_.is_over_budget()) read.coarsen();
}

void View::note_all() {
  for (const Plane plane : {Plane::data, Plane::metadata, Plane::columns}) note(plane, 0, ~std::uint64_t{0});
  note_length();
}

void View::note_length() {
  if (base_ != nullptr && !least_length_) length_seen_ = base_->length();
}

bool View::has_read(Plane plane, std::uint64_t first, std::uint64_t last) const {
  return read_[static_cast<std::size_t>(plane)].touches(first, last) ||
         (length_seen_ && *length_seen_ != base_->length());
}

Outcome View::fetch(Waiter& waiter, Plane plane, std::uint64_t offset, std::uint64_t count) {
  if (count == 0) return Outcome::ready();
  Outcome all = Outcome::ready();
  overlay(plane).each(offset, last_of(offset, count), [&](std::uint64_t first, std::uint64_t last, Piece piece) {
    if (piece != nullptr) return true;
    const Outcome fetched = subject_->fetch(waiter, plane, first, last - first + 1);
    // Whatever is missing is asked for before anything is waited for.
    if (!fetched.is_ready()) all = fetched;
    return fetched.is_ready() || fetched.waits();
  });
  return all;
}

Outcome View::prepare(Waiter& waiter, Plane plane, std::uint64_t offset, std::uint64_t count) {
  (void)plane, (void)offset;
  return transaction_.check_room(waiter, count);
}

void View::read(Plane plane, std::uint64_t offset, std::span<std::uint8_t> out) {
  if (out.empty()) return;
  overlay(plane).each(offset, last_of(offset, out.size()), [&](std::uint64_t first, std::uint64_t last, Piece piece) {
    const std::span<std::uint8_t> part =
        out.subspan(static_cast<std::size_t>(first - offset), static_cast<std::size_t>(last - first + 1));
    if (piece == nullptr) {
      subject_->read(plane, first, part);
      note(plane, first, last);
    } else if (piece->second.bytes.empty()) {
      std::ranges::fill(part, std::uint8_t{0});
    } else {
      std::memcpy(part.data(), Overlay::bytes_at(*piece, first), part.size());
    }
    return true;
  });
}

bool View::equal(Plane plane, std::uint64_t offset, std::span<const std::uint8_t> bytes) {
  std::vector<std::uint8_t> held(bytes.size());
  read(plane, offset, held);
  return std::ranges::equal(held, bytes);
}

/// Carries out a change of an overlay, and books what it takes.
template <typename Change>
void View::change(Plane plane, Change&& change) {
  Overlay& changed = overlays_[static_cast<std::size_t>(plane)];
  const Transaction::Charge before{changed.bytes(), touched_blocks(plane)};
  change(changed);
  transaction_.charge({changed.bytes(), touched_blocks(plane)}, before);
}

void View::write(Plane plane, std::uint64_t offset, std::span<const std::uint8_t> bytes) {
  change(plane, [&](Overlay& overlay) {
    // Columns are always written as a whole.
    if (plane == Plane::columns) overlay.reset();
    overlay.write(offset, bytes);
  });
  if (plane != Plane::data) return;
  end_ = std::max(end_, offset + bytes.size());
  length_ = std::max(length_, end_);
}

void View::set_columns_length(std::uint64_t length) {
  columns_length_ = length;
  columns_set_ = true;
}

Outcome View::clear(Waiter& waiter, Plane plane, std::uint64_t offset, std::uint64_t count) {
  if (count == 0) return Outcome::ready();
  if (kind_ == devices::Kind::file && plane == Plane::data) return clear_file(waiter, offset, count);
  if (const Outcome room = transaction_.check_room(waiter, 0); !room.is_ready()) return room;
  change(plane, [&](Overlay& overlay) { overlay.clear(offset, last_of(offset, count)); });
  return Outcome::ready();
}

/// What a commit does to a file it does by value.
Outcome View::clear_file(Waiter& waiter, std::uint64_t offset, std::uint64_t count) {
  note_length();
  count = offset < length_ ? std::min(count, length_ - offset) : 0;
  if (const Outcome room = transaction_.check_room(waiter, count); !room.is_ready()) return room;
  if (count > 0) write(Plane::data, offset, std::vector<std::uint8_t>(static_cast<std::size_t>(count)));
  return Outcome::ready();
}

Outcome View::set_length(Waiter& waiter, std::uint64_t length) {
  if (const Outcome room = transaction_.check_room(waiter, 0); !room.is_ready()) return room;
  // What lies behind it in the device is cut off too, however long that is at the commit.
  change(Plane::data, [&](Overlay& overlay) {
    if (length < length_ || !least_length_) overlay.clear(length, last_of_data);
  });
  least_length_ = std::min(least_length_.value_or(length), length);
  length_ = end_ = length;
  return Outcome::ready();
}

Outcome View::extents(Waiter& waiter, Plane plane, std::uint64_t offset, std::uint64_t count,
                      std::vector<Extent>& out) {
  if (count == 0) return Outcome::ready();
  Outcome all = Outcome::ready();
  overlay(plane).each(offset, last_of(offset, count), [&](std::uint64_t first, std::uint64_t last, Piece piece) {
    if (piece != nullptr) {
      return devices::add_extent(out, last - first + 1, piece->second.bytes.empty() ? Extent::hole | Extent::zeros : 0);
    }
    std::vector<Extent> part;
    all = subject_->extents(waiter, plane, first, last - first + 1, part);
    if (!all.is_ready()) return false;
    note(plane, first, last);
    return devices::add_extents(out, part, last - first + 1);
  });
  return all;
}

Outcome View::differences(Waiter& waiter, Device& other_device, std::uint64_t offset, std::uint64_t count,
                          std::vector<Extent>& out) {
  auto& other = static_cast<View&>(other_device);
  if (count == 0) return Outcome::ready();
  if (&other == this) {
    out.push_back({count, 0});
    return Outcome::ready();
  }
  Outcome all = Outcome::ready();
  const auto compare = [&](std::uint64_t first, std::uint64_t last, Piece mine, Piece theirs) {
    const std::uint64_t size = last - first + 1;
    const bool bytes =
        (mine != nullptr && !mine->second.bytes.empty()) || (theirs != nullptr && !theirs->second.bytes.empty());
    if (bytes || (mine != nullptr && theirs != nullptr))
      return devices::add_extent(out, size, bytes ? Extent::differ : 0);
    std::vector<Extent> part;
    if (mine == nullptr && theirs == nullptr) {
      all = subject_->differences(waiter, *other.subject_, first, size, part);
    } else {
      // Zeros on one side are the same as a hole on the other.
      Device& held = mine == nullptr ? *subject_ : *other.subject_;
      all = held.extents(waiter, Plane::data, first, size, part);
      for (Extent& extent : part) extent.flags = (extent.flags & Extent::zeros) != 0 ? 0 : Extent::differ;
    }
    if (!all.is_ready()) return false;
    note(Plane::data, first, last);
    other.note(Plane::data, first, last);
    return devices::add_extents(out, part, size);
  };
  overlay(Plane::data).each(offset, last_of(offset, count), [&](std::uint64_t first, std::uint64_t last, Piece mine) {
    return other.overlay(Plane::data).each(first, last, [&](std::uint64_t from, std::uint64_t to, Piece theirs) {
      return compare(from, to, mine, theirs);
    });
  });
  return all;
}

/// Holes stay holes; the rest is moved.
Outcome View::share(Waiter& waiter, std::uint64_t offset, Device& from, std::uint64_t from_offset,
                    std::uint64_t count) {
  std::vector<Extent> extents;
  std::uint64_t moved = 0;
  for (std::uint64_t covered = 0; covered < count;) {
    std::vector<Extent> part;
    const Outcome found = from.extents(waiter, Plane::data, from_offset + covered, count - covered, part);
    if (!found.is_ready()) return found;
    for (const Extent& extent : part) {
      covered += extent.length;
      if ((extent.flags & Extent::hole) == 0) moved += extent.length;
    }
    extents.insert(extents.end(), part.begin(), part.end());
    if (const Outcome room = transaction_.check_room(waiter, moved); !room.is_ready()) return room;
  }
  // The ranges may overlap: all is read before anything is written.
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(moved));
  Outcome all = Outcome::ready();
  const auto each_held = [&](auto&& visit) {
    std::uint64_t at = 0;
    std::size_t done = 0;
    for (const Extent& extent : extents) {
      const bool hole = (extent.flags & Extent::hole) != 0;
      visit(at, extent.length, hole ? std::span<std::uint8_t>() : std::span(bytes).subspan(done, extent.length));
      at += extent.length;
      if (!hole) done += static_cast<std::size_t>(extent.length);
    }
  };
  each_held([&](std::uint64_t at, std::uint64_t size, std::span<std::uint8_t> held) {
    const Outcome fetched = held.empty() ? Outcome::ready() : from.fetch(waiter, Plane::data, from_offset + at, size);
    if (!fetched.is_ready() && all.status() == Status::ok) all = fetched;
  });
  if (!all.is_ready()) return all;
  each_held([&](std::uint64_t at, std::uint64_t, std::span<std::uint8_t> held) {
    if (!held.empty()) from.read(Plane::data, from_offset + at, held);
  });
  each_held([&](std::uint64_t at, std::uint64_t size, std::span<std::uint8_t> held) {
    if (held.empty()) {
      change(Plane::data, [&](Overlay& overlay) { overlay.clear(offset + at, last_of(offset + at, size)); });
    } else {
      write(Plane::data, offset + at, held);
    }
  });
  end_ = std::max(end_, offset + count);
  length_ = std::max(length_, end_);
  return Outcome::ready();
}

Outcome View::digest(Waiter& waiter, std::uint64_t offset, std::uint64_t count, std::span<std::uint8_t, 32> out) {
  constexpr std::uint64_t piece = 1u << 20;
  if (waiter.progress == nullptr) {
    // From the first piece on: whoever changes a later one meanwhile ends this transaction.
    if (count > 0) {
      overlay(Plane::data)
          .each(offset, last_of(offset, count), [&](std::uint64_t first, std::uint64_t last, Piece written) {
            if (written == nullptr) note(Plane::data, first, last);
            return true;
          });
    }
    waiter.progress = std::make_unique<DigestProgress>();
  }
  auto& progress = static_cast<DigestProgress&>(*waiter.progress);
  const auto size = static_cast<std::size_t>(std::min(piece, count - progress.done));
  const std::uint64_t at = offset + progress.done;
  if (const Outcome fetched = fetch(waiter, Plane::data, at, size); !fetched.is_ready()) return fetched;
  std::vector<std::uint8_t> bytes(size);
  read(Plane::data, at, bytes);
  progress.digest.add(bytes.data(), bytes.size());
  progress.done += size;
  if (progress.done < count) {
    transaction_.store().yield(waiter);
    return Outcome::wait();
  }
  progress.digest.finish(out);
  return Outcome::ready();
}

}  // namespace chimera::vm
