#include "types/error.h"

#include <fmt/format.h>

namespace chimera::types {

std::string Error::text() const {
  if (path.empty()) return words;
  return fmt::format("{}: {}", std::string_view{path}.substr(path.front() == '.' ? 1 : 0), words);
}

Error within_field(std::string_view name, Error error) {
  error.path = fmt::format(".{}{}", name, error.path);
  return error;
}

Error within_item(std::size_t index, Error error) {
  error.path = fmt::format("[{}]{}", index, error.path);
  return error;
}

}  // namespace chimera::types
