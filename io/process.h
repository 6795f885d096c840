#pragma once
// Whether other processes live.

#include <string>

namespace chimera::io {

/// Whether a process may still do something. One that has ended and that its parent has not asked for, or that has been
/// killed and that the kernel is taking apart, may not: what it held it gives up in a moment. Where nobody can tell, as
/// /proc does not show it, a process that is there counts as living.
[[nodiscard]] bool is_living(int pid);

/// Whether a line of /proc/PID/stat is of a process on its way out.
[[nodiscard]] bool is_ending(const std::string& line);

}  // namespace chimera::io
