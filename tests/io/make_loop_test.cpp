#include "io/make_loop.h"

#include <doctest/doctest.h>

#include <cerrno>

using namespace chimera::io;

namespace {

RingMaker refusing(int error) {
  return [error]() -> std::expected<std::unique_ptr<KernelLoop>, int> { return std::unexpected(-error); };
}

}  // namespace

TEST_CASE("where the ring is refused, automatic goes on without it and says why, uring fails with the same line") {
  std::string warning = "old";
  const auto fallback = make_loop(LoopKind::automatic, warning, refusing(EPERM));
  REQUIRE(fallback);
  CHECK((*fallback)->name() == "posix");
  CHECK(warning.starts_with("io_uring is refused (Operation not permitted): "));
  CHECK(warning.ends_with("; going on with pread, pwrite and poll"));
  CHECK(warning.find('\n') == std::string::npos);

  std::string untouched;
  const auto refused = make_loop(LoopKind::uring, untouched, refusing(EPERM));
  REQUIRE(!refused);
  CHECK(warning.starts_with(refused.error()));
  CHECK(untouched.empty());
}

TEST_CASE("posix never asks for a ring") {
  std::string warning;
  bool was_asked = false;
  const auto loop = make_loop(LoopKind::posix, warning, [&]() -> std::expected<std::unique_ptr<KernelLoop>, int> {
    was_asked = true;
    return std::unexpected(-ENOSYS);
  });
  REQUIRE(loop);
  CHECK((*loop)->name() == "posix");
  CHECK(!was_asked);
  CHECK(warning.empty());
}

TEST_CASE("the likely cause is named") {
  CHECK(explain_refusal(EPERM, 2).find("kernel.io_uring_disabled=2") != std::string::npos);
  CHECK(explain_refusal(EPERM, 1).find("kernel.io_uring_group") != std::string::npos);
  CHECK(explain_refusal(EPERM, 0).find("seccomp") != std::string::npos);
  CHECK(explain_refusal(ENOSYS, -1).find("older than 5.11") != std::string::npos);
  CHECK(explain_refusal(ENOMEM, 0).find("locked-memory limit") != std::string::npos);
  CHECK(explain_refusal(EIO, 0) == "io_uring is refused (Input/output error)");
}
