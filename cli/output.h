#pragma once
// Standard output whose reader may go away: `chimera run store.img setup.asm | head -1`.

namespace chimera::cli {

/// To be called first. From then on what is printed to `stdout` behind the end of its reader is dropped, so that a
/// program that is under way still does what it was asked to do.
void guard_output();
/// Whether the reader has gone.
[[nodiscard]] bool output_is_closed();
/// Ends the process as one that was not guarded would have ended: by SIGPIPE, quietly.
[[noreturn]] void end_by_closed_output();

}  // namespace chimera::cli
