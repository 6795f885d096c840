#include "embed/options.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "embed/ground.h"
#include "isa/limits.h"

namespace chimera::embed {
namespace {

/// Frames are counted with 32 bits.
constexpr std::uint64_t largest_cache = std::uint64_t{8} << 40;

/// Fields lie behind those of older versions, and not in the gap at their end, which nobody has set.
static_assert(offsetof(chimera_options, attach) >= offsetof(chimera_options, overwrite) + sizeof(std::uint64_t));

/// A structure that is longer than ours is one of a newer version: what we do not know must not have been asked for.
bool asks_for_more(const chimera_options& options) {
  const auto* const bytes = reinterpret_cast<const unsigned char*>(&options);
  return std::any_of(bytes + std::min(options.struct_size, sizeof options), bytes + options.struct_size,
                     [](unsigned char byte) { return byte != 0; });
}

}  // namespace

Outcome<chimera_options> read_options(const chimera_options* options) {
  chimera_options known{};
  if (options == nullptr) return known;
  constexpr std::size_t most_plausible = 4096;
  if (options->struct_size < sizeof options->struct_size || options->struct_size > most_plausible) {
    return failure(CHIMERA_E_ARGUMENT, "struct_size of the options is not their size.");
  }
  if (asks_for_more(*options)) {
    return failure(CHIMERA_E_ARGUMENT, "The options ask for something that this version does not know.");
  }
  std::memcpy(&known, options, std::min(options->struct_size, sizeof known));
  if (known.loop < CHIMERA_LOOP_AUTOMATIC || known.loop > CHIMERA_LOOP_POSIX) {
    return failure(CHIMERA_E_ARGUMENT, "There is no such loop.");
  }
  const bool is_cache =
      known.cache_bytes == 0 || (known.cache_bytes >= limits::smallest_cache && known.cache_bytes <= largest_cache);
  if (!is_cache) return failure(CHIMERA_E_ARGUMENT, "A cache has 128 MiB to 8 TiB.");
  const bool is_journal =
      known.journal_bytes == 0 || known.journal_bytes == CHIMERA_NO_JOURNAL ||
      (known.journal_bytes >= limits::smallest_journal && known.journal_bytes <= limits::largest_journal);
  if (!is_journal) {
    return failure(CHIMERA_E_ARGUMENT, "A journal has 2 to 112 MiB, or there is none: CHIMERA_NO_JOURNAL.");
  }
  return known;
}

Outcome<> check_place(const char* path, const chimera_options& options) {
  if ((path == nullptr) == (options.disk == nullptr)) {
    return failure(CHIMERA_E_ARGUMENT, "A store has either a path or a disk of the caller's own.");
  }
  if (options.attach != nullptr && (path == nullptr || is_memory(path))) {
    return failure(CHIMERA_E_ARGUMENT, "Only a store in a file or on a block device can have devices that are files.");
  }
  return {};
}

}  // namespace chimera::embed
