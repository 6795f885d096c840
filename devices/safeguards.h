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
/// A block is discarded only when no published state needs it.
CHIMERA_SAFEGUARD discards_wait_for_publication = true;
/// A block that is being discarded is nobody's to write.
CHIMERA_SAFEGUARD discarded_blocks_are_held = true;
/// An instruction in pieces works on a copy of the device's map until it is done.
CHIMERA_SAFEGUARD pieces_are_hidden = true;

/// What waits for a record waits for a flush.
CHIMERA_SAFEGUARD records_are_flushed = true;
/// A block whose place a record tells is not changed in place.
CHIMERA_SAFEGUARD named_blocks_stay = true;
/// A record counts only if its instructions match their checksum.
CHIMERA_SAFEGUARD records_are_verified = true;
/// The last records count only if the blocks that they name are on the medium too.
CHIMERA_SAFEGUARD record_data_is_verified = true;
/// What the journal names is marked as used before anything is replayed.
CHIMERA_SAFEGUARD named_blocks_are_claimed = true;
/// The journal's tail moves when the checkpoint that makes records superfluous is published.
CHIMERA_SAFEGUARD tail_waits_for_publication = true;
/// A checkpoint's first flush waits for the blocks that the journal is writing.
CHIMERA_SAFEGUARD checkpoint_waits_for_journal = true;
/// A record counts only if it continues the one before it.
CHIMERA_SAFEGUARD records_are_chained = true;
/// What the operations of a commit need is added up before any of them has an effect.
CHIMERA_SAFEGUARD rehearsals_add_up = true;

/// What has been committed to a file is durable in the pool before it is written in place.
CHIMERA_SAFEGUARD commits_are_recorded_first = true;
/// It is taken from the pool when the file has been flushed.
CHIMERA_SAFEGUARD files_are_flushed_first = true;
/// What was committed behind a cut stays in the pool until that very cut has been made.
CHIMERA_SAFEGUARD cuts_hold_blocks_back = true;

#undef CHIMERA_SAFEGUARD

}  // namespace chimera::devices::safeguards
