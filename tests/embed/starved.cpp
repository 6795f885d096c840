#include "tests/embed/starved.h"

#include <cstdlib>
#include <new>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/lsan_interface.h>
#endif

namespace chimera_testing {
namespace {

// Of this thread alone: a server that runs beside has its memory.
thread_local bool is_starved = false;
thread_local std::uint64_t allocations = 0;
thread_local std::uint64_t first_to_fail = 0;
thread_local std::uint64_t last_to_fail = 0;

void* allocate(std::size_t size, std::size_t alignment) {
  if (is_starved) {
    ++allocations;
    if (allocations >= first_to_fail && allocations <= last_to_fail) return nullptr;
  }
  return alignment == 0 ? std::malloc(size == 0 ? 1 : size) : std::aligned_alloc(alignment, size);
}

void* allocate_or_throw(std::size_t size, std::size_t alignment = 0) {
  void* const memory = allocate(size, alignment);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

Starved::Starved(std::uint64_t first, std::uint64_t last) {
#if defined(__SANITIZE_ADDRESS__)
  __lsan_disable();
#endif
  allocations = 0;
  first_to_fail = first;
  last_to_fail = last;
  is_starved = true;
}

Starved::~Starved() {
  is_starved = false;
#if defined(__SANITIZE_ADDRESS__)
  __lsan_enable();
#endif
}

std::uint64_t Starved::count() { return allocations; }

}  // namespace chimera_testing

using chimera_testing::allocate;
using chimera_testing::allocate_or_throw;

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
