#include "cli/stream_import.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/uuid/uuid_io.hpp>
#include <cstring>
#include <optional>

#include "cli/ask.h"
#include "cli/differences.h"
#include "cli/render.h"
#include "cli/stream_format.h"
#include "cli/stream_reader.h"
#include "isa/clone_option.h"
#include "isa/text.h"

namespace chimera::cli {
namespace {

constexpr std::size_t most_under_way = 16;

std::string without_suffix(std::string_view name) {
  return std::string(name.substr(0, name.size() - std::min(name.size(), working_suffix.size())));
}

class StreamImporter {
 public:
  StreamImporter(Endpoint& endpoint, const ImageFile& stream, const std::string& target, const std::string& name,
                 bool replace)
      : endpoint_(endpoint), reader_(stream), target_(target), name_(name), replace_(replace) {}

  std::expected<ImportedStream, std::string> run() {
    for (const auto step :
         {&StreamImporter::begin, &StreamImporter::fill, &StreamImporter::check_end, &StreamImporter::put_in_place}) {
      if (const Done done = (this->*step)(); !done) {
        give_up();
        return std::unexpected(done.error());
      }
    }
    imported_.done.uuid = uuid_;
    imported_.snapshot = snapshot_name_;
    return imported_;
  }

 private:
  /// The mark, and what makes the device; the stream's own name for it gives way to ours.
  Done begin() {
    if (auto mark = reader_.next(); !mark) return std::unexpected(mark.error());
    const auto next = reader_.next();
    if (!next) return std::unexpected(next.error());
    const Instruction& create = next->instruction;
    const bool is_fine = create.operation == Operation::create_device && create.has_device &&
                         is_valid_name(create.name) && create.name.size() > working_suffix.size() &&
                         create.name.ends_with(working_suffix);
    if (!is_fine) return std::unexpected(reader_.misplaced());
    uuid_ = create.device;
    source_name_ = without_suffix(create.name);
    snapshot_name_ = name_ + snapshot_suffix(source_name_);
    const std::string working = snapshot_name_ + std::string(working_suffix);
    if (!is_valid_name(working)) return std::unexpected(fmt::format("{} is too long a name.", quote(working)));
    if (auto may = may_begin(parse_clone_option(create.options)); !may) return may;
    Program program;
    program.create_device(working, create.text, create.options, uuid_);
    const auto made = ask_all(endpoint_, program);
    if (!made) return std::unexpected(made.error().words);
    is_made_ = true;
    return {};
  }

  Done may_begin(const std::optional<Uuid>& base) {
    const auto same = look_for(endpoint_, Program().select_device(uuid_));
    if (!same) return std::unexpected(same.error());
    if (*same && !(*same)->name.ends_with(working_suffix)) {
      return std::unexpected(fmt::format("{} has this snapshot already: {}.", target_, quote((*same)->name)));
    }
    if (*same) {
      // One is left from an import that was killed; one that is going on is in use.
      const auto deleted = ask_all(endpoint_, Program().delete_device(uuid_));
      if (!deleted) return std::unexpected(deleted.error().words);
    }
    const auto taken = look_for(endpoint_, Program().open_device(snapshot_name_));
    if (!taken) return std::unexpected(taken.error());
    if (*taken) return std::unexpected(fmt::format("There is another {} already.", quote(snapshot_name_)));
    auto device = look_for(endpoint_, Program().open_device(name_));
    if (!device) return std::unexpected(device.error());
    device_ = std::move(*device);
    return base ? check_base(*base) : check_absence();
  }

  Done check_absence() {
    if (!device_) return {};
    if (replace_) {
      if (auto allowed = try_to_delete(endpoint_, device_->uuid); !allowed) {
        return std::unexpected(allowed.error().words);
      }
      return {};
    }
    return std::unexpected(
        fmt::format("A device named {} exists already: with --replace it is replaced.", quote(name_)));
  }

  Done check_base(const Uuid& uuid) {
    auto base = look_for(endpoint_, Program().select_device(uuid));
    if (!base) return std::unexpected(base.error());
    if (!*base) {
      return std::unexpected(
          fmt::format("The stream goes on from the snapshot {}, which {} does not have: import the streams before it "
                      "first, or one of all of the device.",
                      to_string(uuid), target_));
    }
    base_ = std::move(*base);
    if (!base_->read_only) {
      return std::unexpected(fmt::format(
          "The stream goes on from {}, which can be written to, so that nobody knows whether it is still the same.",
          quote(base_->name)));
    }
    if (!device_) return {};
    if (device_->family != base_->family) {
      return std::unexpected(fmt::format("{} has nothing to do with {}, which the stream goes on from.", quote(name_),
                                         quote(base_->name)));
    }
    return check_unchanged();
  }

  Done check_unchanged() {
    if (!device_ || !base_ || replace_) return {};
    const auto equal = are_equal(endpoint_, *device_, *base_);
    if (!equal) return std::unexpected(equal.error());
    if (*equal) return {};
    return std::unexpected(
        fmt::format("{} is not as it is in {}, which the stream goes on from: with --replace that is given up.",
                    quote(name_), quote(base_->name)));
  }

  /// The content: instructions that change the new device and nothing else.
  Done fill() {
    if (auto made_current = ask_all(endpoint_, Program().select_device(uuid_)); !made_current)
      return std::unexpected(made_current.error().words);
    while (true) {
      const auto next = reader_.next();
      if (!next) return std::unexpected(next.error());
      if (next->instruction.operation == Operation::outcome_of_token) {
        if (auto answered = receive_down_to(0); !answered) return answered;
        return check_digest(*next);
      }
      if (!may_fill(next->instruction)) return std::unexpected(reader_.misplaced());
      endpoint_.send(next->bytes, next->instruction);
      if (auto answered = receive_down_to(most_under_way); !answered) return answered;
    }
  }

  bool may_fill(const Instruction& instruction) {
    switch (instruction.operation) {
      case Operation::write_bytes: imported_.done.data_bytes += instruction.count; [[fallthrough]];
      case Operation::clear_extents: return !instruction.has_device && instruction.has_offset;
      case Operation::write_columns:
      case Operation::write_length:
      case Operation::write_metadata_bytes: return !instruction.has_device;
      case Operation::clear_metadata: return instruction.device == uuid_;
      default: return false;
    }
  }

  Done check_digest(const StreamReader::Next& first) {
    const StreamDigest::Value digest = first.digest_before;
    const auto half = [&](const Instruction& instruction, std::size_t from) {
      return std::ranges::equal(instruction.payload, std::span(digest).subspan(from, sizeof(Program::Token)));
    };
    bool is_right = half(first.instruction, 0);
    const auto second = reader_.next();
    if (!second) return std::unexpected(second.error());
    is_right = is_right && second->instruction.operation == Operation::outcome_of_token &&
               half(second->instruction, sizeof(Program::Token));
    if (is_right) return {};
    return std::unexpected("The stream is damaged: its digest does not match.");
  }

  Done check_end() {
    const auto is_next = [&](Operation operation, const auto& is_fine) -> Done {
      const auto next = reader_.next();
      if (!next) return std::unexpected(next.error());
      if (next->instruction.operation == operation && is_fine(next->instruction)) return {};
      return std::unexpected(reader_.misplaced());
    };
    const auto any = [](const Instruction&) { return true; };
    if (auto begun = is_next(Operation::begin, any); !begun) return begun;
    const auto renames = [&](const Instruction& i) { return i.device == uuid_ && i.name == source_name_; };
    if (auto renamed = is_next(Operation::rename_device, renames); !renamed) return renamed;
    const auto protects = [&](const Instruction& i) { return i.device == uuid_ && i.payload[0] == 1; };
    if (auto is_protected = is_next(Operation::protect_device, protects); !is_protected) return is_protected;
    if (auto committed = is_next(Operation::commit, any); !committed) return committed;
    const auto ended = reader_.at_end();
    if (!ended) return std::unexpected(ended.error());
    if (!*ended) return std::unexpected("The stream is damaged: something follows behind its end.");
    return {};
  }

  /// All at one moment. What the device holds is looked at in the same transaction, so it cannot change in between.
  Done put_in_place() {
    const auto length = ask_all(endpoint_, Program().read_length(uuid_));
    if (!length) return std::unexpected(length.error().words);
    std::memcpy(&imported_.done.length, length->front().data(), sizeof imported_.done.length);
    constexpr int most_attempts = 5;
    Done done;
    for (int attempt = 0; attempt < most_attempts; ++attempt) {
      if (auto begun = ask_all(endpoint_, Program().begin()); !begun) return std::unexpected(begun.error().words);
      done = check_unchanged();
      if (done) {
        const auto committed = ask_all(endpoint_, last_program());
        if (committed) return {};
        done = std::unexpected(committed.error().words);
        if (committed.error().status != Status::conflict) return done;
      } else if (auto aborted = ask_all(endpoint_, Program().abort()); !aborted) {
        return std::unexpected(aborted.error().words);
      }
    }
    return done;
  }

  [[nodiscard]] Program last_program() const {
    Program program;
    program.rename_device(uuid_, snapshot_name_).protect_device(uuid_, true);
    if (device_ && base_) {
      // A copy that is protected, so that nobody writes to it, stays so.
      if (device_->read_only) program.protect_device(device_->uuid, false);
      program.roll_back_device(device_->uuid, uuid_);
      if (device_->read_only) program.protect_device(device_->uuid, true);
    } else {
      if (device_) program.delete_device(device_->uuid);
      program.clone_device(uuid_, name_);
    }
    program.commit();
    return program;
  }

  Done receive_down_to(std::size_t most) {
    while (endpoint_.under_way() > most) {
      const auto answer = endpoint_.receive();
      if (!answer) return std::unexpected(answer.error());
      if (!answer->ok()) return std::unexpected(describe_failure(*answer));
    }
    return {};
  }

  /// The answers to what is still under way come first; what they say no longer matters, nor whether this works.
  void give_up() {
    if (is_made_) endpoint_.send_all(Program().delete_device(uuid_).bytes());
    while (endpoint_.under_way() > 0 && endpoint_.receive()) {
    }
  }

  Endpoint& endpoint_;
  StreamReader reader_;
  const std::string& target_;
  const std::string& name_;
  bool replace_;
  Uuid uuid_{};  ///< of the snapshot
  std::string source_name_, snapshot_name_;
  std::optional<FoundDevice> device_;  ///< what is called NAME
  std::optional<FoundDevice> base_;
  bool is_made_ = false;
  ImportedStream imported_;
};

}  // namespace

std::expected<ImportedStream, std::string> import_stream(Endpoint& endpoint, const ImageFile& stream,
                                                         const std::string& target, const std::string& name,
                                                         bool replace) {
  if (!is_valid_name(name)) {
    return std::unexpected("A device's name has 1 to 255 bytes of UTF-8 and no control characters.");
  }
  return StreamImporter(endpoint, stream, target, name, replace).run();
}

}  // namespace chimera::cli
