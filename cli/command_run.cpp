// chimera run and chimera send: programs to a store in this process, or to a running server.

#include <fmt/format.h>

#include <memory>
#include <vector>

#include "cli/commands.h"
#include "cli/endpoint.h"
#include "cli/run_program.h"

namespace chimera::cli {
namespace {

struct RunOptions {
  std::string target;
  std::vector<std::string> programs;
  StoreOptions store;
  bool text = false, binary = false;
  bool raw = false, json = false, bytes = false;
};

void add_program_options(CLI::App& command, RunOptions& options) {
  add_operand(command, "PROGRAM", options.programs,
              "Assembly text or instructions, told apart by content; - for standard input")
      .required();
  const Option text =
      add_flag(command, "--text", options.text, "The programs are assembly text, whatever they look like");
  add_flag(command, "--binary", options.binary, "The programs are instructions, whatever they look like")
      .excludes(text);
  const Option raw = add_flag(command, "--raw", options.raw, "Write just the answers' bytes");
  Option json = add_flag(command, "--json", options.json,
                         "One JSON object a line: instruction, status, meaning, result or message");
  Option bytes = add_flag(command, "--bytes", options.bytes, "Show each instruction's first bytes as well");
  json.excludes(raw);
  bytes.excludes(raw).excludes(json);
}

std::expected<std::vector<LoadedProgram>, std::string> load_programs(const RunOptions& options) {
  const ProgramForm form = options.text     ? ProgramForm::text
                           : options.binary ? ProgramForm::binary
                                            : ProgramForm::by_content;
  std::vector<LoadedProgram> programs;
  for (const std::string& path : options.programs) {
    auto program = load_program(path, form);
    if (!program) return std::unexpected(program.error());
    programs.push_back(std::move(*program));
  }
  return programs;
}

int run_all(Endpoint& endpoint, const std::vector<LoadedProgram>& programs, const RunOutput& output) {
  int status = exit_done;
  for (const LoadedProgram& program : programs) {
    const auto outcome = run_program(endpoint, program, output);
    if (!outcome) return fail(outcome.error());
    if (outcome->errors > 0) status = exit_failed;
    if (outcome->ended) {
      return fail(
          fmt::format("{} stops at an instruction that is illegal: what follows it was not run.", program.name));
    }
  }
  return status;
}

int run(const RunOptions& options) {
  // Nothing is opened, and nothing is run, before all programs are known to be good.
  const auto programs = load_programs(options);
  if (!programs) return fail(programs.error());
  const RunOutput output{.form = options.raw    ? RunOutput::Form::raw
                                 : options.json ? RunOutput::Form::json
                                                : RunOutput::Form::table,
                         .show_bytes = options.bytes};
  auto endpoint = open_endpoint(options.target, options.store);
  if (!endpoint) return fail(endpoint.error());
  const int status = run_all(**endpoint, *programs, output);
  const auto closed = (*endpoint)->close();
  return closed ? status : fail(closed.error());
}

int run_on_store(const RunOptions& options) {
  if (is_address(options.target)) {
    fmt::print(stderr, "chimera run: {0} is a server's address: use chimera send {0}.\n", options.target);
    return exit_wrong_usage;
  }
  return run(options);
}

int send_to_server(const RunOptions& options) {
  if (!is_address(options.target)) {
    fmt::print(stderr, "chimera send: \"{}\" is no address: write unix:PATH or tcp:HOST:PORT, or use chimera run.\n",
               options.target);
    return exit_wrong_usage;
  }
  return run(options);
}

}  // namespace

Command make_run_command(CLI::App& program) {
  CLI::App& command = add_command(program, "run", "Run programs on a store in this process",
                                  "  chimera run store.img hello.asm\n"
                                  "  echo 'describe store' | chimera run :memory: -\n"
                                  "  chimera run store.img setup.asm queries.bin --json");
  auto options = std::make_shared<RunOptions>();
  add_operand(command, "STORE", options->target, "A store, or :memory: for one that is gone at the end").required();
  add_program_options(command, *options);
  add_store_options(command, options->store);
  return {&command, [options] { return run_on_store(*options); }};
}

Command make_send_command(CLI::App& program) {
  CLI::App& command = add_command(program, "send", "Send programs to a running server",
                                  "  chimera send unix:chimera.socket hello.asm\n"
                                  "  echo 'list devices \"\" \"\" #100' | chimera send tcp:localhost:4096 -");
  auto options = std::make_shared<RunOptions>();
  add_operand(command, "ADDRESS", options->target, "unix:PATH or tcp:HOST:PORT").required();
  add_program_options(command, *options);
  return {&command, [options] { return send_to_server(*options); }};
}

}  // namespace chimera::cli
