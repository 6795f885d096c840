#pragma once
// Crashes of a store and of a file that it serves in place, both at the same moment.

#include <cstddef>
#include <cstdint>
#include <string>

namespace chimera::devices::testing {

/// Programs that write a number to places in a file and in a device of the pool, in transactions and outside of them;
/// at the boundaries of writes and flushes of either disk images of both are opened and judged: transactions are whole,
/// what was answered as durable is there, and the file holds it all in the end. Returns what is wrong, or nothing.
/// `images` is counted up.
[[nodiscard]] std::string run_file_crash_test(std::uint64_t seed, std::size_t& images);

/// A commit that sets the length of a file and does nothing else to it: at the moment at which the file is cut, every
/// image that a crash might leave of the store has the commit. Returns what is wrong, or nothing.
[[nodiscard]] std::string run_file_cut_test();

}  // namespace chimera::devices::testing
