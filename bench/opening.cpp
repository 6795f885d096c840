// opening  store=PATH cache=BYTES: the seconds from the file's name to an open store.

#include "bench/subject.h"
#include "devices/open.h"
#include "io/file_disk.h"
#include "vm/recovery.h"

namespace chimera::bench {
namespace {

class Opening final : public Subject {
 public:
  explicit Opening(const Arguments& arguments) : path_(arguments.text("store")), cache_(arguments.number("cache")) {
    std::string warning;
    auto loop = io::make_loop(io::LoopKind::automatic, warning);
    if (!loop) fail(loop.error());
    loop_ = std::move(*loop);
  }

  double sample() override {
    const Stopwatch watch;
    const auto disk = io::FileDisk::open(*loop_, path_, io::OpenMode::read_write);
    if (!disk) fail(disk.error());
    const auto store = vm::open_store(*loop_, **disk, {.cache_bytes = cache_});
    if (!store) fail(store.error());
    return watch.seconds();
  }

 private:
  std::string path_;
  std::uint64_t cache_;
  std::unique_ptr<io::KernelLoop> loop_;
};

}  // namespace

std::unique_ptr<Subject> make_opening(const Arguments& arguments) { return std::make_unique<Opening>(arguments); }

}  // namespace chimera::bench
