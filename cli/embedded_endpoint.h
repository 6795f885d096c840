#pragma once
// A machine in this process, and a session of it as an endpoint.

#include <expected>
#include <memory>
#include <string>

#include "cli/endpoint.h"
#include "cli/options.h"
#include "io/file_disk.h"
#include "io/loop.h"
#include "vm/machine.h"

namespace chimera::cli {

/// A machine on a store, with all that it stands on, in the order in which it has to go away again.
struct EmbeddedMachine {
  std::unique_ptr<io::KernelLoop> loop;
  std::unique_ptr<io::FileDisk> disk;  ///< none where the store is in memory
  std::unique_ptr<vm::Machine> machine;
};

/// The loop that the options ask for; a refusal of io_uring that is got round is one line on standard error.
[[nodiscard]] std::expected<std::unique_ptr<io::KernelLoop>, std::string> open_loop(const StoreOptions& options);
/// Opens the store at `path`, or one in memory for `:memory:`. Errors are whole sentences.
[[nodiscard]] std::expected<EmbeddedMachine, std::string> open_machine(const std::string& path,
                                                                       const StoreOptions& options);
[[nodiscard]] std::expected<std::unique_ptr<Endpoint>, std::string> open_embedded_endpoint(const std::string& path,
                                                                                           const StoreOptions& options);

}  // namespace chimera::cli
