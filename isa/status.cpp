#include "isa/status.h"

#include <array>

namespace chimera {

std::string_view status_text(Status status) noexcept {
  static constexpr std::array<std::string_view, status_count> texts{
      "ok",
      "illegal instruction",
      "no current device",
      "not found",
      "exists",
      "out of range",
      "misaligned",
      "mismatch",
      "aborted",
      "conflict",
      "busy",
      "no space",
      "input/output error",
      "corrupt",
      "too large",
      "denied",
      "unsupported",
      "read only",
      "bad name or text",
      "shutting down",
      "out of sequence",
      "too many open devices",
      "no cursor",
  };
  const auto index = static_cast<std::size_t>(status);
  return index < texts.size() ? texts[index] : "unknown status";
}

}  // namespace chimera
