#pragma once
// The lock that a store's file, and every file that is served in place, is under while it is open.

#include <expected>
#include <functional>
#include <string>

namespace chimera::io {

/// Locks an open file against other processes, and against every other opening of it in this one: for itself, or
/// (`shared`) beside others that only read. `unlock_and_close` gives the lock up. The error is a sentence that begins
/// with `path`; `is_busy` says whether somebody else has the lock. Where nobody seems to have it who still lives, it is
/// tried so often, 10 ms apart.
struct LockError {
  bool is_busy;
  std::string message;
};
[[nodiscard]] std::expected<void, LockError> lock_file(int fd, const std::string& path, bool shared, int tries = 200);

/// Gives the lock up and closes the file; nothing of ours may be under way on it. Not by closing alone: a ring's thread
/// that has ended a request (every flush has one) lets go of the file a moment after we are told, and if we do not step
/// that ring again, never.
/// `process`: the one that has locked it. In another one, which was forked from that, the file is closed alone: the
/// lock belongs to both, and would be gone for the other too.
void unlock_and_close(int fd, int process) noexcept;

/// What `open` answers, a descriptor or -1 with an errno; while that is EBUSY it is called again, so often, 10 ms
/// apart. For block devices that are opened for ourselves alone (O_EXCL): the kernel keeps one for a killed process as
/// it keeps a lock, and does not tell for whom.
[[nodiscard]] int open_patiently(const std::function<int()>& open, int tries = 200);

/// The process that has a conflicting lock on this open file, from /proc/locks; 0 if it cannot be found there.
[[nodiscard]] int find_lock_holder(int fd);

}  // namespace chimera::io
