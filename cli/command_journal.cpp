// chimera journal: what has been done since the last checkpoint, and will be run again when the store is opened.

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>

#include "assembler/disassembler.h"
#include "cli/commands.h"
#include "cli/embedded_endpoint.h"
#include "cli/endpoint.h"
#include "cli/journal_words.h"
#include "cli/render.h"
#include "cli/terminal.h"
#include "devices/open.h"
#include "isa/builder.h"
#include "isa/decoder.h"
#include "isa/limits.h"

namespace chimera::cli {
namespace {

using Bytes = std::span<const std::uint8_t>;
using Json = nlohmann::ordered_json;

struct JournalOptions {
  std::string target;
  StoreOptions store{.read_only = true};
  std::size_t records = std::numeric_limits<std::size_t>::max();  ///< so many of the last ones
  bool summary = false;
  bool json = false;
};

constexpr const char* no_journal = "has no journal: what is to be durable waits for a checkpoint";

/// Calls `visit(text, remark)` for each instruction, and for what is none.
template <typename Visit>
void each_instruction(Bytes stream, JournalWords& words, Visit&& visit) {
  while (!stream.empty()) {
    Instruction instruction;
    const Decoded decoded = decode(stream, instruction);
    if (decoded.kind != Decoded::Kind::complete) {
      std::string rest = assembler::disassemble(stream);
      rest.pop_back();
      visit(rest, std::string());
      return;
    }
    visit(assembler::disassemble(instruction), words.explain(instruction));
    stream = stream.subspan(static_cast<std::size_t>(decoded.size));
  }
}

/// The remark stands behind the instruction, or above one that is too long for that.
void print_instruction(const std::string& text, const std::string& remark) {
  constexpr std::size_t most_columns = 120;
  if (remark.empty()) {
    fmt::print("{}\n", text);
  } else if (text.size() + 4 + display_width(remark) <= most_columns) {
    fmt::print("{}  ; {}\n", text, remark);
  } else {
    fmt::print("; {}\n{}\n", remark, text);
  }
}

Json to_json(const devices::WaitingRecord& record, bool with_instructions, JournalWords& words) {
  Json json{{"sequence", record.sequence},
            {"offset", record.offset},
            {"size", record.size},
            {"instruction_bytes", record.instructions.size()}};
  Json instructions = Json::array();
  each_instruction(record.instructions, words, [&](const std::string& text, const std::string& remark) {
    Json instruction{{"instruction", text}};
    if (!remark.empty()) instruction["remark"] = remark;
    instructions.push_back(std::move(instruction));
  });
  json["instruction_count"] = instructions.size();
  if (with_instructions) json["instructions"] = std::move(instructions);
  return json;
}

void print_record(const devices::WaitingRecord& record, bool with_instructions, JournalWords& words) {
  std::vector<std::pair<std::string, std::string>> lines;
  each_instruction(record.instructions, words, [&](std::string text, std::string remark) {
    lines.emplace_back(std::move(text), std::move(remark));
  });
  fmt::print("{}; record {}: {}, {}, {} at offset {}\n", with_instructions ? "\n" : "", record.sequence,
             counted(lines.size(), "instruction"), counted(record.instructions.size(), "byte"),
             counted(record.size / limits::block_size, "block"), grouped(record.offset));
  if (!with_instructions) return;
  for (const auto& [text, remark] : lines) print_instruction(text, remark);
}

std::uint64_t used_bytes(const devices::WaitingJournal& journal) {
  std::uint64_t used = 0;
  for (const devices::WaitingRecord& record : journal.records) used += record.size;
  return used;
}

void print_journal(const JournalOptions& options, const devices::WaitingJournal& journal, std::size_t left_out,
                   JournalWords& words) {
  const std::size_t count = journal.records.size();
  if (journal.size == 0) {
    fmt::print("; {} {}\n", options.target, no_journal);
    return;
  }
  fmt::print("; {}: a journal of {} behind checkpoint {}\n", options.target, human_size(journal.size),
             journal.generation);
  if (count == 0) {
    fmt::print("; no record waits: the checkpoint holds everything\n");
    return;
  }
  fmt::print("; {}, {}, will be run when the store is opened{}\n", counted(count, "record"),
             human_size(used_bytes(journal)),
             left_out > 0 ? fmt::format("; these are the last {}", grouped(count - left_out)) : "");
  for (std::size_t n = left_out; n < count; ++n) print_record(journal.records[n], !options.summary, words);
}

void print_journal_as_json(const JournalOptions& options, const devices::WaitingJournal& journal, std::size_t left_out,
                           JournalWords& words) {
  Json records = Json::array();
  for (std::size_t n = left_out; n < journal.records.size(); ++n) {
    records.push_back(to_json(journal.records[n], !options.summary, words));
  }
  Json described;
  if (journal.size > 0) described = Json{{"size", journal.size}, {"used", used_bytes(journal)}};
  fmt::print("{}\n", to_text(Json{{"journal", described},
                                  {"checkpoint", {{"generation", journal.generation}}},
                                  {"record_count", journal.records.size()},
                                  {"records", std::move(records)}},
                             2));
}

int show_store(const JournalOptions& options) {
  if (options.target == memory_store) return fail(":memory: has no journal.");
  StoreOptions as_it_lies = options.store;
  as_it_lies.without_journal = true;
  const auto opened = open_machine(options.target, as_it_lies);
  if (!opened) return fail(opened.error());
  devices::Store& store = opened->machine->store();
  const auto journal = devices::read_journal(*opened->loop, store);
  if (!journal) return fail(fmt::format("{}: {}", options.target, journal.error()));
  const std::size_t count = journal->records.size();
  const std::size_t left_out = count - std::min(options.records, count);
  JournalWords words(store);
  for (std::size_t n = 0; n < left_out; ++n) {
    // Devices may get their names in these.
    each_instruction(journal->records[n].instructions, words, [](const std::string&, const std::string&) {});
  }
  if (options.json) {
    print_journal_as_json(options, *journal, left_out, words);
  } else {
    print_journal(options, *journal, left_out, words);
  }
  return exit_done;
}

void print_state(const JournalOptions& options, const Json& journal, const Json& checkpoint) {
  if (!journal.is_object()) {
    fmt::print("{} {}\n", options.target, no_journal);
    return;
  }
  const auto value = [](const Json& object, const char* key) { return object.value(key, std::uint64_t{0}); };
  fmt::print("{}: a journal of {}, {} of it in use, behind checkpoint {}\n", options.target,
             human_size(value(journal, "size")), human_size(value(journal, "used")), value(checkpoint, "generation"));
  fmt::print("record {} is the last one; up to {} they are durable\n", value(journal, "last"),
             value(journal, "durable"));
  fmt::print("The records themselves can be printed only from the store, while no server has it open.\n");
}

/// No instruction reads the journal: of a server's there is what `describe store` says of it.
int show_server(const JournalOptions& options) {
  const auto endpoint = open_endpoint(options.target, options.store);
  if (!endpoint) return fail(endpoint.error());
  Program program;
  program.describe_store();
  const auto answer = (*endpoint)->ask(program.bytes());
  if (!answer) return fail(answer.error());
  const auto description = Json::parse(text_of(*answer), nullptr, /*allow_exceptions=*/false);
  if (!description.is_object()) return fail("The description of the store is not a JSON object.");
  const Json journal = description.value("journal", Json());
  const Json checkpoint = description.value("checkpoint", Json());
  if (options.json) {
    fmt::print("{}\n", to_text(Json{{"journal", journal}, {"checkpoint", checkpoint}, {"records", nullptr}}, 2));
  } else {
    print_state(options, journal, checkpoint);
  }
  const auto closed = (*endpoint)->close();
  return closed ? exit_done : fail(closed.error());
}

}  // namespace

Command make_journal_command(CLI::App& program) {
  CLI::App& command =
      add_command(program, "journal", "Print what has been done since the last checkpoint",
                  "  chimera journal store.img\n"
                  "  chimera journal store.img --summary\n"
                  "  chimera journal store.img --records 10 | less\n"
                  "  chimera journal unix:chimera.socket\n"
                  "\nA record is what was made durable together; opening the store runs the records that are\n"
                  "printed here. They are assembly text. Nothing is changed. No record is left after an orderly\n"
                  "end. Of a running server only the state of the journal can be told, not its records.");
  auto options = std::make_shared<JournalOptions>();
  add_operand(command, "STORE|ADDRESS", options->target, "A store, or a running server").required();
  add_count_option(command, "-n,--records", options->records, 1, std::size_t{1} << 30,
                   "Only the last N records (default: all)");
  add_flag(command, "--summary", options->summary, "A line a record, without its instructions");
  add_flag(command, "--json", options->json,
           "Print one JSON object: journal, checkpoint, record_count, records with sequence, offset, size and "
           "instructions; no records of a server");
  add_store_options(command, options->store);
  return {&command, [options] { return is_address(options->target) ? show_server(*options) : show_store(*options); }};
}

}  // namespace chimera::cli
