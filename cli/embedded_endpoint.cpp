#include "cli/embedded_endpoint.h"

#include <fmt/format.h>

#include <cstdio>

#include "devices/open.h"
#include "devices/pool.h"
#include "io/attached_folder.h"
#include "isa/status.h"
#include "vm/recovery.h"

namespace chimera::cli {
namespace {

constexpr std::size_t input_worth_a_turn = 1 << 20;

class EmbeddedEndpoint final : public Endpoint {
 public:
  EmbeddedEndpoint(EmbeddedMachine embedded, bool read_only)
      : embedded_(std::move(embedded)), read_only_(read_only), session_(embedded_.machine->connect()) {}

  std::expected<Answer, std::string> receive() override {
    session_->take_answers(taken_);
    taken_ = 0;
    std::uint64_t wanted = 1;
    while (true) {
      if (session_->answers().size() >= wanted) {
        Answer answer;
        const ParsedAnswer parsed = parse_next(session_->answers(), answer);
        if (parsed.kind == ParsedAnswer::Kind::complete) {
          taken_ = parsed.size;
          return answer;
        }
        wanted = parsed.size;
      }
      const bool more = embedded_.machine->run_ready();
      if (session_->answers().size() >= wanted) continue;
      if (!more && session_->idle()) return std::unexpected("The machine gave no answer to an instruction.");
      embedded_.loop->step(more ? 0 : io::Loop::forever);
    }
  }

  std::expected<void, std::string> close() override {
    session_.reset();
    if (read_only_) return {};
    const Status status = embedded_.machine->sync();
    if (status == Status::ok) return {};
    return std::unexpected(fmt::format("What was written could not be made durable: {}.", status_text(status)));
  }

 private:
  void send_bytes(std::span<const std::uint8_t> bytes) override {
    session_->feed(bytes);
    // Large transfers start while the caller prepares the next one.
    if (session_->unread_input() >= input_worth_a_turn) embedded_.machine->turn(0);
  }

  EmbeddedMachine embedded_;
  bool read_only_;
  std::unique_ptr<vm::Session> session_;
  std::size_t taken_ = 0;  ///< bytes at the front of the answers that the last receive gave out
};

}  // namespace

std::expected<std::unique_ptr<io::KernelLoop>, std::string> open_loop(const StoreOptions& options) {
  std::string warning;
  auto loop = io::make_loop(options.loop, warning);
  if (!warning.empty()) fmt::print(stderr, "chimera: {}\n", warning);
  if (loop) (*loop)->look_before_sleeping(options.spin_us * 1000);
  return loop;
}

std::expected<EmbeddedMachine, std::string> open_machine(const std::string& path, const StoreOptions& options) {
  EmbeddedMachine opened;
  auto loop = open_loop(options);
  if (!loop) return std::unexpected(loop.error());
  opened.loop = std::move(*loop);
  std::shared_ptr<io::Folder> folder;
  if (!options.folder.empty()) {
    auto attached = io::attach_folder(*opened.loop, options.folder);
    if (!attached) return std::unexpected(attached.error());
    folder = std::move(*attached);
  }
  if (path == memory_store) {
    auto store =
        std::make_unique<devices::Store>(devices::MemoryOptions{.most_bytes = options.memory_bytes, .make = {}});
    opened.machine = std::make_unique<vm::Machine>(*opened.loop, std::move(store));
    return opened;
  }
  const auto mode = options.read_only ? io::OpenMode::read_only : io::OpenMode::read_write;
  auto disk = io::FileDisk::open(*opened.loop, path, mode);
  if (!disk) {
    const bool is_in_use = disk.error().contains(" is in use by ");
    const char* const advice = is_in_use ? "; where that is its server, name the server's address instead" : "";
    return std::unexpected(disk.error() + advice);
  }
  opened.disk = std::move(*disk);
  // A block device is given nothing back unless somebody says so: `chimera trim`.
  const bool discards = !options.keep_space && !opened.disk->is_block_device();
  auto store = vm::open_store(*opened.loop, *opened.disk,
                              {.cache_bytes = options.cache_bytes,
                               .read_only = options.read_only,
                               .without_journal = options.without_journal,
                               .discards = discards ? devices::Discards::of_files : devices::Discards::Options{},
                               .most_memory_bytes = options.memory_bytes,
                               .folder = folder});
  if (!store) return std::unexpected(fmt::format("Cannot open the store {}: {}", path, store.error()));
  const devices::Pool* const pool = (*store)->pool();
  const std::uint64_t in_part = pool != nullptr && options.without_journal ? pool->record_in_part() : 0;
  if (in_part != 0) {
    fmt::print(
        stderr,
        "chimera: {}: this state was written in the midst of doing the journal again. Of record {}, which may be a "
        "transaction, a part is in it\n",
        path, in_part);
  }
  opened.machine = std::make_unique<vm::Machine>(*opened.loop, std::move(*store));
  return opened;
}

std::expected<std::unique_ptr<Endpoint>, std::string> open_embedded_endpoint(const std::string& path,
                                                                             const StoreOptions& options) {
  auto opened = open_machine(path, options);
  if (!opened) return std::unexpected(opened.error());
  return std::make_unique<EmbeddedEndpoint>(std::move(*opened), options.read_only);
}

}  // namespace chimera::cli
