// chimera import and chimera export: disk images into devices and back.

#include <fmt/format.h>

#include <boost/uuid/uuid_io.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/endpoint.h"
#include "cli/output.h"
#include "cli/render.h"
#include "cli/terminal.h"
#include "cli/transfer.h"

namespace chimera::cli {
namespace {

struct Options {
  std::string target, file, name;
  StoreOptions store;
  ImportOptions import;
  bool force = false;
  bool json = false;
};

/// Where the data itself goes to standard output, its report does not.
void report(const Options& options, const Transferred& done, std::FILE* to) {
  if (options.json) {
    const nlohmann::ordered_json json{{"name", options.name},
                                      {"uuid", to_string(done.uuid)},
                                      {"length", done.length},
                                      {"data_bytes", done.data_bytes}};
    fmt::print(to, "{}\n", to_text(json, 2));
  } else {
    fmt::print(to, "{}: {} bytes, {} of them data, the rest holes.\n", options.name, grouped(done.length),
               grouped(done.data_bytes));
  }
}

/// Ends the endpoint's session, and reports if all went well.
int finish(const Options& options, Endpoint& endpoint, const std::expected<Transferred, std::string>& done,
           std::FILE* to = stdout) {
  const auto closed = endpoint.close();
  if (output_is_closed()) return exit_failed;  // nobody is left to be told
  if (!done) return fail(done.error());
  if (!closed) return fail(closed.error());
  report(options, *done, to);
  return exit_done;
}

int run_import(const Options& options) {
  if (is_same_file(options.file, options.target)) return fail(options.file + " is the store itself.");
  const auto image = ImageFile::open_source(options.file);
  if (!image) return fail(image.error());
  if (image->is_stream() && options.import.fixed_length) {
    return fail("--fixed takes a length, and standard input has none before its end: import a file.");
  }
  const auto endpoint = open_endpoint(options.target, options.store);
  if (!endpoint) return fail(endpoint.error());
  return finish(options, **endpoint, import_image(**endpoint, *image, options.name, options.import));
}

int run_export(const Options& options) {
  const auto endpoint = open_endpoint(options.target, options.store);
  if (!endpoint) return fail(endpoint.error());
  const auto device = open_for_export(**endpoint, options.name);
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

void add_operands(CLI::App& command, Options& options, const std::string& file_help) {
  command.add_option("STORE|ADDRESS", options.target, "A store, or a running server")->type_name("")->required();
  command.add_option("FILE", options.file, file_help)->type_name("")->required();
  command.add_option("NAME", options.name, "The device's name in the store")->type_name("")->required();
  command.add_flag("--json", options.json, "Print one JSON object: name, uuid, length, data_bytes");
  add_store_options(command, options.store);
}

}  // namespace

Command make_import_command(CLI::App& program) {
  CLI::App& command = add_command(program, "import", "Load a file or a block device into a device; holes stay holes",
                                  "  chimera import store.img debian.raw debian\n"
                                  "  chimera import unix:chimera.socket /dev/sdb backup --fixed\n"
                                  "  xz -dc debian.raw.xz | chimera import store.img - debian");
  auto options = std::make_shared<Options>();
  add_operands(command, *options, "A file or a block device, - for standard input");
  command.add_flag("--replace", options->import.replace,
                   "In the place of a device of that name, which is deleted when the new one is complete");
  command.add_flag("--fixed", options->import.fixed_length, "The device keeps this length, as a disk does");
  return {&command, [options] { return run_import(*options); }};
}

Command make_export_command(CLI::App& program) {
  CLI::App& command =
      add_command(program, "export", "Write a device into a file or a block device; holes stay holes",
                  "  chimera export store.img debian.raw debian\n"
                  "  chimera export tcp:localhost:4096 /dev/sdb backup --force\n"
                  "  chimera export store.img - debian | xz > debian.raw.xz\n"
                  "\nTo standard output holes are written as zeros, and the report goes to standard error.");
  auto options = std::make_shared<Options>();
  options->store.read_only = true;
  add_operands(command, *options, "A file or a block device, - for standard output");
  command.add_flag("--force", options->force, "Overwrite a file that exists, or a block device");
  return {&command, [options] { return run_export(*options); }};
}

}  // namespace chimera::cli
