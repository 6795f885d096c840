#pragma once
// JSON as what `describe` answers is made of: text from the beginning. Values of a JSON library would need memory even
// to be destroyed, and where there is none that would be the end of the process.

#include <cstdint>
#include <string>
#include <string_view>

namespace chimera {

/// An object, member by member, in the order in which they are added; the caller sees to it that no name comes twice.
class JsonObject {
 public:
  JsonObject& text(std::string_view name, std::string_view utf8);
  JsonObject& number(std::string_view name, std::uint64_t value);
  JsonObject& flag(std::string_view name, bool value);
  /// Whatever it is, as JSON.
  JsonObject& json(std::string_view name, std::string_view value);

  [[nodiscard]] std::string end() const { return members_.empty() ? "{}" : members_ + '}'; }

 private:
  void begin(std::string_view name);

  std::string members_;
};

/// The shortest that is read as the same number; finite.
[[nodiscard]] std::string json_number(double value);

}  // namespace chimera
