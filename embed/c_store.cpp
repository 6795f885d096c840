// The C interface: statuses, stores, disks.

#include <exception>

#include "embed/c_interface.h"
#include "embed/machine_host.h"
#include "embed/options.h"
#include "embed/server_host.h"
#include "isa/status.h"
#include "vm/version.h"

namespace chimera::embed {

int fail(Store& store, int code, std::string_view text) noexcept {
  store.error.set(text);
  return code;
}

int admit(Store& store, Needs needs) noexcept {
  // Before anything else: whatever else there is may be changing meanwhile, the words included.
  if (!store.belongs_to_caller()) return CHIMERA_E_THREAD;
  if (store.is_entered) return CHIMERA_E_REENTERED;
  const Store::State state = store.state();
  if (needs == Needs::closed && state != Store::State::closed) {
    return fail(store, CHIMERA_E_STATE, "The store is open already: close it first.");
  }
  if (needs == Needs::open && state == Store::State::closed) {
    return fail(store, CHIMERA_E_STATE, "The store is not open.");
  }
  if (needs == Needs::open && state == Store::State::broken) {
    return fail(store, CHIMERA_E_BROKEN, "There was no memory amid an operation: the store has to be freed.");
  }
  return CHIMERA_OK;
}

int caught(Store& store) noexcept {
  const char* what = "an unknown exception";
  int code = CHIMERA_E_MEMORY;
  try {
    throw;
  } catch (const std::bad_alloc&) {
    what = "There is no memory for it.";
  } catch (const std::length_error&) {
    what = "It takes more memory than there can be.";
  } catch (const std::exception& exception) {
    what = exception.what();
    code = CHIMERA_E_SYSTEM;
  } catch (...) {
    code = CHIMERA_E_SYSTEM;
  }
  return fail(store, store.state() == Store::State::broken ? CHIMERA_E_BROKEN : code, what);
}

namespace {

/// The caller's disk, which reports from now on; null if the options name none.
Outcome<std::unique_ptr<CallerDisk>> take_disk(Store& store, const chimera_options& options) {
  std::unique_ptr<CallerDisk> disk;
  if (options.disk != nullptr) {
    auto made = CallerDisk::make(*options.disk);
    if (!made) return std::unexpected(std::move(made.error()));
    disk = std::move(*made);
  }
  store.expect_reports(disk.get());
  return disk;
}

/// While a disk is being opened or formatted its reports come here; unless the store is open then, they end with this.
class Reports {
 public:
  explicit Reports(Store& store) : store_(store) {}
  ~Reports() {
    if (store_.state() == Store::State::closed) store_.expect_reports(nullptr);
  }
  Reports(const Reports&) = delete;
  Reports& operator=(const Reports&) = delete;

 private:
  Store& store_;
};

/// Reads the options, takes the disk and hands both to `work`.
template <class Work>
int with_place(Store& store, const char* path, const chimera_options* given, const Work& work) {
  const auto options = read_options(given);
  if (!options) return fail(store, options.error());
  if (const auto place = check_place(path, *options); !place) return fail(store, place.error());
  const Reports reports(store);
  auto disk = take_disk(store, *options);
  if (!disk) return fail(store, disk.error());
  return work(std::move(*disk), *options);
}

const char* call_failure_name(int code) noexcept {
  switch (code) {
    case CHIMERA_E_ARGUMENT: return "bad argument";
    case CHIMERA_E_STATE: return "not possible now";
    case CHIMERA_E_THREAD: return "another thread's";
    case CHIMERA_E_REENTERED: return "called from a callback";
    case CHIMERA_E_PROGRAM: return "bad program";
    case CHIMERA_E_OPEN: return "cannot be opened";
    case CHIMERA_E_SYSTEM: return "refused by the system";
    case CHIMERA_E_MEMORY: return "no memory";
    case CHIMERA_E_LOST: return "connection lost";
    case CHIMERA_E_BROKEN: return "broken";
    default: return "unknown status";
  }
}

}  // namespace
}  // namespace chimera::embed

using namespace chimera::embed;

const char* chimera_status_name(int status) {
  if (status < 0) return call_failure_name(status);
  if (status >= static_cast<int>(chimera::status_count)) return "unknown status";
  return chimera::status_text(static_cast<chimera::Status>(status)).data();
}

const char* chimera_version(void) {
  static_assert(chimera::vm::version[0] == 0 && chimera::vm::version[1] == 1 && chimera::vm::version[2] == 0);
  return "0.1.0";
}

chimera_store* chimera_new(void) { return make_handle<chimera_store>(); }

void chimera_free(chimera_store* store) {
  if (store == nullptr || !store->belongs_to_caller() || store->is_entered) return;
  // Its disk's close must not call back.
  store->is_entered = true;
  delete store;
}

const char* chimera_error(const chimera_store* store) {
  if (store == nullptr) return "There is no store: no memory, perhaps.";
  if (!store->belongs_to_caller()) return "The store belongs to another thread or process.";
  return store->is_entered ? "A callback must not call this." : store->error.text();
}

int chimera_format(chimera_store* store, const char* path, const chimera_options* options) {
  if (store == nullptr) return CHIMERA_E_ARGUMENT;
  return enter(*store, Needs::closed, [&] {
    return with_place(*store, path, options, [&](std::unique_ptr<CallerDisk> disk, const chimera_options& wanted) {
      const auto formatted = format_store(path, std::move(disk), wanted);
      return formatted ? CHIMERA_OK : fail(*store, formatted.error());
    });
  });
}

int chimera_open(chimera_store* store, const char* path, const chimera_options* options) {
  if (store == nullptr) return CHIMERA_E_ARGUMENT;
  return enter(*store, Needs::closed, [&] {
    return with_place(*store, path, options, [&](std::unique_ptr<CallerDisk> disk, const chimera_options& wanted) {
      auto host = open_machine(path, std::move(disk), wanted);
      if (!host) return fail(*store, host.error());
      store->open(std::move(*host));
      return static_cast<int>(CHIMERA_OK);
    });
  });
}

int chimera_connect(chimera_store* store, const char* address) {
  if (store == nullptr) return CHIMERA_E_ARGUMENT;
  return enter(*store, Needs::closed, [&] {
    if (address == nullptr) return fail(*store, CHIMERA_E_ARGUMENT, "There is no address.");
    auto host = connect_server(address);
    if (!host) return fail(*store, host.error());
    store->open(std::move(*host));
    return static_cast<int>(CHIMERA_OK);
  });
}

int chimera_close(chimera_store* store) {
  if (store == nullptr) return CHIMERA_E_ARGUMENT;
  return enter(*store, Needs::open, [&] {
    if (store->has_under_way()) {
      return fail(*store, CHIMERA_E_STATE, "Programs are under way: reap them first, or free the store.");
    }
    const auto closed = store->close();
    return closed ? CHIMERA_OK : fail(*store, closed.error());
  });
}

int chimera_descriptor(chimera_store* store) {
  if (store == nullptr) return CHIMERA_E_ARGUMENT;
  return enter(*store, Needs::open, [&] {
    const auto descriptor = store->descriptor();
    return descriptor ? *descriptor : fail(*store, descriptor.error());
  });
}

int chimera_disk_done(chimera_store* store, uint64_t ticket, int error) {
  if (store == nullptr) return CHIMERA_E_ARGUMENT;
  CallerDisk* const disk = store->reporting();
  return disk != nullptr && disk->done(ticket, error) ? CHIMERA_OK : CHIMERA_E_ARGUMENT;
}
