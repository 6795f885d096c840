#pragma once
// What keeps a table whole where several change it, each by its name. They are constants, always on, as those of
// devices/safeguards.h; tests/tables/mutants_test.cpp takes one away in turn and sees that a test notices.

namespace chimera::tables::safeguards {

#ifdef CHIMERA_MUTANTS
#define CHIMERA_SAFEGUARD inline bool
#else
#define CHIMERA_SAFEGUARD inline constexpr bool
#endif

/// Who reads checks the version in front of what he reads.
CHIMERA_SAFEGUARD reads_are_checked_in_front = true;
/// And behind it.
CHIMERA_SAFEGUARD reads_are_checked_behind = true;
/// Who changes a table checks the version that he has planned from.
CHIMERA_SAFEGUARD changes_are_checked = true;
/// What has been planned for a change that did not happen is given up.
CHIMERA_SAFEGUARD plans_are_given_up = true;
/// A table that is opened has the same columns and indexes when all of it has been read as at the beginning.
CHIMERA_SAFEGUARD openings_are_checked = true;
/// What was found in memory alone is told when it is known to be so still.
CHIMERA_SAFEGUARD answers_are_confirmed = true;
/// Trees and heaps forget what they have read when somebody else has changed the table.
CHIMERA_SAFEGUARD old_nodes_are_forgotten = true;
/// So is forgotten which pieces of columns were packed.
CHIMERA_SAFEGUARD old_pieces_are_forgotten = true;

#undef CHIMERA_SAFEGUARD

}  // namespace chimera::tables::safeguards
