#pragma once
// Short questions to an endpoint, whose answers all have to be ok; and which device is meant by a word.

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "cli/endpoint.h"
#include "isa/builder.h"
#include "isa/uuid.h"

namespace chimera::cli {

/// Errors are whole sentences.
using Done = std::expected<void, std::string>;

/// Why a program did not do what it was to do.
struct Failure {
  /// What the first instruction that failed was answered; input/output error where the other side has gone away.
  Status status = Status::io_error;
  std::string words;  ///< a whole sentence
};

/// What stands behind each status.
using Results = std::vector<std::vector<std::uint8_t>>;

/// Sends a whole program and takes all its answers. Nothing else may be under way.
[[nodiscard]] std::expected<Results, Failure> ask_all(Endpoint& endpoint, const Program& program);

/// The same as one transaction, durable when it is answered: all of it happens, or nothing, unless the words say that
/// nobody knows. The results are those of the program.
[[nodiscard]] std::expected<Results, Failure> ask_at_once(Endpoint& endpoint, const Program& program);

/// Whether the device is protected (read only), or somebody else has it open (busy), which keep it from being deleted.
/// Nothing happens to it, and this session has it open no longer.
[[nodiscard]] std::expected<void, Failure> try_to_delete(Endpoint& endpoint, const Uuid& device);

/// The result of an instruction that answers a UUID.
[[nodiscard]] Uuid uuid_in(const std::vector<std::uint8_t>& result);

struct FoundDevice {
  Uuid uuid{};
  std::string name;
  std::uint64_t length = 0;  ///< bytes
  bool read_only = false;
  bool fixed_length = false;
  std::string family;  ///< the same for all that are clones of each other, near or far
};

/// The device that these instructions make the current one, open afterwards; nothing if there is none. Errors are whole
/// sentences.
[[nodiscard]] std::expected<std::optional<FoundDevice>, std::string> look_for(Endpoint& endpoint, Program reach);

/// The device of that name, or else of that UUID; the session has it open afterwards. `target` is where the user said
/// that it is. Errors are whole sentences.
[[nodiscard]] std::expected<FoundDevice, std::string> find_device(Endpoint& endpoint, const std::string& target,
                                                                  const std::string& name_or_uuid);

}  // namespace chimera::cli
