#pragma once
// What keeps transactions apart and whole, each by its name. They are constants, always on, as those of
// devices/safeguards.h; tests/devices/crash_mutants_test.cpp takes one away in turn and sees that a test notices.

namespace chimera::vm::safeguards {

#ifdef CHIMERA_MUTANTS
#define CHIMERA_SAFEGUARD inline bool
#else
#define CHIMERA_SAFEGUARD inline constexpr bool
#endif

/// A change of a range dooms who has read in it.
CHIMERA_SAFEGUARD readers_are_doomed = true;
/// A change of a device as such dooms who has touched it.
CHIMERA_SAFEGUARD reshaping_dooms = true;
/// A name that means something else dooms who has looked it up.
CHIMERA_SAFEGUARD renaming_dooms = true;
/// A token of which something else is told dooms who has asked for it.
CHIMERA_SAFEGUARD outcomes_doom = true;
/// A device that another session has open is not deleted by a commit.
CHIMERA_SAFEGUARD open_devices_stay = true;
/// A transaction that is doomed does not go on.
CHIMERA_SAFEGUARD doomed_ones_stop = true;
/// Nor does it commit.
CHIMERA_SAFEGUARD doomed_ones_lose = true;
/// A commit is rehearsed as a whole before it is performed.
CHIMERA_SAFEGUARD commits_are_rehearsed = true;
/// A commit is answered when it is on the medium.
CHIMERA_SAFEGUARD commits_wait_for_the_medium = true;
/// A commit whose token has been committed has no effect.
CHIMERA_SAFEGUARD tokens_commit_once = true;
/// An outcome is told as committed when it is on the medium.
CHIMERA_SAFEGUARD told_outcomes_are_durable = true;

#undef CHIMERA_SAFEGUARD

}  // namespace chimera::vm::safeguards
