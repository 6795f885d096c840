#include "bench/subject.h"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace chimera::bench {

void fail(const std::string& message) {
  fmt::print(stderr, "{}\n", message);
  std::exit(1);
}

Arguments::Arguments(int count, const char* const* words) {
  for (int i = 0; i < count; ++i) {
    const std::string_view word = words[i];
    const std::size_t sign = word.find('=');
    if (sign == std::string_view::npos) fail(fmt::format("\"{}\" is not name=value", word));
    values_[std::string(word.substr(0, sign))] = word.substr(sign + 1);
  }
}

const std::string& Arguments::text(const std::string& name) const {
  const auto found = values_.find(name);
  if (found == values_.end()) fail(fmt::format("{}=… is missing", name));
  return found->second;
}

std::uint64_t Arguments::number(const std::string& name) const { return std::stoull(text(name)); }

double Arguments::seconds() const { return std::stod(text("seconds")); }

}  // namespace chimera::bench
