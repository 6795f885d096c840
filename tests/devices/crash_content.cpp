#include "tests/devices/crash_content.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include <fmt/format.h>

#include "devices/crc32c.h"
#include "devices/layout.h"
#include "io/seeded_random.h"
#include "tests/devices/pool_rig.h"

namespace chimera::devices::testing {
namespace {

constexpr std::uint64_t most_at_once = 256 * block_size;
/// The metadata's last block: one past its end does not fit into 64 bits.
constexpr std::uint64_t last_block = ~std::uint64_t{0} - (block_size - 1);

class Digest {
 public:
  void add(std::uint64_t number) { state_ = io::SeededRandom(state_ ^ number).next(); }
  void add(const void* bytes, std::size_t size) {
    add(size);
    add(crc32c(0, bytes, size));
  }
  void add_block(std::uint64_t number, std::span<const std::uint8_t> bytes) {
    const bool is_zero = bytes[0] == 0 && std::memcmp(&bytes[0], &bytes[1], bytes.size() - 1) == 0;
    if (is_zero) return;
    add(number);
    add(bytes.data(), bytes.size());
  }
  [[nodiscard]] std::uint64_t value() const { return state_ | 1; }

 private:
  std::uint64_t state_ = 0;
};

void add_shape(Digest& digest, const Uuid& uuid, std::uint64_t length, bool fixed, bool read_only) {
  digest.add(uuid.data, sizeof uuid.data);
  digest.add(length);
  digest.add((fixed ? 1 : 0) + (read_only ? 2 : 0));
}

void add_blocks(Digest& digest, const vm::testing::ModelBytes& bytes) {
  for (const auto& [number, block] : bytes.blocks()) digest.add_block(number, block);
  digest.add(~std::uint64_t{0});
}

class Reader {
 public:
  Reader(io::Loop& loop, Store& store, Device& device) : loop_(loop), store_(store), device_(device) {}

  /// The digest of all that the device holds, or `unreadable`.
  std::uint64_t read() {
    add_shape(digest_, device_.uuid(), device_.length(), device_.fixed_length(), device_.read_only());
    const std::uint64_t columns = device_.columns_length();
    std::vector<std::uint8_t> text(columns);
    if (!read_range(Plane::columns, 0, text)) return unreadable;
    digest_.add(text.data(), text.size());
    if (!add_plane(Plane::data, (device_.length() + block_size - 1) / block_size * block_size)) return unreadable;
    digest_.add(~std::uint64_t{0});
    if (!add_plane(Plane::metadata, last_block) || !add_piece(Plane::metadata, last_block, block_size)) {
      return unreadable;
    }
    digest_.add(~std::uint64_t{0});
    return digest_.value();
  }

 private:
  [[nodiscard]] bool good(Outcome outcome) {
    REQUIRE((outcome.is_ready() || outcome.status() == Status::corrupt || outcome.status() == Status::io_error));
    return outcome.is_ready();
  }

  bool add_plane(Plane plane, std::uint64_t end) {
    for (std::uint64_t offset = 0; offset < end;) {
      std::vector<Extent> extents;
      const Outcome found = finish(loop_, store_, [&](Waiter& waiter) {
        extents.clear();
        return device_.extents(waiter, plane, offset, end - offset, extents);
      });
      if (!good(found)) return false;
      REQUIRE(!extents.empty());
      for (const Extent& extent : extents) {
        if ((extent.flags & Extent::hole) == 0 && !add_piece(plane, offset, extent.length)) return false;
        offset += extent.length;
      }
    }
    return true;
  }

  bool add_piece(Plane plane, std::uint64_t offset, std::uint64_t count) {
    while (count > 0) {
      std::vector<std::uint8_t> bytes(std::min(count, most_at_once));
      if (!read_range(plane, offset, bytes)) return false;
      for (std::size_t at = 0; at < bytes.size(); at += block_size) {
        digest_.add_block((offset + at) / block_size, std::span(bytes).subspan(at, block_size));
      }
      offset += bytes.size();
      count -= bytes.size();
    }
    return true;
  }

  bool read_range(Plane plane, std::uint64_t offset, std::span<std::uint8_t> out) {
    return good(finish(loop_, store_, [&](Waiter& waiter) {
      const Outcome fetched = device_.fetch(waiter, plane, offset, out.size());
      if (fetched.is_ready()) device_.read(plane, offset, out);
      return fetched;
    }));
  }

  io::Loop& loop_;
  Store& store_;
  Device& device_;
  Digest digest_;
};

}  // namespace

const std::vector<Token>& tokens() {
  constexpr std::uint8_t count = 32;
  static const std::vector<Token> all = [] {
    std::vector<Token> made(count);
    for (std::uint8_t n = 0; n < count; ++n) made[n].fill(n);
    return made;
  }();
  return all;
}

std::string entry_of(const Token& token) { return fmt::format("\x01token {}", token[0]); }

Content content_of(const vm::testing::Model& model) {
  Content content;
  for (const Token& token : tokens()) {
    if (model.has_committed(token)) content[entry_of(token)] = 1;
  }
  for (const auto& [name, device] : model.devices()) {
    if (device->kind != "pool") continue;
    Digest digest;
    add_shape(digest, device->uuid, device->length, device->fixed, device->read_only);
    digest.add(device->columns.data(), device->columns.size());
    add_blocks(digest, device->data);
    add_blocks(digest, device->metadata);
    content[name] = digest.value();
  }
  return content;
}

Content content_of(io::Loop& loop, Store& store) {
  Content content;
  for (Device* device : store.list("", "", limits::most_devices)) {
    if (device->kind() == Kind::pool) content[device->name()] = Reader(loop, store, *device).read();
  }
  const Outcome loaded = finish(loop, store, [&](Waiter& waiter) { return store.outcomes().load(waiter); });
  for (const Token& token : tokens()) {
    if (!loaded.is_ready()) content[entry_of(token)] = unreadable;
    if (store.outcomes().find(token) == Outcomes::committed) content[entry_of(token)] = 1;
  }
  return content;
}

std::string difference(const Content& expected, const Content& found) {
  std::string text;
  for (const auto& [name, digest] : expected) {
    const auto other = found.find(name);
    if (other == found.end()) {
      text += " \"" + name + "\" is missing;";
    } else if (other->second != digest) {
      text += " \"" + name + (other->second == unreadable ? "\" cannot be read;" : "\" differs;");
    }
  }
  for (const auto& [name, digest] : found) {
    if (!expected.contains(name)) text += " \"" + name + "\" should not be there;";
  }
  return text;
}

std::uint64_t digest_of(const Content& content) {
  Digest digest;
  for (const auto& [name, device] : content) {
    digest.add(name.data(), name.size());
    digest.add(device);
  }
  return digest.value();
}

bool States::has(std::uint64_t digest, std::size_t first, std::size_t last) const {
  const auto range = std::span(digests_).subspan(first, last - first + 1);
  return std::ranges::find(range, digest) != range.end();
}

std::size_t States::first_with(const std::string& entry) const {
  const auto has_it = [&](const Content& content) { return content.contains(entry); };
  return static_cast<std::size_t>(std::ranges::find_if(contents_, has_it) - contents_.begin());
}

std::string States::judge(const Content& found, std::size_t first, std::size_t last) const {
  if (has(digest_of(found), first, last)) return {};
  std::size_t nearest = first;
  for (std::size_t n = first; n <= last; ++n) {
    if (difference(contents_[n], found).size() < difference(contents_[nearest], found).size()) nearest = n;
  }
  return fmt::format("its content is none of the {} states that it may be; the nearest is number {}:{}",
                     last - first + 1, nearest - first, difference(contents_[nearest], found));
}

}  // namespace chimera::devices::testing
