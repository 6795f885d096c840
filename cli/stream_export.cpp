#include "cli/stream_export.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <boost/uuid/random_generator.hpp>
#include <boost/uuid/uuid_io.hpp>
#include <chrono>
#include <cstring>
#include <deque>
#include <utility>

#include "cli/differences.h"
#include "cli/progress.h"
#include "cli/render.h"
#include "cli/stream_format.h"

namespace chimera::cli {
namespace {

constexpr std::uint64_t piece_size = 1 << 20;
constexpr std::size_t most_under_way = 16;

class StreamExporter {
 public:
  StreamExporter(Endpoint& endpoint, const ImageFile& file, const StreamSource& source)
      : endpoint_(endpoint),
        file_(file),
        snapshot_(source.snapshot),
        base_(source.base ? &*source.base : nullptr),
        bar_("export", source.snapshot.length) {}

  std::expected<Transferred, std::string> run() {
    done_.uuid = snapshot_.uuid;
    done_.length = snapshot_.length;
    for (const auto step : {&StreamExporter::write_beginning, &StreamExporter::write_data,
                            &StreamExporter::write_metadata, &StreamExporter::write_end}) {
      if (auto done = (this->*step)(); !done) return std::unexpected(done.error());
    }
    if (auto synced = file_.sync(); !synced) return std::unexpected(synced.error());
    return done_;
  }

 private:
  Done write(const Program& program) {
    digest_.add(program.bytes());
    const std::uint64_t at = std::exchange(size_, size_ + program.bytes().size());
    return file_.write(at, program.bytes());
  }

  Done write_beginning() {
    const auto columns = columns_of(endpoint_, snapshot_);
    if (!columns) return std::unexpected(columns.error());
    const std::string working = snapshot_.name + std::string(working_suffix);
    Program program;
    program.outcome_of_token(stream_mark);
    if (base_ != nullptr) {
      const auto before = columns_of(endpoint_, *base_);
      if (!before) return std::unexpected(before.error());
      program.create_device(working, {}, "clone=" + to_string(base_->uuid), snapshot_.uuid);
      if (*columns != *before) program.write_columns(implied, *columns);
      if (base_->length != snapshot_.length) program.write_length(implied, snapshot_.length);
    } else {
      const std::string options = snapshot_.fixed_length ? fmt::format("size={}", snapshot_.length) : std::string();
      program.create_device(working, *columns, options, snapshot_.uuid);
      if (!snapshot_.fixed_length) program.write_length(implied, snapshot_.length);
    }
    return write(program);
  }

  Done write_data() {
    for (std::uint64_t offset = 0; offset < snapshot_.length;) {
      const auto differences = data_differences(endpoint_, snapshot_, base_, offset);
      if (!differences) return std::unexpected(differences.error());
      for (const Difference& place : differences->found) {
        const Done taken =
            place.is_hole ? write(Program().clear_extents(implied, place.offset, place.length)) : take_data(place);
        if (!taken) return taken;
      }
      if (auto taken = receive_down_to(0); !taken) return taken;
      offset = differences->next;
      bar_.show(offset);
    }
    return {};
  }

  Done take_data(const Difference& place) {
    for (std::uint64_t offset = place.offset; offset < place.offset + place.length;) {
      const std::uint64_t count = std::min(piece_size - offset % piece_size, place.offset + place.length - offset);
      endpoint_.send_all(Program().read_bytes(snapshot_.uuid, offset, static_cast<std::uint32_t>(count)).bytes());
      asked_for_.push_back(offset);
      offset += count;
      if (auto taken = receive_down_to(most_under_way); !taken) return taken;
    }
    return {};
  }

  Done receive_down_to(std::size_t most) {
    while (asked_for_.size() > most) {
      const auto answer = endpoint_.receive();
      if (!answer) return std::unexpected(answer.error());
      if (!answer->ok()) return std::unexpected(describe_failure(*answer));
      done_.data_bytes += answer->result.size();
      if (auto written = write(Program().write_bytes(implied, asked_for_.front(), answer->result)); !written)
        return written;
      asked_for_.pop_front();
    }
    return {};
  }

  Done write_metadata() {
    Done written;
    const auto visit = [&](std::uint64_t offset, std::span<const std::uint8_t> bytes) {
      const bool is_empty = std::ranges::all_of(bytes, [](std::uint8_t byte) { return byte == 0; });
      if (is_empty && base_ == nullptr) return true;
      Program program;
      if (is_empty) {
        program.clear_metadata(snapshot_.uuid, offset, bytes.size());
      } else {
        program.write_metadata_bytes(implied, offset, bytes);
      }
      written = write(program);
      return written.has_value();
    };
    const auto done = metadata_differences(endpoint_, snapshot_, base_, visit);
    return done ? written : done;
  }

  Done write_end() {
    const StreamDigest::Value digest = digest_.value();
    Program program;
    for (std::size_t half = 0; half < digest.size(); half += sizeof(Program::Token)) {
      Program::Token token{};
      std::copy_n(digest.begin() + static_cast<std::ptrdiff_t>(half), token.size(), token.begin());
      program.outcome_of_token(token);
    }
    program.begin().rename_device(snapshot_.uuid, snapshot_.name).protect_device(snapshot_.uuid, true).commit();
    return write(program);
  }

  Endpoint& endpoint_;
  const ImageFile& file_;
  const FoundDevice& snapshot_;
  const FoundDevice* base_;
  ProgressBar bar_;
  StreamDigest digest_;
  std::uint64_t size_ = 0;
  std::deque<std::uint64_t> asked_for_;  ///< offsets of the pieces under way
  Transferred done_;
};

/// In one transaction that the server can run again unseen: the snapshot has its UUID from here.
Done take_snapshot(Endpoint& endpoint, FoundDevice& device) {
  const auto now = std::chrono::time_point_cast<std::chrono::seconds>(std::chrono::system_clock::now());
  FoundDevice taken = device;
  taken.uuid = boost::uuids::random_generator()();
  taken.name = fmt::format("{}@{:%Y-%m-%dT%H:%M:%SZ}", device.name, fmt::gmtime(now));
  const auto made = ask_all(endpoint, Program()
                                          .begin()
                                          .create_device(taken.name, {}, "clone=" + to_string(device.uuid), taken.uuid)
                                          .protect_device(taken.uuid, true)
                                          .commit()
                                          .read_length(taken.uuid));
  if (!made)
    return std::unexpected(fmt::format("No snapshot of {} could be taken. {}", quote(device.name), made.error().words));
  std::memcpy(&taken.length, made->back().data(), sizeof taken.length);
  taken.read_only = true;
  device = taken;
  return {};
}

}  // namespace

std::expected<StreamSource, std::string> find_stream_source(Endpoint& endpoint, const std::string& target,
                                                            const std::string& name, const std::string& since) {
  StreamSource source;
  auto device = find_device(endpoint, target, name);
  if (!device) return std::unexpected(device.error());
  source.snapshot = std::move(*device);
  if (!since.empty()) {
    auto base = find_device(endpoint, target, since);
    if (!base) return std::unexpected(base.error());
    if (!base->read_only) {
      return std::unexpected(fmt::format(
          "{} is no snapshot: it can be written to, so nobody can tell whether a copy has the same.", quote(since)));
    }
    if (base->family != source.snapshot.family || base->uuid == source.snapshot.uuid) {
      return std::unexpected(fmt::format("{} is no earlier snapshot of {}.", quote(since), quote(name)));
    }
    source.base = std::move(*base);
  }
  if (!source.snapshot.read_only) {
    if (auto taken = take_snapshot(endpoint, source.snapshot); !taken) return std::unexpected(taken.error());
  }
  const bool can_change = !source.snapshot.fixed_length && (!source.base || !source.base->fixed_length);
  if (source.base && source.base->length != source.snapshot.length && !can_change) {
    return std::unexpected(
        fmt::format("{} and {} have different fixed lengths: export all of it.", quote(since), quote(name)));
  }
  return source;
}

std::expected<Transferred, std::string> export_stream(Endpoint& endpoint, const ImageFile& file,
                                                      const StreamSource& source) {
  return StreamExporter(endpoint, file, source).run();
}

}  // namespace chimera::cli
