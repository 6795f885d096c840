#pragma once
// What the commands of devices share: a store or a server, and words that name devices.

#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cli/ask.h"
#include "cli/commands.h"
#include "cli/endpoint.h"
#include "cli/options.h"

namespace chimera::cli {

struct DeviceTarget {
  std::string target;  ///< a store or an address
  StoreOptions store;
};

/// `STORE|ADDRESS`, ahead of other operands.
void add_target_operand(CLI::App& command, DeviceTarget& target);
/// A word that is, or could be, a device's name.
Option add_name_operand(CLI::App& command, const std::string& name, std::string& value, const std::string& help);
Option add_name_operand(CLI::App& command, const std::string& name, std::vector<std::string>& values,
                        const std::string& help);
/// What is wrong with such a word, or nothing.
[[nodiscard]] std::string wrong_with_device_name(const std::string& word);

/// The words of a failure, and what to do where the name is taken.
[[nodiscard]] std::string with_advice_on_name(const Failure& failure);

/// The same of one that is to be given to a device.
[[nodiscard]] std::string wrong_with_new_device_name(const std::string& word);

/// Opens the target, does `what` with it, ends the session. The exit status; failures have been told.
[[nodiscard]] int with_endpoint(const DeviceTarget& target, const std::function<Done(Endpoint&)>& what);

/// A command that does `what` with its target, which is `at` of its options.
template <class Options>
[[nodiscard]] Command command_at(CLI::App& command, std::shared_ptr<Options> options,
                                 Done (*what)(Endpoint&, const Options&)) {
  return {&command, [options = std::move(options), what] {
            return with_endpoint(options->at, [&](Endpoint& endpoint) { return what(endpoint, *options); });
          }};
}

/// The devices of those names or UUIDs, each once. Errors are whole sentences.
[[nodiscard]] std::expected<std::vector<FoundDevice>, std::string> find_devices(Endpoint& endpoint,
                                                                                const std::string& target,
                                                                                const std::vector<std::string>& words);

}  // namespace chimera::cli
