#pragma once
// A loop whose operations end when the test says so.

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

#include "io/loop.h"

namespace chimera::server::testing {

/// Remembers what was started; the test ends it.
class HandLoop final : public io::KernelLoop {
 public:
  io::Completion* accepting = nullptr;
  io::Completion* waiting = nullptr;
  io::Completion* receiving = nullptr;
  io::Completion* cancelled = nullptr;

  void end(io::Completion*& operation, int result) {
    REQUIRE(operation != nullptr);
    std::exchange(operation, nullptr)->complete(result);
  }
  void accept(int, io::Completion& completion) override { accepting = &completion; }
  void after(std::uint64_t milliseconds, io::Completion& completion) override {
    CHECK(milliseconds >= 10);
    waiting = &completion;
  }
  void cancel(io::Completion& completion) override { cancelled = &completion; }
  void receive(int, void*, std::size_t, io::Completion& completion) override { receiving = &completion; }

  std::size_t step(int) override { return 0; }
  void readv(int, const iovec*, unsigned, std::uint64_t, io::Completion&) override {}
  void writev(int, const iovec*, unsigned, std::uint64_t, io::Durable, io::Completion&) override {}
  void sync_data(int, io::Completion&) override {}
  void punch_hole(int, std::uint64_t, std::uint64_t, io::Completion&) override {}
  void send(int, const void*, std::size_t, io::Completion&) override {}
  void wait_readable(int, io::Completion&) override {}
  void wait_writable(int, io::Completion&) override {}
  void register_memory(void*, std::size_t) override {}
  [[nodiscard]] std::string_view name() const noexcept override { return "hand"; }
};

}  // namespace chimera::server::testing
