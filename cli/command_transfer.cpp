// chimera import and chimera export: disk images into devices and back.

#include <fmt/format.h>

#include <boost/uuid/uuid_io.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/ask.h"
#include "cli/commands.h"
#include "cli/endpoint.h"
#include "cli/output.h"
#include "cli/render.h"
#include "cli/stream_export.h"
#include "cli/stream_format.h"
#include "cli/stream_import.h"
#include "cli/terminal.h"
#include "cli/transfer.h"
#include "isa/text.h"

namespace chimera::cli {
namespace {

struct TransferOptions {
  std::string target, file, name;
  StoreOptions store;
  ImportOptions import;
  bool force = false;
  bool json = false;
  bool stream = false;
  std::string since;  ///< the snapshot that a stream goes on from
};

/// Where the data itself goes to standard output, its report does not.
void report(const TransferOptions& options, const Transferred& done, const std::string& snapshot, std::FILE* to) {
  if (options.json) {
    nlohmann::ordered_json json{{"name", options.name},
                                {"uuid", to_string(done.uuid)},
                                {"length", done.length},
                                {"data_bytes", done.data_bytes}};
    if (!snapshot.empty()) json["snapshot"] = snapshot;
    fmt::print(to, "{}\n", to_text(json, 2));
  } else if (!snapshot.empty()) {
    fmt::print(to, "{}: {} bytes, {} of them in the stream.\n", quote(snapshot), grouped(done.length),
               grouped(done.data_bytes));
  } else {
    fmt::print(to, "{}: {} bytes, {} of them data, the rest holes.\n", quote(options.name), grouped(done.length),
               grouped(done.data_bytes));
  }
}

/// Ends the endpoint's session, and reports if all went well.
int finish(const TransferOptions& options, Endpoint& endpoint, const std::expected<Transferred, std::string>& done,
           std::FILE* to = stdout, const std::string& snapshot = {}) {
  const auto closed = endpoint.close();
  if (output_is_closed()) return exit_failed;  // nobody is left to be told
  if (!done) return fail(done.error());
  if (!closed) return fail(closed.error());
  report(options, *done, snapshot, to);
  return exit_done;
}

int run_stream_import(const TransferOptions& options, const ImageFile& stream) {
  if (options.import.fixed_length)
    return fail("--fixed is for images: a stream says itself whether its length is fixed.");
  const auto endpoint = open_endpoint(options.target, options.store);
  if (!endpoint) return fail(endpoint.error());
  const auto imported = import_stream(**endpoint, stream, options.target, options.name, options.import.replace);
  if (!imported) return finish(options, **endpoint, std::unexpected(imported.error()));
  return finish(options, **endpoint, imported->done, stdout, imported->snapshot);
}

int run_import(const TransferOptions& options) {
  if (options.name.empty()) return fail("A device needs a name, and NAME is empty.");
  if (parse_uuid(options.name)) return fail("NAME is a UUID, which would be taken for the device that has it.");
  if (is_same_file(options.file, options.target)) return fail(options.file + " is the store itself.");
  const auto image = ImageFile::open_source(options.file);
  if (!image) return fail(image.error());
  const auto is_stream = image->begins_with(stream_beginning());
  if (!is_stream) return fail(is_stream.error());
  if (*is_stream) return run_stream_import(options, *image);
  if (image->is_stream() && options.import.fixed_length) {
    return fail("--fixed takes a length, and standard input has none before its end: import a file.");
  }
  const auto endpoint = open_endpoint(options.target, options.store);
  if (!endpoint) return fail(endpoint.error());
  return finish(options, **endpoint, import_image(**endpoint, *image, options.name, options.import));
}

/// A device that can be written to gets a snapshot first, so its store has to be opened for that.
std::expected<std::unique_ptr<Endpoint>, std::string> open_for_stream(const TransferOptions& options) {
  auto endpoint = open_endpoint(options.target, options.store);
  if (!endpoint || is_address(options.target)) return endpoint;
  const auto device = find_device(**endpoint, options.target, options.name);
  if (!device) return std::unexpected(device.error());
  if (device->read_only) return endpoint;
  if (auto closed = (*endpoint)->close(); !closed) return std::unexpected(closed.error());
  endpoint->reset();
  StoreOptions writable = options.store;
  writable.read_only = false;
  return open_endpoint(options.target, writable);
}

int run_stream_export(const TransferOptions& options) {
  const auto endpoint = open_for_stream(options);
  if (!endpoint) return fail(endpoint.error());
  const auto file = ImageFile::open_target(options.file, 0, options.force);
  if (!file) return fail(file.error());
  std::string snapshot;
  std::expected<Transferred, std::string> done;
  if (const auto source = find_stream_source(**endpoint, options.target, options.name, options.since); source) {
    snapshot = source->snapshot.name;
    done = export_stream(**endpoint, *file, *source);
  } else {
    done = std::unexpected(source.error());
  }
  if (done) {
    if (auto kept = file->keep(); !kept) done = std::unexpected(kept.error());
  }
  if (!done) file->discard();
  return finish(options, **endpoint, done, file->is_stream() ? stderr : stdout, snapshot);
}

int run_export(const TransferOptions& options) {
  if (options.stream || !options.since.empty()) return run_stream_export(options);
  const auto endpoint = open_endpoint(options.target, options.store);
  if (!endpoint) return fail(endpoint.error());
  const auto device = open_for_export(**endpoint, options.target, options.name);
  if (!device) return fail(device.error());
  const auto image = ImageFile::open_target(options.file, device->length, options.force);
  if (!image) return fail(image.error());
  auto done = export_image(**endpoint, *image, *device);
  if (done) {
    if (auto kept = image->keep(); !kept) done = std::unexpected(kept.error());
  }
  if (!done) image->discard();
  return finish(options, **endpoint, done, image->is_stream() ? stderr : stdout);
}

void add_operands(CLI::App& command, TransferOptions& options, const std::string& file_help) {
  add_operand(command, "STORE|ADDRESS", options.target, "A store, or a running server").required();
  add_operand(command, "FILE", options.file, file_help).required();
  add_operand(command, "NAME", options.name, "The device's name in the store").required();
  add_flag(command, "--json", options.json, "Print one JSON object: name, uuid, length, data_bytes");
  add_store_options(command, options.store);
}

}  // namespace

Command make_import_command(CLI::App& program) {
  CLI::App& command =
      add_command(program, "import", "Load a file or a block device into a device; holes stay holes",
                  "  chimera import store.img debian.raw debian\n"
                  "  chimera import unix:chimera.socket /dev/sdb backup --fixed\n"
                  "  xz -dc debian.raw.xz | chimera import store.img - debian\n"
                  "  ssh host chimera export store.img - disk0@tue --since disk0@mon |\n"
                  "      chimera import backup.img - disk0\n"
                  "\nWhat `chimera export --stream` has written is recognised: then NAME gets the content of the\n"
                  "snapshot, which is made beside it, as NAME@…, all at once or not at all. A stream since a\n"
                  "snapshot needs that snapshot here, from the stream before, and NAME as it is in it.");
  auto options = std::make_shared<TransferOptions>();
  add_operands(command, *options, "A file or a block device, - for standard input");
  add_flag(
      command, "--replace", options->import.replace,
      "In the place of a device of that name, which is deleted when the new one is complete (its snapshots stay, and "
      "it cannot be rolled back to them); of a stream since a snapshot: also where it has been changed");
  add_flag(command, "--fixed", options->import.fixed_length, "The device keeps this length, as a disk does");
  return {&command, [options] { return run_import(*options); }};
}

Command make_export_command(CLI::App& program) {
  CLI::App& command = add_command(
      program, "export", "Write a device into a file or a block device; holes stay holes",
      "  chimera export store.img debian.raw debian\n"
      "  chimera export tcp:localhost:4096 /dev/sdb backup --force\n"
      "  chimera export store.img - debian | xz > debian.raw.xz\n"
      "  chimera export unix:chimera.socket - disk0@tue --since disk0@mon | gzip > tue.stream.gz\n"
      "\nA stream is a program, for `chimera import`, that makes a copy of a snapshot in another store, or goes on\n"
      "from the copy of an earlier one: then it holds what differs. A device that can be written to gets a\n"
      "snapshot first, which stays. `chimera disasm` prints it.\n"
      "\nTo standard output holes are written as zeros, and the report goes to standard error.");
  auto options = std::make_shared<TransferOptions>();
  options->store.read_only = true;
  add_operands(command, *options, "A file or a block device, - for standard output");
  add_flag(command, "--force", options->force, "Overwrite a file that exists, or a block device");
  add_flag(command, "--stream", options->stream,
           "A program that makes the same snapshot elsewhere, instead of an image");
  add_option(command, "--since", "SNAPSHOT", options->since,
             "Such a program, of what has changed since this snapshot of the device");
  return {&command, [options] { return run_export(*options); }};
}

}  // namespace chimera::cli
