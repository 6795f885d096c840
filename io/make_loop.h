#pragma once
// How make_loop chooses, with the ring's maker as a parameter so that a refusal can be tried out.

#include <functional>
#include <string>

#include "io/loop.h"

namespace chimera::io {

/// Makes a loop on io_uring, or says with a negative errno why the kernel refuses.
using RingMaker = std::function<std::expected<std::unique_ptr<KernelLoop>, int>()>;

[[nodiscard]] std::expected<std::unique_ptr<KernelLoop>, std::string> make_loop(LoopKind kind, std::string& warning,
                                                                                const RingMaker& make_ring);

/// One line on why io_uring_setup failed. `error` is a positive errno, `sysctl` the value of
/// kernel.io_uring_disabled, -1 where the kernel has no such setting.
[[nodiscard]] std::string explain_refusal(int error, int sysctl);

}  // namespace chimera::io
