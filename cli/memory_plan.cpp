#include "cli/memory_plan.h"

#include <fmt/format.h>
#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>

#include "cli/render.h"
#include "cli/terminal.h"
#include "devices/journal_format.h"
#include "devices/outcomes.h"
#include "devices/pool.h"
#include "server/nbd_connection.h"
#include "server/stream_connection.h"
#include "vm/transactions.h"

namespace chimera::cli {
namespace {

constexpr std::uint64_t block = limits::block_size;

/// The maps of free space, all of whose bitmaps may have changed; the devices and graves, and the pages of the manifest
/// that name them; what a checkpoint has on its way; the addresses that have been freed since; outcomes of tokens.
std::uint64_t most_for_maps(std::uint64_t store_blocks) {
  constexpr std::uint64_t of_a_group = 2 * block + 512;
  constexpr std::uint64_t of_a_device = 512 + limits::longest_name;
  constexpr std::uint64_t checkpoint = 2 << 20;
  constexpr std::uint64_t freed = 16 << 20;
  constexpr std::uint64_t tokens = devices::Outcomes::most_kept * 250;
  const std::uint64_t groups = store_blocks / devices::group_blocks + 1;
  constexpr std::uint64_t records = devices::Manifest::most_records;
  return groups * of_a_group + records * (of_a_device + sizeof(devices::DeviceRecord)) + checkpoint + freed + tokens;
}

}  // namespace

std::uint64_t MemoryPlan::total() const {
  return cache + books + maps + journal + transactions + memory_devices + files + transfers + handles +
         connections * connection + program;
}

std::string MemoryPlan::text() const {
  std::string line = fmt::format("memory: {} at most: ", human_size(total()));
  if (cache != 0) {
    line += fmt::format("cache {}, its books {}, maps {}, journal {}, ", human_size(cache), human_size(books),
                        human_size(maps), human_size(journal));
  }
  if (files != 0) line += fmt::format("files {}, ", human_size(files));
  return line + fmt::format(
                    "transactions {}, devices in memory {}, transfers {}, open devices {}, {} connections of {}, "
                    "program {}",
                    human_size(transactions), human_size(memory_devices), human_size(transfers), human_size(handles),
                    grouped(connections), human_size(connection), human_size(program));
}

MemoryPlan plan_memory(const devices::Store& store, const StoreOptions& store_options,
                       const server::Options& server_options, bool serves_nbd) {
  const std::uint64_t nbd_connection = serves_nbd ? server::NbdConnection::most_memory() : 0;
  // A table of them, and its copy at the begin of a transaction; twice, since tables double.
  constexpr std::uint64_t of_a_handle = 4 * 32;
  MemoryPlan plan{.transactions = vm::Transactions::most_bytes + 2 * vm::Machine::most_kept_bytes,
                  .transfers = server_options.transfer_memory_bytes,
                  .memory_devices = store_options.memory_bytes,
                  .connections = server_options.most_connections,
                  .connection = std::max(server::StreamConnection::most_memory(server_options), nbd_connection),
                  .handles = vm::Machine::most_open_handles * of_a_handle,
                  // Itself, and what the C library keeps at hand.
                  .program = 32 << 20};
  if (devices::Pool* const pool = store.pool(); pool != nullptr) {
    const std::uint64_t ring = pool->journal().writer().block_count();
    plan.cache = store_options.cache_bytes;
    plan.books = plan.cache / 25 + (2 << 20);
    plan.maps = most_for_maps(pool->disk().block_count());
    using devices::FileBudget;
    if (!store_options.folder.empty()) plan.files = (FileBudget::most_dirty + FileBudget::most_idle) * block;
    plan.journal = ring == 0 ? 0 : (ring + devices::longest_record(ring)) * block;
  }
  return plan;
}

void give_memory_back() noexcept {
  // Beneath it stands what comes and goes with every request of some clients, and should not cost a system call.
  constexpr int large = 4 << 20;
  constexpr int kept_free = 16 << 20;
  ::mallopt(M_MMAP_THRESHOLD, large);
  ::mallopt(M_TRIM_THRESHOLD, kept_free);
}

std::size_t provide_descriptors(std::size_t connections) {
  // Listening sockets, and what the loop may open for a moment.
  constexpr rlim_t beside = 32;
  const int next = ::dup(STDERR_FILENO);  // the lowest number that is free, so about how many are taken
  if (next >= 0) ::close(next);
  const rlim_t taken = static_cast<rlim_t>(std::max(next, 3)) + beside;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return connections;
  const rlim_t wanted = taken + connections;
  if (limit.rlim_cur < wanted) {
    limit.rlim_cur = std::min(wanted, limit.rlim_max);
    ::setrlimit(RLIMIT_NOFILE, &limit);
    ::getrlimit(RLIMIT_NOFILE, &limit);
  }
  if (limit.rlim_cur >= wanted) return connections;
  return static_cast<std::size_t>(limit.rlim_cur > taken ? limit.rlim_cur - taken : 1);
}

}  // namespace chimera::cli
