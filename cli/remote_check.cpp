#include "cli/remote_check.h"

#include <fmt/format.h>

#include <limits>
#include <optional>

#include "cli/device_list.h"
#include "cli/progress.h"
#include "cli/remote_plane.h"
#include "devices/check_damage.h"

namespace chimera::cli {
namespace {

constexpr std::uint64_t data_piece = 16 << 20;
constexpr std::uint64_t metadata_piece = 1 << 20;
constexpr std::size_t most_problems = 100;

using Done = std::expected<void, std::string>;

/// Walks all devices; every answer that is not ok is a problem, but for devices that have gone.
class RemoteCheck final : private PlaneReport {
 public:
  RemoteCheck(Endpoint& endpoint, std::size_t device_count) : endpoint_(endpoint), bar_("check", device_count) {}

  Done check_device(const NamedDevice& device) {
    device_ = &device;
    gone_ = false;
    bar_.show(report_.devices);
    auto done = check_columns();
    if (done && !gone_) done = check_data();
    if (done && !gone_) done = check_metadata();
    if (!done) return done;
    if (!gone_) ++report_.devices;
    Program program;
    program.close_device(device.uuid);
    const auto closed = ask(program);
    return closed ? Done{} : std::unexpected(closed.error());
  }

  RemoteCheckReport take_report() { return std::move(report_); }

 private:
  /// The answer, which may be a failure that is no problem of the store's.
  std::expected<Answer, std::string> ask(const Program& program) {
    endpoint_.send_all(program.bytes());
    auto answer = endpoint_.receive();
    if (answer && answer->status == Status::not_found) gone_ = true;
    return answer;
  }

  [[nodiscard]] std::string owner() const { return fmt::format("{} of \"{}\"", plane_, device_->name); }

  void add_problem(std::string line) {
    ++report_.problem_count;
    if (report_.problems.size() < most_problems) report_.problems.push_back(std::move(line));
  }

  void note_problem(const Answer& answer) {
    if (!answer.ok() && !gone_) add_problem(fmt::format("{}: {}", owner(), describe_failure(answer)));
  }

  Done check_columns() {
    plane_ = "columns";
    Program program;
    program.read_columns(device_->uuid);
    const auto answer = ask(program);
    if (!answer) return std::unexpected(answer.error());
    note_problem(*answer);
    return {};
  }

  Done check_data() {
    plane_ = "data";
    verified_ = &report_.data_bytes;
    Program program;
    program.read_length(device_->uuid);
    const auto answer = ask(program);
    if (!answer) return std::unexpected(answer.error());
    note_problem(*answer);
    if (!answer->ok()) return {};
    const Uuid& uuid = device_->uuid;
    return run(
        {.extents = [&](Program& p, std::uint64_t offset, std::uint64_t count) { p.read_extents(uuid, offset, count); },
         .verify = [&](Program& p, std::uint64_t offset, std::uint64_t count) { p.read_digest(uuid, offset, count); },
         .piece = data_piece},
        u64_of(*answer));
  }

  Done check_metadata() {
    plane_ = "metadata";
    verified_ = &report_.metadata_bytes;
    const Uuid& uuid = device_->uuid;
    return run(
        {.extents = [&](Program& p, std::uint64_t offset,
                        std::uint64_t count) { p.read_metadata_extents(uuid, offset, count); },
         .verify = [&](Program& p, std::uint64_t offset,
                       std::uint64_t count) { p.read_metadata_bytes(uuid, offset, static_cast<std::uint32_t>(count)); },
         .piece = metadata_piece},
        std::numeric_limits<std::uint64_t>::max());
  }

  Done run(PlaneCheck::Questions questions, std::uint64_t length) {
    PlaneCheck check(endpoint_, std::move(questions), *this);
    auto done = check.run(length);
    gone_ = gone_ || check.device_has_gone();
    note_range();
    return done;
  }

  void verified(std::uint64_t bytes) override { *verified_ += bytes; }

  void damaged(const DamagedRange& range) override {
    if (range_ && range_->end == range.begin && range_->is_map == range.is_map &&
        range_->is_readable == range.is_readable) {
      range_->end = range.end;
      return;
    }
    note_range();
    range_ = range;
  }

  void refused(std::uint64_t offset, const Answer& answer) override {
    note_range();
    add_problem(fmt::format("{}, at offset {}: {}", owner(), offset, describe_failure(answer)));
  }

  /// The damaged range that may still have gone on.
  void note_range() {
    if (range_ && !gone_) {
      add_problem(devices::describe_damage(owner(), range_->begin, range_->end - range_->begin, range_->is_map,
                                           range_->is_readable));
    }
    range_.reset();
  }

  Endpoint& endpoint_;
  ProgressBar bar_;
  const NamedDevice* device_ = nullptr;
  std::string_view plane_;
  std::uint64_t* verified_ = nullptr;
  std::optional<DamagedRange> range_;
  bool gone_ = false;  ///< deleted while it was being checked
  RemoteCheckReport report_;
};

}  // namespace

std::expected<RemoteCheckReport, std::string> check_through(Endpoint& endpoint) {
  const auto devices = list_devices(endpoint);
  if (!devices) return std::unexpected(devices.error());
  RemoteCheck check(endpoint, devices->size());
  for (const NamedDevice& device : *devices) {
    if (auto done = check.check_device(device); !done) return std::unexpected(done.error());
  }
  return check.take_report();
}

}  // namespace chimera::cli
