#pragma once
// A completion that is a member function of its owner, and knows whether its operation is under way.

#include <cassert>

#include "io/loop.h"

namespace chimera::io {

template <auto method>
class Callback;

/// A member of `Owner`, handed to the loop with `begin()`.
template <class Owner, void (Owner::*method)(int)>
class Callback<method> final : public Completion {
 public:
  explicit Callback(Owner& owner) : owner_(owner) {}
  Callback(const Callback&) = delete;
  Callback& operator=(const Callback&) = delete;
  ~Callback() { assert(!is_under_way_ && "an operation has ended before its owner goes"); }

  [[nodiscard]] bool is_under_way() const noexcept { return is_under_way_; }
  /// For the call that starts the operation: `loop.send(fd, bytes, size, sending_.begin())`.
  [[nodiscard]] Completion& begin() {
    assert(!is_under_way_);
    is_under_way_ = true;
    return *this;
  }
  void cancel(KernelLoop& loop) {
    if (is_under_way_) loop.cancel(*this);
  }
  void complete(int result) override {
    is_under_way_ = false;
    (owner_.*method)(result);
  }

 private:
  Owner& owner_;
  bool is_under_way_ = false;
};

}  // namespace chimera::io
