// Import and export against an endpoint whose other side fails or plays tricks, which no real one does on demand.

#include "cli/transfer.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fstream>

#include "isa/bytes.h"
#include "isa/decoder.h"
#include "tests/cli/instructions.h"
#include "tests/io/scratch.h"

using namespace chimera;
using namespace chimera::cli;
using chimera::cli::testing::for_each_instruction;

namespace {

/// Answers ok to everything, but for the instruction with this number, counted from 0, and for opening: there are no
/// devices.
class FailingEndpoint final : public Endpoint {
 public:
  FailingEndpoint(std::size_t failing, Status status) : failing_(failing), status_(status) {}

  std::expected<Answer, std::string> receive() override {
    const std::size_t number = operations.size() - under_way();
    const Status usual = operations[number] == Operation::open_device ? Status::not_found : Status::ok;
    stream_.assign(1, static_cast<std::uint8_t>(number == failing_ ? status_ : usual));
    // Zeros are a result of any size: lengths and lists that are empty, UUIDs, and messages.
    stream_.resize(64);
    Answer answer;
    CHECK(parse_next(stream_, answer).kind == ParsedAnswer::Kind::complete);
    return answer;
  }

  std::expected<void, std::string> close() override { return {}; }

  std::vector<Operation> operations;
  std::size_t most_under_way = 0;

 private:
  void send_bytes(std::span<const std::uint8_t> bytes) override {
    for_each_instruction(bytes, [&](const Instruction& instruction) { operations.push_back(instruction.operation); });
    most_under_way = std::max(most_under_way, under_way());
  }

  std::size_t failing_;
  Status status_;
  std::vector<std::uint8_t> stream_;
};

constexpr std::size_t nothing_fails = SIZE_MAX;

/// A file of 100 MiB of something, gone at the end.
class TemporaryImage {
 public:
  TemporaryImage() {
    const int descriptor = mkstemp(path_.data());
    REQUIRE(descriptor >= 0);
    close(descriptor);
    std::ofstream file(path_, std::ios::binary);
    const std::string piece(1 << 20, 'x');
    for (int i = 0; i < 100; ++i) file << piece;
  }
  ~TemporaryImage() { unlink(path_.c_str()); }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_ = (std::filesystem::temp_directory_path() / "chimera-image-XXXXXX").string();
};

std::expected<Transferred, std::string> import_to(Endpoint& endpoint) {
  const TemporaryImage file;
  const auto image = ImageFile::open_source(file.path());
  REQUIRE(image.has_value());
  return import_image(endpoint, *image, "disk", {});
}

}  // namespace

TEST_CASE("an import has several large writes under way, and not more") {
  FailingEndpoint endpoint(nothing_fails, Status::ok);
  const auto done = import_to(endpoint);
  REQUIRE(done.has_value());
  CHECK(done->data_bytes == 100u << 20);
  CHECK(endpoint.under_way() == 0);
  CHECK(endpoint.most_under_way > 8);
  CHECK(endpoint.most_under_way < 32);
  CHECK(endpoint.operations[4] == Operation::create_device);
  CHECK(std::ranges::count(endpoint.operations, Operation::rename_device) == 1);
  CHECK(endpoint.operations.back() == Operation::commit);
}

TEST_CASE("an import that fails anywhere deletes what it has made") {
  for (const std::size_t failing : {5u, 22u, 54u, 55u, 56u}) {
    FailingEndpoint endpoint(failing, Status::no_space);
    const auto done = import_to(endpoint);
    CAPTURE(failing);
    REQUIRE_FALSE(done.has_value());
    CHECK(done.error().starts_with("No space"));
    CHECK(endpoint.operations.back() == Operation::delete_device);
    CHECK(endpoint.under_way() == 0);
  }
}

TEST_CASE("an import whose device cannot be made deletes nothing") {
  FailingEndpoint endpoint(4, Status::exists);
  const auto done = import_to(endpoint);
  REQUIRE_FALSE(done.has_value());
  CHECK(endpoint.operations.back() == Operation::create_device);
  CHECK(std::ranges::count(endpoint.operations, Operation::delete_device) == 0);
}

TEST_CASE("an import that is complete is kept, even where it cannot have its name") {
  FailingEndpoint endpoint(60, Status::exists);
  const auto done = import_to(endpoint);
  REQUIRE_FALSE(done.has_value());
  CHECK(endpoint.operations[60] == Operation::rename_device);
  CHECK(done.error().ends_with("until it is in its place its device is called \"disk.importing\"."));
  CHECK(std::ranges::count(endpoint.operations, Operation::delete_device) == 0);
}

TEST_CASE("an export does not go on for ever where the device has become shorter") {
  FailingEndpoint endpoint(nothing_fails, Status::ok);
  const io::testing::ScratchDirectory scratch{io::testing::temporary_parent()};
  const std::string path = scratch.file("export");
  const auto image = ImageFile::open_target(path, 1 << 20, false);
  REQUIRE(image.has_value());
  const auto done = export_image(endpoint, *image, {.uuid = {}, .length = 1 << 20});
  image->discard();
  REQUIRE_FALSE(done.has_value());
  CHECK(done.error().find("shorter") != std::string::npos);
}
