#include "cli/blank.h"

#include <algorithm>
#include <vector>

#include "isa/limits.h"

namespace chimera::cli {
namespace {

using Found = ImageFile::Result<std::optional<std::uint64_t>>;

constexpr std::uint64_t mebi = 1 << 20;
constexpr std::uint64_t end_size = mebi;  ///< at each end: partition tables, RAID and LVM labels, most superblocks
constexpr std::uint64_t most_data = 256 * mebi;
constexpr std::uint64_t sample_count = 64;
constexpr std::uint64_t sample_size = 64 << 10;
/// Beside the one at 64 KiB, which is within the first MiB.
constexpr std::uint64_t btrfs_superblocks[] = {64 * mebi, std::uint64_t{256} << 30};

class ContentFinder {
 public:
  explicit ContentFinder(const ImageFile& image) : image_(image), buffer_(mebi) {}

  Found run() {
    const std::uint64_t length = image_.length();
    std::vector<Range> places{{0, end_size}, {length - std::min(length, end_size), length}};
    for (const std::uint64_t place : btrfs_superblocks) places.push_back({place, place + limits::block_size});
    for (std::uint64_t n = 1; n <= sample_count; ++n) {
      const std::uint64_t place = length / (sample_count + 1) * n / sample_size * sample_size;
      places.push_back({place, place + sample_size});
    }
    for (const Range& place : places) {
      const auto found = look_at({place.begin, std::min(place.end, length)});
      if (!found || found->has_value()) return found;
    }
    if (image_.is_block_device()) return std::nullopt;
    return look_at_data();
  }

 private:
  /// A range, wherever it ends before it begins an empty one.
  Found look_at(Range range) {
    while (range.begin < range.end) {
      const auto piece = std::span(buffer_).first(std::min<std::uint64_t>(buffer_.size(), range.end - range.begin));
      if (auto read = image_.read(range.begin, piece); !read) return std::unexpected(read.error());
      std::optional<std::uint64_t> found;
      for_each_data_run(piece, [&](std::size_t offset, std::span<const std::uint8_t>) {
        if (!found) found = range.begin + offset;
      });
      if (found) return found;
      range.begin += piece.size();
    }
    return std::nullopt;
  }

  Found look_at_data() {
    std::uint64_t left = most_data;
    for (std::uint64_t offset = 0; left > 0;) {
      const auto data = image_.next_data(offset);
      if (!data) return std::unexpected(data.error());
      if (!data->has_value()) break;
      const Range range{(*data)->begin, std::min((*data)->end, (*data)->begin + left)};
      const auto found = look_at(range);
      if (!found || found->has_value()) return found;
      left -= range.end - range.begin;
      offset = range.end;
    }
    return std::nullopt;
  }

  const ImageFile& image_;
  std::vector<std::uint8_t> buffer_;
};

}  // namespace

Found find_content(const ImageFile& image) { return ContentFinder(image).run(); }

}  // namespace chimera::cli
