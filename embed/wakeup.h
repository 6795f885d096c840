#pragma once
// The descriptor that a host polls: ready when one of those behind it is, or when we say so ourselves.

#include <memory>

#include "embed/failure.h"

namespace chimera::embed {

class Wakeup {
 public:
  [[nodiscard]] static Outcome<std::unique_ptr<Wakeup>> make();
  ~Wakeup();
  Wakeup(const Wakeup&) = delete;
  Wakeup& operator=(const Wakeup&) = delete;

  [[nodiscard]] int descriptor() const { return epoll_; }
  /// Ready while `fd` can be read from, or, if asked for, written to. May be called again to change that.
  [[nodiscard]] Outcome<> watch(int fd, bool for_writing = false);
  void forget(int fd);
  /// Ready whatever the others say.
  void set(bool ready);

 private:
  Wakeup() = default;

  int epoll_ = -1;
  int event_ = -1;
  bool is_set_ = false;
};

}  // namespace chimera::embed
