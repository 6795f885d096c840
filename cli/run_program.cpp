#include "cli/run_program.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <deque>
#include <nlohmann/json.hpp>

#include "assembler/disassembler.h"
#include "cli/render.h"
#include "cli/terminal.h"
#include "isa/decoder.h"
#include "isa/limits.h"
#include "isa/opcodes.h"

namespace chimera::cli {
namespace {

/// How far the program is sent ahead of its answers: enough to keep a disk busy, and little memory.
constexpr std::size_t most_under_way = 1024;
constexpr std::uint64_t most_bytes_under_way = 2ull * limits::largest_transfer;

/// One instruction of the program, kept until its answer has been printed.
struct Step {
  std::span<const std::uint8_t> bytes;  ///< within the program
  std::string text;
  Instruction instruction;  ///< its views are not to be used: the operation, count and offset are
  std::uint64_t cost = 0;   ///< bytes of it and its answer, about
  bool ends_stream = false;
};

/// The program cut into instructions.
class Steps {
 public:
  explicit Steps(const LoadedProgram& program) : program_(program) {}

  [[nodiscard]] bool done() const { return at_ == program_.bytes.size() || broken_off_; }
  [[nodiscard]] std::size_t left_over() const { return broken_off_ ? program_.bytes.size() - at_ : 0; }

  /// The next instruction; nothing if only half of one is left.
  std::optional<Step> next() {
    const std::span rest = std::span(program_.bytes).subspan(at_);
    Step step;
    const Decoded decoded = decode(rest, step.instruction);
    switch (decoded.kind) {
      case Decoded::Kind::incomplete: broken_off_ = true; return std::nullopt;
      case Decoded::Kind::complete: step.bytes = rest.first(decoded.size); break;
      case Decoded::Kind::illegal:
        step.bytes = rest;
        step.ends_stream = true;
        break;
      case Decoded::Kind::too_large:
        step.ends_stream = decoded.size >= limits::skippable_payload;
        if (!step.ends_stream && decoded.size > rest.size()) {
          broken_off_ = true;
          return std::nullopt;
        }
        step.bytes = rest.first(std::min<std::uint64_t>(decoded.size, rest.size()));
        break;
    }
    step.text = source_line().value_or(describe(decoded, step));
    step.cost = step.bytes.size() + std::min<std::uint64_t>(step.instruction.count, limits::largest_transfer);
    at_ += step.bytes.size();
    return step;
  }

 private:
  std::optional<std::string> source_line() {
    const auto& lines = program_.source.lines;
    while (line_ < lines.size() && lines[line_].offset < at_) ++line_;
    if (line_ == lines.size() || lines[line_].offset != at_) return std::nullopt;
    return std::string(program_.source.text_of(lines[line_]));
  }

  /// What stands for an instruction where there is no source.
  static std::string describe(const Decoded& decoded, const Step& step) {
    switch (decoded.kind) {
      case Decoded::Kind::complete: return assembler::disassemble(step.instruction);
      case Decoded::Kind::too_large: return fmt::format("{} …", mnemonic(step.instruction.operation));
      case Decoded::Kind::incomplete:
      case Decoded::Kind::illegal: break;
    }
    return fmt::format("opcode 0x{:02X}", step.bytes.front());
  }

  const LoadedProgram& program_;
  std::size_t at_ = 0;
  std::size_t line_ = 0;
  bool broken_off_ = false;
};

/// Prints answers in one of the forms.
class Printer {
 public:
  Printer(const RunOutput& output, const LoadedProgram& program)
      : output_(output),
        colours_(takes_colours(STDOUT_FILENO)),
        width_(std::max<std::size_t>(terminal_width(STDOUT_FILENO), 80)),
        source_width_(narrowest_source) {
    // As wide as the program's lines, if that leaves room for the answers. Of instructions the lines are not known yet.
    const std::size_t widest = (width_ - (output_.show_bytes ? bytes_width : 0)) * 11 / 20;
    if (program.source.lines.empty()) source_width_ = widest;
    for (const assembler::SourceLine& line : program.source.lines) {
      source_width_ = std::clamp(display_width(program.source.text_of(line)), source_width_, widest);
    }
  }

  void print(const Step& step, const Answer& answer) const {
    switch (output_.form) {
      case RunOutput::Form::table: print_row(step, answer); break;
      case RunOutput::Form::json: print_json(step, answer); break;
      case RunOutput::Form::raw: print_raw(answer); break;
    }
  }

 private:
  static constexpr std::size_t bytes_shown = 5;
  static constexpr std::size_t bytes_width = 3 * bytes_shown + 3;
  static constexpr std::size_t gap = 2;
  static constexpr std::size_t narrowest_source = 24;

  void print_row(const Step& step, const Answer& answer) const {
    std::string left;
    if (output_.show_bytes) {
      left = paint(pad_to_width(hex_bytes(step.bytes, bytes_shown), bytes_width), Colour::grey, colours_);
    }
    const std::size_t before = (output_.show_bytes ? bytes_width : 0) + source_width_ + gap;
    RenderedAnswer rendered = render_answer(step.instruction, answer, width_ - before);
    const std::size_t words = status_text(answer.status).size();
    if (rendered.details.empty() && rendered.summary.size() > width_ - before && rendered.summary.size() > words) {
      rendered.details.push_back(rendered.summary.substr(rendered.summary.find_first_not_of(": ", words)));
      rendered.summary.resize(words);
    }
    const std::string right =
        paint(rendered.summary.substr(0, words), answer.ok() ? Colour::green : Colour::red, colours_) +
        rendered.summary.substr(words);
    if (display_width(step.text) <= source_width_) {
      fmt::print("{}{}  {}\n", left, pad_to_width(step.text, source_width_), right);
    } else {
      fmt::print("{}{}\n", left, cut_to_width(step.text, width_ - (output_.show_bytes ? bytes_width : 0)));
      fmt::print("{}{}\n", std::string(before, ' '), right);
    }
    for (const std::string& line : rendered.details) fmt::print("    {}\n", paint(line, Colour::grey, colours_));
  }

  static void print_json(const Step& step, const Answer& answer) {
    nlohmann::ordered_json json{{"instruction", step.text}};
    json.update(answer_to_json(step.instruction, answer));
    fmt::print("{}\n", to_text(json));
  }

  static void print_raw(const Answer& answer) {
    std::fputc(static_cast<int>(answer.status), stdout);
    if (!answer.ok()) {
      const std::size_t size = answer.message.size();
      std::fputc(static_cast<int>(size & 0xFF), stdout);
      std::fputc(static_cast<int>(size >> 8), stdout);
      std::fwrite(answer.message.data(), 1, size, stdout);
    }
    if (!answer.result.empty()) std::fwrite(answer.result.data(), 1, answer.result.size(), stdout);
  }

  RunOutput output_;
  bool colours_;
  std::size_t width_;
  std::size_t source_width_;
};

}  // namespace

std::expected<RunOutcome, std::string> run_program(Endpoint& endpoint, const LoadedProgram& program,
                                                   const RunOutput& output) {
  const Printer printer(output, program);
  Steps steps(program);
  std::deque<Step> sent;
  std::uint64_t bytes_under_way = 0;
  RunOutcome outcome;

  while (!outcome.ended && (!steps.done() || !sent.empty())) {
    const bool full = sent.size() >= most_under_way || bytes_under_way >= most_bytes_under_way;
    const bool may_send = !steps.done() && !full && (sent.empty() || !sent.back().ends_stream);
    if (may_send) {
      std::optional<Step> step = steps.next();
      if (!step) continue;
      endpoint.send(step->bytes, step->instruction);
      bytes_under_way += step->cost;
      sent.push_back(std::move(*step));
      continue;
    }
    const auto answer = endpoint.receive();
    std::fflush(stdout);
    if (!answer) return std::unexpected(answer.error());
    printer.print(sent.front(), *answer);
    ++outcome.answers;
    if (!answer->ok()) ++outcome.errors;
    outcome.ended = sent.front().ends_stream;
    bytes_under_way -= sent.front().cost;
    sent.pop_front();
  }
  std::fflush(stdout);
  if (steps.left_over() > 0) {
    return std::unexpected(fmt::format("{} ends in the middle of an instruction: its last {} bytes were not run.",
                                       program.name, grouped(steps.left_over())));
  }
  return outcome;
}

}  // namespace chimera::cli
