#pragma once
// Everywhere that a store can be: each test that concerns no place in particular runs in all of them.

#include <doctest/doctest.h>

#include <functional>
#include <string>

#include "include/chimera.hpp"

namespace chimera_testing {

/// A store that can be opened, again and again.
class Place {
 public:
  virtual ~Place() = default;
  [[nodiscard]] virtual std::string name() const = 0;
  [[nodiscard]] virtual int open(chimera::Store& store) = 0;
  /// What was durable when the store was closed is there when it is opened again.
  [[nodiscard]] virtual bool keeps() const { return true; }
};

/// In memory, in a file on either loop, on a disk of the caller's own (at once, by a thread), behind a server. What
/// this computer does not have is left out, and said.
void with_each_place(const std::function<void(Place&)>& body);

/// The answers to assembly text. All have to be ok.
chimera::Answers run(chimera::Store& store, chimera::Session& session, const std::string& text);

}  // namespace chimera_testing
