#pragma once
// Changes of a stream that leave its instructions whole and have them meet on the same few devices. libFuzzer's own
// know nothing of instructions, and seldom make two that have to do with each other.

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "fuzz/good_store.h"
#include "fuzz/talk.h"
#include "io/seeded_random.h"
#include "isa/encoder.h"

namespace chimera::fuzz {

class StreamChange {
 public:
  explicit StreamChange(std::uint64_t seed) : random_(seed) {}

  std::vector<std::uint8_t> apply(Bytes stream) {
    std::vector<Part> parts;
    std::size_t from = 0;
    Bytes whole = stream;
    for (const Owed& owed : owed_to(whole)) {
      parts.emplace_back(stream.begin() + from, stream.begin() + owed.end);
      from = owed.end;
    }
    const Part rest(stream.begin() + from, stream.end());
    change(parts);
    std::vector<std::uint8_t> changed;
    for (const Part& part : parts) changed.insert(changed.end(), part.begin(), part.end());
    changed.insert(changed.end(), rest.begin(), rest.end());
    return changed;
  }

 private:
  using Part = std::vector<std::uint8_t>;

  void change(std::vector<Part>& parts) {
    const std::uint64_t what = parts.empty() ? 0 : random_.below(8);
    const std::size_t place = random_.below(parts.size() + 1);
    const std::size_t chosen = parts.empty() ? 0 : random_.below(parts.size());
    if (what < 4) {
      // Few, or so many that tables grow and queues fill.
      const std::uint64_t count = random_.chance(50) ? 1 + random_.below(3) : 8 + random_.below(24);
      for (std::uint64_t n = 0; n < count; ++n) {
        parts.insert(parts.begin() + static_cast<std::ptrdiff_t>(place), make());
      }
    } else if (what == 4) {
      parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(chosen));
    } else if (what == 5) {
      parts.insert(parts.begin() + static_cast<std::ptrdiff_t>(place), Part(parts[chosen]));
    } else {
      rename(parts[chosen]);
    }
  }

  /// The same instruction on other devices.
  void rename(Part& part) {
    Instruction instruction;
    if (decode(part, instruction).kind != Decoded::Kind::complete || !has_form(instruction)) return;
    if (random_.chance(50)) instruction.device = any_device();
    if (random_.chance(50)) instruction.second_device = any_device();
    Part renamed;
    encode(instruction, renamed);
    part = std::move(renamed);
  }

  /// An instruction of any row whose operands can be made up; of those with two devices many.
  Part make() {
    const bool on_two = random_.chance(35);
    for (;;) {
      Instruction instruction;
      instruction.operation = static_cast<Operation>(random_.below(operation_count));
      const Row& row = row_of(instruction.operation);
      if (row.operands.has(Operand::device_names) || row.operands.has(Operand::operands)) continue;
      if (on_two && !row.operands.has(Operand::second_device)) continue;
      instruction.has_device = random_.chance(70);
      instruction.has_offset = random_.chance(50);
      instruction.has_options = random_.chance(35);
      if (!has_form(instruction)) continue;
      fill(instruction, row);
      Part made;
      encode(instruction, made);
      return made;
    }
  }

  void fill(Instruction& instruction, const Row& row) {
    static constexpr std::array<std::uint8_t, limits::block_size> bytes{1, 2, 3};
    static constexpr std::string_view names[] = {"a", "b", "c", "", "the name of a device that is a little longer"};
    instruction.device = any_device();
    instruction.second_device = any_device();
    instruction.offset = any_number();
    instruction.second_offset = any_number();
    instruction.count = random_.below(10'000);
    instruction.name = names[random_.below(std::size(names))];
    instruction.second_name = names[random_.below(std::size(names))];
    instruction.text = names[random_.below(std::size(names))];
    instruction.options = random_.chance(50) ? "size=64K" : "kind=memory";
    std::size_t size = random_.below(100);
    for (const Operand operand : row.operands) {
      if (operand == Operand::value8) size = 1;
      if (operand == Operand::token) size = 16;
      if (operand == Operand::block) size = bytes.size();
    }
    instruction.payload = std::span(bytes).first(size);
  }

  Uuid any_device() { return known_device(1 + random_.below(most_known_devices)); }

  std::uint64_t any_number() {
    static constexpr std::uint64_t numbers[] = {0, 1, 4095, 4096, 5000, 1 << 20, std::uint64_t{1} << 40};
    return numbers[random_.below(std::size(numbers))];
  }

  io::SeededRandom random_;
};

}  // namespace chimera::fuzz
