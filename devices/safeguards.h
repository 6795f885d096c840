#pragma once
// The answers that keep a store whole through crashes and damage, each by its name. They are constants, always on; only
// in the variant of this library that tests/devices/crash_mutants_test.cpp is linked with are they variables, so that
// it can take one away and see that the crash test notices.

namespace chimera::devices::safeguards {

#ifdef CHIMERA_MUTANTS
#define CHIMERA_SAFEGUARD inline bool
#else
#define CHIMERA_SAFEGUARD inline constexpr bool
#endif

/// A block that is read is compared with the checksum that its parent holds.
CHIMERA_SAFEGUARD blocks_are_verified = true;
/// A superblock counts only if its own checksum is right.
CHIMERA_SAFEGUARD superblocks_are_verified = true;
/// The published superblock is not overwritten by the next one.
CHIMERA_SAFEGUARD superblocks_alternate = true;
/// The same for the pages of the free-space map.
CHIMERA_SAFEGUARD map_homes_alternate = true;
/// All that a superblock leads to is on the medium before it.
CHIMERA_SAFEGUARD blocks_are_flushed_first = true;
/// A checkpoint counts as published when its superblock is on the medium.
CHIMERA_SAFEGUARD superblocks_are_flushed = true;
/// A block that a checkpoint frees is not used again before that is published.
CHIMERA_SAFEGUARD freed_blocks_are_held = true;
/// An instruction in pieces works on a copy of the device's map until it is done.
CHIMERA_SAFEGUARD pieces_are_hidden = true;

#undef CHIMERA_SAFEGUARD

}  // namespace chimera::devices::safeguards
