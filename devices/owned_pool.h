#pragma once
// How a pool is owned, and how it goes.

#include <memory>

namespace chimera::devices {

class Pool;

/// A pool that was broken off amid an operation (no memory) is not destroyed but stays where it is, with what it has:
/// requests may be under way into its memory, and its books may not be right.
struct PoolEnder {
  void operator()(Pool* pool) const noexcept;
};
using OwnedPool = std::unique_ptr<Pool, PoolEnder>;

}  // namespace chimera::devices
