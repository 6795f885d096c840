#include "cli/options.h"

#include <map>

#include "isa/limits.h"
#include "isa/text.h"

namespace chimera::cli {
namespace {

/// Turns `1G` into `1073741824`, or says what is wrong with it.
std::string normalise_size(std::string& text) {
  const auto bytes = parse_size(text);
  if (!bytes) return "\"" + text + "\" is not a size: write a whole number, with K, M, G or T behind it if you like";
  if (*bytes == 0) return "a size of 0 is too small";
  text = std::to_string(*bytes);
  return {};
}

}  // namespace

CLI::Option* add_size_option(CLI::App& command, const std::string& name, std::uint64_t& bytes,
                             const std::string& description) {
  return command.add_option(name, bytes, description)->type_name("SIZE")->transform(CLI::Validator(normalise_size, ""));
}

void add_store_options(CLI::App& command, StoreOptions& options) {
  static const std::map<std::string, io::LoopKind> loops{
      {"auto", io::LoopKind::automatic}, {"uring", io::LoopKind::uring}, {"posix", io::LoopKind::posix}};
  command.add_option("--io", options.loop, "How to reach the kernel: auto, uring or posix")
      ->transform(CLI::CheckedTransformer(loops).description(""))
      ->type_name("KIND")
      ->group("Machine");
  add_size_option(command, "--cache", options.cache_bytes, "Memory for cached blocks (default 256M, at least 128M)")
      ->check(CLI::Validator(
          [](std::string& text) {
            const auto bytes = parse_size(text);
            const bool enough = bytes && *bytes >= limits::smallest_cache;
            return enough ? std::string() : std::string("the cache has to have at least 128M");
          },
          ""))
      ->group("Machine");
}

}  // namespace chimera::cli
