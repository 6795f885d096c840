#include "tables/version.h"

#include <unistd.h>

#include <array>
#include <cstring>

#include "tables/safeguards.h"

namespace chimera::tables {
namespace {

using Number = std::array<std::uint8_t, sizeof(std::uint64_t)>;

Number bytes_of(std::uint64_t number) {
  Number bytes;
  std::memcpy(bytes.data(), &number, sizeof number);
  return bytes;
}

void check(Script& script, const Version& version, bool is_on) {
  if (is_on) return version.check(script);
  script.check_bytes(version.device, version.offset, {});  // so that answers keep their places
}

}  // namespace

std::uint64_t random_number() {
  std::uint64_t number = 0;
  // Of 8 bytes it never gives fewer, and fails on no kernel that runs this.
  [[maybe_unused]] const int failed = getentropy(&number, sizeof number);
  return number;
}

void Version::check(Script& script) const {
  script.note([] { return std::string("nobody has changed the table since"); });
  script.check_bytes(device, offset, bytes_of(number));
}

void Version::change(Script& script, std::uint64_t to) const {
  script.note([] { return std::string("the table's next version"); });
  script.write_bytes(device, offset, bytes_of(to));
}

Reading::Reading(Script& script, const Version& version) : script_(script), version_(version) {
  script_.clear();
  check(script_, version_, safeguards::reads_are_checked_in_front);
}

Result<> Reading::run(Link& link, Answers& answers) {
  check(script_, version_, safeguards::reads_are_checked_behind);
  Result<> done = link.run(script_, answers);
  if (done || answers.size() != script_.size()) return done;
  // If it has changed, what the reads found may have been anything.
  const bool changed = answers.status(0) == Status::mismatch || answers.status(script_.size() - 1) == Status::mismatch;
  if (changed) return std::unexpected(Failure{Status::conflict, "The table has been changed meanwhile."});
  return done;
}

}  // namespace chimera::tables
