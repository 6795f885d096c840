#pragma once
// A machine with devices in memory, links to it, and a device with a number for a version: what tables stand on.

#include <doctest/doctest.h>

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "devices/store.h"
#include "io/loop.h"
#include "links/session_link.h"
#include "tables/answers.h"
#include "tables/script.h"
#include "tables/version.h"
#include "vm/machine.h"

namespace chimera::tables::testing {

class QuietLoop final : public io::Loop {
 public:
  std::size_t step(int) override { return 0; }
};

[[nodiscard]] inline std::span<const std::uint8_t> bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
[[nodiscard]] inline std::string text_of(std::span<const std::uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

template <typename Value>
[[nodiscard]] std::string words_of(const Result<Value>& result) {
  return result ? std::string() : result.error().words;
}

/// Makes a device, and answers its UUID.
[[nodiscard]] inline Uuid create_device(Link& link, std::string_view name) {
  Script script;
  Answers answers;
  script.add(Program().create_device(name));
  const auto done = link.run(script, answers);
  REQUIRE_MESSAGE(done.has_value(), words_of(done));
  return uuid_of(answers[0]);
}

/// Makes a device for a version that begins with 1.
[[nodiscard]] inline Version create_version(Link& link, std::string_view name) {
  Version version{create_device(link, name), 16, 0};
  Script script;
  Answers answers;
  version.change(script, 1);
  version.number = 1;
  const auto done = link.run(script, answers);
  REQUIRE_MESSAGE(done.has_value(), words_of(done));
  return version;
}

struct MemoryGround {
  MemoryGround() : machine(loop, std::make_unique<devices::Store>(devices::MemoryOptions{})), link(machine) {}

  QuietLoop loop;
  vm::Machine machine;
  links::SessionLink link;
};

}  // namespace chimera::tables::testing
