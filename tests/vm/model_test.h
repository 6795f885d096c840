#pragma once
// The model test: random programs of several sessions against the model, byte for byte. For any store on any loop.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "devices/store.h"
#include "io/loop.h"
#include "isa/opcodes.h"
#include "isa/status.h"
#include "tests/vm/random_program.h"

namespace chimera::vm::testing {

/// What a test runs on. Destroyed in the order store, rest, loop.
struct StoreUnderTest {
  std::unique_ptr<io::Loop> loop;
  std::shared_ptr<void> rest;  ///< disks and the like
  std::unique_ptr<devices::Store> store;
};
using MakeStore = std::function<StoreUnderTest(std::uint64_t seed)>;

/// How often each instruction has answered each status.
using Coverage = std::map<std::pair<Operation, Status>, std::size_t>;

struct ModelTestOptions {
  std::size_t sessions = 3;
  /// All sessions run at the same time, each on devices of its own; else one after another on the same.
  bool at_once = false;
  bool memory_only = true;
  GeneratorOptions generator;
  Coverage* coverage = nullptr;  ///< counted up
};

/// Runs about `steps` instructions. Returns an empty string, or what went wrong and how to replay it.
/// The environment variable MODEL_SEED replaces the seed, MODEL_STEPS the number of steps.
[[nodiscard]] std::string run_model_test(const MakeStore& make_store, std::uint64_t seed, std::size_t steps,
                                         const ModelTestOptions& options = {});

}  // namespace chimera::vm::testing
