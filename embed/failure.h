#pragma once
// What a call of the C interface answers when it fails: a code and its words.

#include <expected>
#include <string>

namespace chimera::embed {

struct Failure {
  int code;          ///< a status above 0, or one of CHIMERA_E_
  std::string text;  ///< one or more sentences for the user
};

template <class Value = void>
using Outcome = std::expected<Value, Failure>;

[[nodiscard]] inline std::unexpected<Failure> failure(int code, std::string text) {
  return std::unexpected(Failure{code, std::move(text)});
}

}  // namespace chimera::embed
