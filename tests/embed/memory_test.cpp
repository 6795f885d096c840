// There is no memory, at any moment: every call answers, nothing crashes, and what was durable is there afterwards. A
// program of its own, because it takes the place of `new`.

#include <doctest/doctest.h>

#include <cstdlib>
#include <memory>
#include <new>

#include "include/chimera.hpp"
#include "tests/embed/own_disk.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/lsan_interface.h>
#endif

using namespace chimera_testing;

namespace {

bool is_armed = false;          ///< within a call of the library
std::uint64_t allocations = 0;  ///< in armed calls so far
std::uint64_t first_to_fail = 0;
std::uint64_t last_to_fail = 0;

bool has_memory() {
  if (!is_armed) return true;
  ++allocations;
  return allocations < first_to_fail || allocations > last_to_fail;
}

void* allocate(std::size_t size, std::size_t alignment) {
  if (!has_memory()) return nullptr;
  return alignment == 0 ? std::malloc(size == 0 ? 1 : size) : std::aligned_alloc(alignment, size);
}

void* allocate_or_throw(std::size_t size, std::size_t alignment = 0) {
  void* const memory = allocate(size, alignment);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

void* operator new(std::size_t size) { return allocate_or_throw(size); }
void* operator new[](std::size_t size) { return allocate_or_throw(size); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return allocate(size, 0); }
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept { return allocate(size, 0); }
void* operator new(std::size_t size, std::align_val_t alignment) {
  return allocate_or_throw(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

namespace {

constexpr std::uint64_t disk_size = 32ull << 20;

/// While it lives memory may be refused. A store that is broken keeps what it has: that is no leak to be told.
class Armed {
 public:
  Armed() {
#if defined(__SANITIZE_ADDRESS__)
    __lsan_disable();
#endif
    is_armed = true;
  }
  ~Armed() {
    is_armed = false;
#if defined(__SANITIZE_ADDRESS__)
    __lsan_enable();
#endif
  }
  Armed(const Armed&) = delete;
  Armed& operator=(const Armed&) = delete;
};

chimera_options on(OwnDisk& disk, chimera_store* store) {
  chimera_options options = chimera::Store::options();
  options.disk = disk.for_store(store);
  options.cache_bytes = 128ull << 20;
  return options;
}

bool is_answer(int status) { return status >= CHIMERA_E_BROKEN && status <= CHIMERA_NO_CURSOR; }

/// Everything that a host does, one thing after the other, whatever comes of the last.
void live(OwnDisk& disk) {
  const char* const text =
      "open device \"d\"\nread bytes @0 #5\nwrite bytes @2M \"third\"\nbegin\nwrite bytes @3M \"fourth\"\n"
      "create device \"e\" \"\"\ncommit\nread bytes @0 #0\nclone device \"f\"\nlist devices \"\" \"\" #9\n"
      "delete device\nsync\ndescribe store";
  const Armed armed;
  bool is_right = true;
  const auto has = [&](int status) { is_right = is_right && is_answer(status); };
  chimera_store* const store = chimera_new();
  chimera_program* const program = chimera_program_new();
  if (program != nullptr) has(chimera_assemble(program, text));
  if (store != nullptr) {
    const chimera_options options = on(disk, store);
    has(chimera_open(store, nullptr, &options));
    chimera_session* const session = chimera_session_new(store);
    chimera_session* const second = chimera_session_new(store);
    has(chimera_descriptor(store) < 0 ? CHIMERA_E_SYSTEM : CHIMERA_OK);
    chimera_answers answers;
    has(chimera_run(session, program, &answers));
    for (int n = 0; n < 3; ++n) has(chimera_submit(n == 1 ? second : session, program, nullptr));
    chimera_result results[4];
    for (int n = 0; n < 6; ++n) {
      const int count = chimera_reap(store, results, 4, 1000);
      has(count < 0 ? count : CHIMERA_OK);
    }
    chimera_session_free(second);
    has(chimera_close(store));
    is_right = is_right && *chimera_error(store) != '\1';
    chimera_free(store);
  }
  chimera_program_free(program);
  is_armed = false;
  CHECK(is_right);
}

std::vector<std::uint8_t> make_content() {
  OwnDisk disk(disk_size);
  chimera::Store store;
  REQUIRE(store.format(nullptr, on(disk, store.get())) == CHIMERA_OK);
  REQUIRE(store.open(nullptr, on(disk, store.get())) == CHIMERA_OK);
  chimera::Session session(store);
  chimera::Program program;
  program.assemble(
      "create device \"d\" \"\"\nwrite bytes @0 \"first\"\nsync\nwrite bytes @1M \"second\"\nflush device");
  REQUIRE(session.run(program) == CHIMERA_OK);
  // Not closed: there is something to be replayed when it is opened.
  return disk.content();
}

void check_content(OwnDisk& disk) {
  chimera::Store store;
  REQUIRE_MESSAGE(store.open(nullptr, on(disk, store.get())) == CHIMERA_OK, store.error());
  chimera::Session session(store);
  chimera::Program program;
  program.assemble("open device \"d\"\ncheck bytes @0 \"first\"\ncheck bytes @1M \"second\"");
  CHECK_MESSAGE(session.run(program) == CHIMERA_OK, store.error());
  CHECK(store.close() == CHIMERA_OK);
}

void starve(std::uint64_t first, std::uint64_t last, const std::vector<std::uint8_t>& content) {
  CAPTURE(first);
  CAPTURE(last);
  OwnDisk disk(content);
  allocations = 0;
  first_to_fail = first;
  last_to_fail = last;
  live(disk);
  first_to_fail = last_to_fail = 0;
  check_content(disk);
}

}  // namespace

TEST_CASE("each allocation fails in turn, alone or with those behind it") {
  const std::vector<std::uint8_t> content = make_content();
  starve(0, 0, content);
  const std::uint64_t all = allocations;
  REQUIRE(all > 500);
  MESSAGE(all);
  // Every one at first, then one in so many: there are thousands.
  for (std::uint64_t nth = 1; nth <= all; nth += 1 + nth / 150) {
    starve(nth, nth, content);
    starve(nth, nth + 3, content);
  }
}
