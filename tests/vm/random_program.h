#pragma once
// Instructions chosen by a seed: mostly sensible ones about what the model says exists, at places where things tend to
// go wrong, and some nonsense.

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "io/seeded_random.h"
#include "isa/instruction.h"
#include "tests/vm/model.h"

namespace chimera::vm::testing {

struct GeneratorOptions {
  std::string prefix = "d";  ///< names begin with it; sessions that run at the same time have one each
  std::size_t most_devices = 8;
  std::uint64_t largest_count = 300'000;            ///< of bytes that are really moved
  std::uint64_t largest_share = ~std::uint64_t{0};  ///< of bytes whose blocks are shared by a copy
  bool transactions = true;                         ///< now and then a begin, commit, abort or token
  bool files = false;                               ///< every other device with options is one, or should be
};

/// Owns the bytes that its instructions refer to, until `forget`.
class RandomProgram {
 public:
  RandomProgram(std::uint64_t seed, GeneratorOptions options) : random_(seed), options_(std::move(options)) {}

  /// One instruction for a session, in the light of the model.
  [[nodiscard]] Instruction next(Model& model, std::size_t session);
  void forget() {
    payloads_.clear();
    texts_.clear();
  }
  [[nodiscard]] io::SeededRandom& random() { return random_; }

 private:
  [[nodiscard]] Instruction any(Model& model, std::size_t session);
  void choose_operation(Instruction&);
  void choose_form(Instruction&);
  void choose_operands(Instruction&, Model&, std::size_t session);
  [[nodiscard]] Uuid choose_device(Model&);
  [[nodiscard]] std::uint64_t choose_offset(const ModelDevice* device);
  [[nodiscard]] std::uint64_t choose_metadata_offset();
  [[nodiscard]] std::uint64_t choose_count(const ModelDevice* device, std::uint64_t offset);
  [[nodiscard]] std::uint64_t choose_range(const ModelDevice* device, std::uint64_t offset, std::uint64_t most);
  void choose_payload(Instruction&, const ModelDevice* device, std::uint64_t size, std::uint64_t offset);
  [[nodiscard]] std::string_view choose_new_name(Model&);
  [[nodiscard]] std::string_view choose_existing_name(Model&);
  [[nodiscard]] std::string_view choose_options();
  void choose_snapshot(Instruction&, Model&);
  [[nodiscard]] std::string_view keep(std::string text) { return texts_.emplace_back(std::move(text)); }
  std::span<const std::uint8_t> keep(std::vector<std::uint8_t> bytes) {
    return payloads_.emplace_back(std::move(bytes));
  }
  [[nodiscard]] std::vector<std::uint8_t> random_token();
  [[nodiscard]] std::vector<std::uint8_t> random_bytes(std::uint64_t size);

  io::SeededRandom random_;
  GeneratorOptions options_;
  std::deque<std::vector<std::uint8_t>> payloads_;
  std::deque<std::string> texts_;
};

}  // namespace chimera::vm::testing
