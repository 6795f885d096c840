#include "cli/transfer.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "cli/ask.h"
#include "cli/progress.h"
#include "cli/render.h"
#include "isa/builder.h"
#include "isa/limits.h"

namespace chimera::cli {
namespace {

constexpr std::uint64_t piece_size = 2 << 20;
/// The columns of a device that is being filled, so that it is told from whatever else has its name.
constexpr std::string_view working_columns = "chimera import";
constexpr std::size_t most_under_way = 16;  ///< pieces: little memory, and enough to keep a disk busy

/// The end of the piece that begins at `offset`: pieces end at multiples of their size.
std::uint64_t piece_end(std::uint64_t offset, std::uint64_t end) {
  return std::min(end, (offset / piece_size + 1) * piece_size);
}

/// Fills the device that is being imported.
class Importer {
 public:
  Importer(Endpoint& endpoint, const ImageFile& image, const ImportOptions& options)
      : endpoint_(endpoint), image_(image), options_(options), bar_("import", image.length()) {}

  std::expected<Transferred, std::string> run() {
    if (auto sent = image_.is_stream() ? send_stream() : send_file(); !sent) return std::unexpected(sent.error());
    return finish();
  }

 private:
  std::expected<void, std::string> send_stream() {
    std::vector<std::uint8_t> buffer(piece_size);
    while (true) {
      const auto size = image_.read_next(buffer);
      if (!size) return std::unexpected(size.error());
      if (auto sent = send_piece(done_.length, std::span(buffer).first(*size)); !sent) return sent;
      done_.length += *size;
      if (*size < buffer.size()) return {};
    }
  }

  std::expected<void, std::string> send_file() {
    std::vector<std::uint8_t> buffer(piece_size);
    done_.length = image_.length();
    std::uint64_t offset = 0;
    while (true) {
      const auto data = image_.next_data(offset);
      if (!data) return std::unexpected(data.error());
      if (!data->has_value()) return {};
      for (offset = (*data)->begin; offset < (*data)->end;) {
        const std::uint64_t end = piece_end(offset, (*data)->end);
        const auto piece = std::span(buffer).first(end - offset);
        if (auto read = image_.read(offset, piece); !read) return std::unexpected(read.error());
        if (auto sent = send_piece(offset, piece); !sent) return sent;
        offset = end;
        bar_.show(offset);
      }
    }
  }

  std::expected<void, std::string> send_piece(std::uint64_t offset, std::span<const std::uint8_t> piece) {
    Program program;
    for_each_data_run(piece, [&](std::size_t within, std::span<const std::uint8_t> run) {
      program.clear();
      program.write_bytes(implied, offset + within, run);
      endpoint_.send_all(program.bytes());
      done_.data_bytes += run.size();
    });
    return receive_down_to(most_under_way);
  }

  std::expected<Transferred, std::string> finish() {
    Program program;
    if (!options_.fixed_length) program.write_length(implied, done_.length);
    program.flush_device();
    endpoint_.send_all(program.bytes());
    if (auto received = receive_down_to(0); !received) return std::unexpected(received.error());
    return done_;
  }

  std::expected<void, std::string> receive_down_to(std::size_t most) {
    while (endpoint_.under_way() > most) {
      const auto answer = endpoint_.receive();
      if (!answer) return std::unexpected(answer.error());
      if (!answer->ok()) return std::unexpected(describe_failure(*answer));
    }
    return {};
  }

  Endpoint& endpoint_;
  const ImageFile& image_;
  const ImportOptions& options_;
  ProgressBar bar_;
  Transferred done_;
};

/// Empties the current device into the image.
class Exporter {
 public:
  Exporter(Endpoint& endpoint, const ImageFile& image)
      : endpoint_(endpoint), image_(image), bar_("export", image.length()) {}

  std::expected<Transferred, std::string> run() {
    done_.length = image_.length();
    for (std::uint64_t offset = 0; offset < done_.length;) {
      const auto extents = read_extents(offset);
      if (!extents) return std::unexpected(extents.error());
      const std::uint64_t before = offset;
      for (const Extent& extent : *extents) {
        const std::uint64_t end = std::min(offset + extent.length, done_.length);
        const bool is_empty = (extent.flags & (extent_flags::hole | extent_flags::zeros)) != 0;
        const auto taken = is_empty ? leave_out(offset, end) : take_data(offset, end);
        if (!taken) return std::unexpected(taken.error());
        offset = end;
      }
      if (offset == before) return std::unexpected("The device became shorter while it was being exported.");
    }
    if (auto taken = receive_down_to(0); !taken) return std::unexpected(taken.error());
    if (auto synced = image_.sync(); !synced) return std::unexpected(synced.error());
    return done_;
  }

 private:
  std::expected<std::vector<Extent>, std::string> read_extents(std::uint64_t offset) {
    if (auto taken = receive_down_to(0); !taken) return std::unexpected(taken.error());
    Program program;
    program.read_extents(implied, offset, done_.length - offset);
    const auto answer = endpoint_.ask(program.bytes());
    if (!answer) return std::unexpected(answer.error());
    return extents_of(*answer);
  }

  std::expected<void, std::string> leave_out(std::uint64_t offset, std::uint64_t end) {
    // What is under way stands before it in a stream.
    if (auto taken = receive_down_to(image_.is_stream() ? 0 : most_under_way); !taken) return taken;
    return image_.write_zeros(offset, end - offset);
  }

  std::expected<void, std::string> take_data(std::uint64_t offset, std::uint64_t end) {
    Program program;
    while (offset < end) {
      const std::uint64_t next = piece_end(offset, end);
      program.clear();
      program.read_bytes(implied, offset, static_cast<std::uint32_t>(next - offset));
      endpoint_.send_all(program.bytes());
      asked_for_.push_back(offset);
      offset = next;
      if (auto taken = receive_down_to(most_under_way); !taken) return taken;
    }
    return {};
  }

  std::expected<void, std::string> receive_down_to(std::size_t most) {
    while (asked_for_.size() > most) {
      const auto answer = endpoint_.receive();
      if (!answer) return std::unexpected(answer.error());
      if (!answer->ok()) return std::unexpected(describe_failure(*answer));
      const std::uint64_t offset = asked_for_.front();
      asked_for_.pop_front();
      if (auto written = write_piece(offset, answer->result); !written) return written;
      done_.data_bytes += answer->result.size();
      bar_.show(offset + answer->result.size());
    }
    return {};
  }

  [[nodiscard]] std::expected<void, std::string> write_piece(std::uint64_t offset,
                                                             std::span<const std::uint8_t> piece) const {
    if (!image_.starts_empty()) return image_.write(offset, piece);
    std::expected<void, std::string> written;
    for_each_data_run(piece, [&](std::size_t within, std::span<const std::uint8_t> run) {
      if (written) written = image_.write(offset + within, run);
    });
    return written;
  }

  Endpoint& endpoint_;
  const ImageFile& image_;
  ProgressBar bar_;
  std::deque<std::uint64_t> asked_for_;  ///< offsets of the pieces under way
  Transferred done_;
};

/// What a device is called until it is complete, so that half an image is never taken for a whole one.
std::string working_name(const std::string& name) {
  constexpr std::string_view suffix = ".importing";
  std::size_t kept = std::min<std::size_t>(name.size(), limits::longest_name - suffix.size());
  // Not within a character.
  while (kept > 0 && kept < name.size() && (static_cast<std::uint8_t>(name[kept]) & 0xC0u) == 0x80u) --kept;
  return name.substr(0, kept).append(suffix);
}

/// What an import that was killed has left goes; one that is going on is in use; whatever else has that name stays.
Done make_room(Endpoint& endpoint, const std::string& working) {
  const auto left = look_for(endpoint, Program().open_device(working));
  if (!left) return std::unexpected(left.error());
  if (!*left) return {};
  const auto columns = ask_all(endpoint, Program().read_columns((*left)->uuid));
  if (!columns) return std::unexpected(columns.error().words);
  // A text32 begins with its length.
  const auto text = std::span(columns->front()).subspan(sizeof(std::uint32_t));
  if (!std::ranges::equal(text, std::string_view(working_columns))) {
    return std::unexpected(fmt::format(
        "There is a device named {}, which no import has left: rename or delete it first.", quote(working)));
  }
  const auto deleted = ask_all(endpoint, Program().delete_device((*left)->uuid));
  if (!deleted) return std::unexpected(deleted.error().words + " An import into it is going on.");
  return {};
}

std::expected<Uuid, std::string> create_for_import(Endpoint& endpoint, const ImageFile& image, const std::string& name,
                                                   const ImportOptions& options) {
  const auto replaced = look_for(endpoint, Program().open_device(name));
  if (!replaced) return std::unexpected(replaced.error());
  if (*replaced && !options.replace) {
    return std::unexpected(
        fmt::format("A device named {} exists already: with --replace it is replaced.", quote(name)));
  }
  if (*replaced) {
    if (auto allowed = try_to_delete(endpoint, (*replaced)->uuid); !allowed) {
      return std::unexpected(allowed.error().words);
    }
  }
  const std::string working = working_name(name);
  if (auto room = make_room(endpoint, working); !room) return std::unexpected(room.error());
  const std::string sized = fmt::format("size={}", image.length());
  const auto made = ask_all(
      endpoint, Program().create_device(working, working_columns, options.fixed_length ? sized : std::string()));
  if (!made) return std::unexpected(made.error().words);
  return uuid_in(made->front());
}

/// Gives the device that is complete its name, in the place of the one that it replaces, all at once.
Done move_into_place(Endpoint& endpoint, const Uuid& uuid, const std::string& name) {
  const auto replaced = look_for(endpoint, Program().open_device(name));
  if (!replaced) return std::unexpected(replaced.error());
  Program program;
  if (*replaced) program.delete_device((*replaced)->uuid);
  const auto moved = ask_at_once(endpoint, program.rename_device(uuid, name).write_columns(uuid, {}));
  if (!moved) return std::unexpected(moved.error().words);
  return {};
}

}  // namespace

std::expected<Transferred, std::string> import_image(Endpoint& endpoint, const ImageFile& image,
                                                     const std::string& name, const ImportOptions& options) {
  const auto uuid = create_for_import(endpoint, image, name, options);
  if (!uuid) return std::unexpected(uuid.error());
  auto done = Importer(endpoint, image, options).run();
  if (done) done->uuid = *uuid;
  if (!done) {
    // The answers to what is still under way come first; what they say no longer matters, nor whether this works.
    endpoint.send_all(Program().delete_device(*uuid).bytes());
    while (endpoint.under_way() > 0 && endpoint.receive()) {
    }
    return done;
  }
  if (auto moved = move_into_place(endpoint, *uuid, name); !moved) {
    return std::unexpected(fmt::format("{} The image is complete; until it is in its place its device is called {}.",
                                       moved.error(), quote(working_name(name))));
  }
  return done;
}

std::expected<OpenedDevice, std::string> open_for_export(Endpoint& endpoint, const std::string& target,
                                                         const std::string& name_or_uuid) {
  const auto found = find_device(endpoint, target, name_or_uuid);
  if (!found) return std::unexpected(found.error());
  // The length of a file is known when it has been opened for that.
  const auto answer = endpoint.ask(Program().read_length(found->uuid).bytes());
  if (!answer) return std::unexpected(answer.error());
  return OpenedDevice{.uuid = found->uuid, .length = u64_of(*answer)};
}

std::expected<Transferred, std::string> export_image(Endpoint& endpoint, const ImageFile& image,
                                                     const OpenedDevice& device) {
  auto done = Exporter(endpoint, image).run();
  if (done) done->uuid = device.uuid;
  return done;
}

}  // namespace chimera::cli
