// A machine inside one's own program: no server, no socket, the same instructions.
//
//     embed STORE       runs on a store that `chimera format` has made
//     embed             runs in memory

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "devices/open.h"
#include "io/file_disk.h"
#include "io/loop.h"
#include "isa/answer.h"
#include "isa/builder.h"
#include "isa/decoder.h"
#include "vm/machine.h"
#include "vm/recovery.h"

namespace {

using namespace chimera;

/// What a machine stands on; it goes away in the reverse order.
struct Embedded {
  std::unique_ptr<io::KernelLoop> loop;
  std::unique_ptr<io::FileDisk> disk;
  std::unique_ptr<vm::Machine> machine;
};

std::expected<Embedded, std::string> open_machine(const char* path) {
  Embedded embedded;
  std::string warning;
  auto loop = io::make_loop(io::LoopKind::automatic, warning);
  if (!loop) return std::unexpected(loop.error());
  embedded.loop = std::move(*loop);
  auto store = std::make_unique<devices::Store>();
  if (path != nullptr) {
    auto disk = io::FileDisk::open(*embedded.loop, path, io::OpenMode::read_write);
    if (!disk) return std::unexpected(disk.error());
    embedded.disk = std::move(*disk);
    auto opened = vm::open_store(*embedded.loop, *embedded.disk, {});
    if (!opened) return std::unexpected(opened.error());
    store = std::move(*opened);
  }
  embedded.machine = std::make_unique<vm::Machine>(*embedded.loop, std::move(store));
  return embedded;
}

/// Goes through the answers to a program, in step with its instructions.
bool print_answers(std::span<const std::uint8_t> program, std::span<const std::uint8_t> answers) {
  bool all_ok = true;
  while (!answers.empty()) {
    Instruction instruction;
    program = program.subspan(decode(program, instruction).size);
    Answer answer;
    answers = answers.subspan(parse_answer(instruction, answers, answer).size);
    all_ok = all_ok && answer.ok();
    const std::string name(mnemonic(instruction.operation));
    std::printf("%-16s %s\n", name.c_str(), answer_text(instruction, answer).c_str());
  }
  return all_ok;
}

bool count_visit(vm::Machine& machine) {
  const auto session = machine.connect();
  const std::string visit = "somebody was here\n";
  Program program;
  program.open_device("visits");
  std::vector<std::uint8_t> answers;
  session->run(program.bytes(), answers);

  program.clear();
  if (answers.front() != static_cast<std::uint8_t>(Status::ok)) program.create_device("visits");
  program.append_bytes(implied, {reinterpret_cast<const std::uint8_t*>(visit.data()), visit.size()})
      .read_length()
      .read_bytes(implied, 0, static_cast<std::uint32_t>(visit.size()))
      .flush_device();
  answers.clear();
  session->run(program.bytes(), answers);
  return print_answers(program.bytes(), answers);
}

}  // namespace

int main(int argument_count, char** arguments) {
  auto embedded = open_machine(argument_count > 1 ? arguments[1] : nullptr);
  if (!embedded) {
    std::fprintf(stderr, "embed: %s\n", embedded.error().c_str());
    return 1;
  }
  return count_visit(*embedded->machine) ? 0 : 1;
}
