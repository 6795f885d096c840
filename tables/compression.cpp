#include "tables/compression.h"

#include <zstd.h>
#include <zstd_errors.h>

#include <new>

#include "types/content.h"

namespace chimera::tables {
namespace {

constexpr int level = 3;

/// How many bytes it gives; more than those if it cannot be decompressed, which want of memory is no sign of.
std::size_t decompress_frame(std::span<const std::uint8_t> frame, std::span<std::uint8_t> to) {
  const std::size_t done = ZSTD_decompress(to.data(), to.size(), frame.data(), frame.size());
  if (ZSTD_getErrorCode(done) == ZSTD_error_memory_allocation) throw std::bad_alloc();
  return done;
}

}  // namespace

bool compress(std::span<const std::uint8_t> content, std::vector<std::uint8_t>& to) {
  to.resize(content.size() - content.size() / 8);
  const std::size_t size = ZSTD_compress(to.data(), to.size(), content.data(), content.size(), level);
  if (ZSTD_isError(size) != 0) return false;  // it does not fit, which is how no gain shows
  to.resize(size);
  return true;
}

types::Result<std::vector<std::uint8_t>> decompress(std::span<const std::uint8_t> bytes, std::uint64_t size) {
  if (size > largest_content) return types::corrupt("the compressed value is larger than one that is read as a whole");
  const std::size_t frame = ZSTD_findFrameCompressedSize(bytes.data(), bytes.size());
  if (ZSTD_isError(frame) != 0) return types::corrupt("there is no compressed value where one should be");
  if (ZSTD_getFrameContentSize(bytes.data(), frame) != size) {
    return types::corrupt("the compressed value has another size than its slot says");
  }
  std::vector<std::uint8_t> content(size);
  if (decompress_frame(bytes.first(frame), content) != size)
    return types::corrupt("the compressed value cannot be decompressed");
  return content;
}

bool decompress_into(std::span<const std::uint8_t> bytes, std::span<std::uint8_t> to) {
  const std::size_t frame = ZSTD_findFrameCompressedSize(bytes.data(), bytes.size());
  if (ZSTD_isError(frame) != 0 || ZSTD_getFrameContentSize(bytes.data(), frame) != to.size()) return false;
  return decompress_frame(bytes.first(frame), to) == to.size();
}

types::Result<types::Value> value_of_compressed(std::span<const std::uint8_t> bytes, std::uint64_t size,
                                                const types::Type& type) {
  const types::Result<std::vector<std::uint8_t>> content = decompress(bytes, size);
  if (!content) return std::unexpected(content.error());
  return types::value_of_content(*content, type);
}

}  // namespace chimera::tables
