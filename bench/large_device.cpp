#include "bench/large_device.h"

#include <cstring>

#include "bench/subject.h"

namespace chimera::bench {

WriteProgram::WriteProgram(std::uint32_t count, std::size_t size) : count_(count), size_(size) {
  const std::vector<std::uint8_t> contents = large::make_contents(count * size);
  Program program;
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::span payload(contents.data() + i * size, size);
    if (size == block_size) {
      program.write_block(large::uuid(), 0, payload.first<block_size>());
    } else {
      program.write_bytes(large::uuid(), 0, payload);
    }
  }
  stride_ = program.bytes().size() / count;
  payload_place_ = stride_ - size;
  program_ = program.take();
}

void WriteProgram::set_place(std::uint32_t index, std::uint64_t first_block) {
  std::uint8_t* const at = instruction(index);
  const std::uint64_t offset = first_block * block_size;
  std::memcpy(at + offset_place, &offset, sizeof offset);
  for (std::size_t done = 0; done < size_; done += block_size, ++first_block) {
    std::memcpy(at + payload_place_ + done, &first_block, sizeof first_block);
  }
}

void write_large_device(EmbeddedStore& store, std::uint64_t bytes) {
  constexpr std::uint64_t size = 1 << 20;
  if (bytes % size != 0) fail("the device is not a multiple of 1 MiB");
  store.run(Program().create_device(large::name, {}, {}, large::uuid()));
  WriteProgram writes(1, size);
  for (std::uint64_t offset = 0; offset < bytes; offset += size) {
    writes.set_place(0, offset / block_size);
    writes.run(store);
  }
  store.run(Program().sync());
}

std::unique_ptr<Subject> fill_device(const Arguments& arguments) {
  EmbeddedStore store(arguments.text("store"), arguments.number("cache"));
  write_large_device(store, arguments.number("bytes"));
  return nullptr;
}

}  // namespace chimera::bench
