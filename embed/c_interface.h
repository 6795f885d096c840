#pragma once
// What all functions of the C interface share: the handles, and the door through which every call comes in.

#include <new>
#include <string>

#include "embed/checked_program.h"
#include "embed/session.h"
#include "embed/store.h"
#include "include/chimera.h"

// The names are C's.
// NOLINTBEGIN(readability-identifier-naming)

struct chimera_store final : chimera::embed::Store {};

struct chimera_program {
  chimera::embed::CheckedProgram checked;
  chimera::embed::ErrorText error;
  int fault = CHIMERA_OK;  ///< what went wrong first
};

// NOLINTEND(readability-identifier-naming)

namespace chimera::embed {

/// A new handle, or null if there is no memory.
template <class Handle>
Handle* make_handle() noexcept {
  try {
    return new Handle;
  } catch (...) {
    return nullptr;
  }
}

/// A session's handle is the session itself.
inline chimera_session* handle_of(Session* session) { return reinterpret_cast<chimera_session*>(session); }
inline Session* session_of(chimera_session* handle) { return reinterpret_cast<Session*>(handle); }

/// Notes the words of a failure for chimera_error; gives its code.
int fail(Store& store, int code, std::string_view text) noexcept;
inline int fail(Store& store, const Failure& failure) noexcept { return fail(store, failure.code, failure.text); }

/// What a call asks of its store.
enum class Needs : std::uint8_t { nothing, closed, open };

/// 0 if a call may go on; else it has failed with this code, and its words are noted.
int admit(Store& store, Needs needs) noexcept;
/// What a call that threw has come to. In a handler.
int caught(Store& store) noexcept;

/// Every call that does something with a store: who may not, or comes from within another call, is turned away, and
/// nothing that is thrown leaves. `body` gives the call's result.
template <class Body>
int enter(Store& store, Needs needs, Body&& body) noexcept {
  if (const int refusal = admit(store, needs); refusal != CHIMERA_OK) return refusal;
  store.is_entered = true;
  int result = CHIMERA_OK;
  try {
    result = body();
  } catch (...) {
    result = caught(store);
  }
  store.is_entered = false;
  return result;
}

}  // namespace chimera::embed
