#include "embed/machine_host.h"

#include <fmt/format.h>

#include <cstring>

#include "devices/open.h"
#include "embed/ground.h"
#include "isa/status.h"
#include "vm/machine.h"
#include "vm/recovery.h"

namespace chimera::embed {
namespace {

class MachineStream final : public Stream {
 public:
  explicit MachineStream(std::unique_ptr<vm::Session> session) : session_(std::move(session)) {}

  bool send(std::span<const std::uint8_t> instructions) override {
    session_->feed(instructions);
    return true;
  }
  [[nodiscard]] std::span<const std::uint8_t> answers() const override { return session_->answers(); }
  void take(std::size_t size) override { session_->take_answers(size); }
  [[nodiscard]] std::optional<std::string> broken_off() const override {
    // Nothing that a caller can send leads here.
    if (session_->idle() && session_->answers().empty()) return "The machine gave no answer to an instruction.";
    return std::nullopt;
  }

 private:
  std::unique_ptr<vm::Session> session_;
};

class MachineHost final : public Host {
 public:
  MachineHost(Ground ground, std::unique_ptr<vm::Machine> machine, bool read_only)
      : ground_(std::move(ground)), machine_(std::move(machine)), read_only_(read_only) {}
  ~MachineHost() override = default;
  MachineHost(const MachineHost&) = delete;
  MachineHost& operator=(const MachineHost&) = delete;

  Outcome<std::unique_ptr<Stream>> connect() override { return std::make_unique<MachineStream>(machine_->connect()); }

  bool go_on(int timeout_ms) override {
    const bool had_turns = machine_->has_ready();
    const bool more = machine_->run_ready();
    const std::size_t delivered = ground_.loop().step(more || had_turns ? 0 : timeout_ms);
    return more || had_turns || delivered > 0;
  }

  Outcome<> attach(Wakeup& wakeup) override {
    const auto descriptor =
        ground_.callers ? std::expected<int, int>(ground_.callers->descriptor()) : ground_.kernel_loop->descriptor();
    if (!descriptor) {
      return failure(CHIMERA_E_SYSTEM,
                     fmt::format("The system refuses a descriptor: {}.", std::strerror(descriptor.error())));
    }
    return *descriptor < 0 ? Outcome<>() : wakeup.watch(*descriptor);
  }

  Outcome<> close() override {
    if (read_only_) return {};
    const Status status = machine_->sync();
    if (status == Status::ok) return {};
    return failure(static_cast<int>(status),
                   fmt::format("What was written could not be made durable: {}.", status_text(status)));
  }

  void settle() override {
    // A disk that never ends anything ends it now.
    if (ground_.callers) ground_.callers->shut();
    machine_->store().wait_for_io();
  }

  bool abandon() override {
    if (ground_.callers) ground_.callers->shut();
    // All of them first: what ends while one waits for its own is nobody's any more.
    if (ground_.folder) ground_.folder->forget();
    if (ground_.file) ground_.file->abandon();
    if (ground_.folder) ground_.folder->abandon();
    return false;
  }

 private:
  Ground ground_;
  std::unique_ptr<vm::Machine> machine_;
  bool read_only_;
};

}  // namespace

Outcome<std::unique_ptr<Host>> open_machine(const char* path, std::unique_ptr<CallerDisk> disk,
                                            const chimera_options& options) {
  const auto mode = options.read_only != 0 ? io::OpenMode::read_only : io::OpenMode::read_write;
  auto ground = make_ground(path, std::move(disk), options, mode);
  if (!ground) return std::unexpected(std::move(ground.error()));
  devices::OpenOptions wanted{.read_only = options.read_only != 0, .folder = ground->folder};
  const bool is_in_file = ground->file != nullptr && !ground->file->is_block_device();
  if (is_in_file && options.keep_space == 0) wanted.discards = devices::Discards::of_files;
  if (options.cache_bytes != 0) wanted.cache_bytes = options.cache_bytes;
  if (options.memory_bytes != 0) wanted.most_memory_bytes = options.memory_bytes;

  std::unique_ptr<devices::Store> store;
  if (ground->disk() == nullptr) {
    store =
        std::make_unique<devices::Store>(devices::MemoryOptions{.most_bytes = wanted.most_memory_bytes, .make = {}});
  } else {
    auto opened = vm::open_store(ground->loop(), *ground->disk(), wanted);
    if (!opened) {
      const std::string_view what = path == nullptr ? "on the caller's disk" : path;
      return failure(CHIMERA_E_OPEN, fmt::format("Cannot open the store {}: {}.", what, opened.error()));
    }
    store = std::move(*opened);
  }
  // By itself, and then moved: where there is no memory the machine must go before what it stands on.
  auto machine = std::make_unique<vm::Machine>(ground->loop(), std::move(store));
  return std::make_unique<MachineHost>(std::move(*ground), std::move(machine), options.read_only != 0);
}

}  // namespace chimera::embed
