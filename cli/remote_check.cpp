#include "cli/remote_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "cli/device_list.h"
#include "cli/progress.h"
#include "cli/render.h"
#include "isa/builder.h"

namespace chimera::cli {
namespace {

/// Bytes that one instruction verifies: damage is told apart no finer.
constexpr std::uint64_t data_piece = 16 << 20;
constexpr std::uint64_t metadata_piece = 1 << 20;

using Done = std::expected<void, std::string>;

/// Walks all devices; every answer that is not ok is a problem, but for devices that have gone.
class RemoteCheck {
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

  void note_problem(std::string_view where, const Answer& answer) {
    if (!answer.ok() && !gone_) {
      report_.problems.push_back(fmt::format("{} ({}): {}", quote(device_->name), where, describe_failure(answer)));
    }
  }

  Done check_columns() {
    Program program;
    program.read_columns(device_->uuid);
    const auto answer = ask(program);
    if (!answer) return std::unexpected(answer.error());
    note_problem("columns", *answer);
    return {};
  }

  Done check_data() {
    Program program;
    program.read_length(device_->uuid);
    const auto answer = ask(program);
    if (!answer) return std::unexpected(answer.error());
    note_problem("length", *answer);
    if (!answer->ok()) return {};
    const auto ask_extents = [this](Program& p, std::uint64_t offset, std::uint64_t count) {
      p.read_extents(device_->uuid, offset, count);
    };
    const auto ask_piece = [this](Program& p, std::uint64_t offset, std::uint64_t count) {
      p.read_digest(device_->uuid, offset, count);
    };
    return walk("data", u64_of(*answer), data_piece, report_.data_bytes, ask_extents, ask_piece);
  }

  Done check_metadata() {
    const auto ask_extents = [this](Program& p, std::uint64_t offset, std::uint64_t count) {
      p.read_metadata_extents(device_->uuid, offset, count);
    };
    const auto ask_piece = [this](Program& p, std::uint64_t offset, std::uint64_t count) {
      p.read_metadata_bytes(device_->uuid, offset, static_cast<std::uint32_t>(count));
    };
    constexpr std::uint64_t whole_range = std::numeric_limits<std::uint64_t>::max();
    return walk("metadata", whole_range, metadata_piece, report_.metadata_bytes, ask_extents, ask_piece);
  }

  /// Verifies all that is no hole, piece by piece.
  template <typename AskExtents, typename AskPiece>
  Done walk(std::string_view plane, std::uint64_t length, std::uint64_t piece, std::uint64_t& verified,
            const AskExtents& ask_extents, const AskPiece& ask_piece) {
    std::uint64_t offset = 0;
    while (offset < length && !gone_) {
      Program program;
      ask_extents(program, offset, length - offset);
      const auto answer = ask(program);
      if (!answer) return std::unexpected(answer.error());
      if (!answer->ok()) {
        note_problem(fmt::format("extents of its {} from {:#x} on", plane, offset), *answer);
        return {};
      }
      const std::uint64_t before = offset;
      for (const Extent& extent : extents_of(*answer)) {
        const std::uint64_t end = offset + std::min(extent.length, length - offset);
        const bool is_hole = (extent.flags & extent_flags::hole) != 0;
        for (; offset < end && !gone_; offset += is_hole ? end - offset : std::min(piece, end - offset)) {
          if (is_hole) continue;
          const std::uint64_t count = std::min(piece, end - offset);
          program.clear();
          ask_piece(program, offset, count);
          const auto verdict = ask(program);
          if (!verdict) return std::unexpected(verdict.error());
          note_problem(fmt::format("{} from {:#x} on", plane, offset), *verdict);
          if (verdict->ok()) verified += count;
        }
      }
      if (offset == before) break;
    }
    return {};
  }

  Endpoint& endpoint_;
  ProgressBar bar_;
  const NamedDevice* device_ = nullptr;
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
