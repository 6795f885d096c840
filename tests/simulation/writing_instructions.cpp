#include "tests/simulation/writing_instructions.h"

#include <array>
#include <vector>

#include "tests/devices/pool_rig.h"

namespace chimera::simulation {
namespace {

using devices::testing::pattern;

constexpr std::uint64_t block = limits::block_size;

/// The bytes of what is written, different for each instruction.
std::vector<std::uint8_t> some(std::uint64_t number, std::size_t size) { return pattern(1000 + number, size); }

struct OneBlock {
  explicit OneBlock(std::uint64_t number) : bytes(some(number, block)) {}
  operator Program::Block() const { return Program::Block(bytes); }
  std::vector<std::uint8_t> bytes;
};

using D = const TwoDevices&;

constexpr auto all = std::to_array<WritingInstruction>({
    {"write byte", [](Program& p, D d) { p.write_byte(d.a, 10, 1); }},
    {"write byte far behind the end", [](Program& p, D d) { p.write_byte(d.b, 300 * block, 2); }},
    {"write bytes over a block's end", [](Program& p, D d) { p.write_bytes(d.a, block - 96, some(1, 200)); }},
    // So many that a record names them; fewer stand in it.
    {"write bytes of eight blocks", [](Program& p, D d) { p.write_bytes(d.b, 100, some(2, 7 * block)); }},
    {"write block", [](Program& p, D d) { p.write_block(d.a, 0, OneBlock(3)); }},
    {"write block, the same", [](Program& p, D d) { p.write_block(d.a, 0, OneBlock(4)); }},
    {"write block behind the end", [](Program& p, D d) { p.write_block(d.a, 300 * block, OneBlock(5)); }},
    {"write block of the other", [](Program& p, D d) { p.write_block(d.b, block, OneBlock(6)); }},
    {"swap byte", [](Program& p, D d) { p.swap_byte(d.a, 5, 3); }},
    {"swap bytes", [](Program& p, D d) { p.swap_bytes(d.b, 2 * block - 10, some(7, 20)); }},
    {"swap block", [](Program& p, D d) { p.swap_block(d.a, block, OneBlock(8)); }},
    {"append bytes", [](Program& p, D d) { p.append_bytes(d.a, some(9, 10)); }},
    {"append bytes of a block and more", [](Program& p, D d) { p.append_bytes(d.b, some(10, 5000)); }},
    {"clear a block", [](Program& p, D d) { p.clear_extents(d.a, 0, block); }},
    {"clear from within to within", [](Program& p, D d) { p.clear_extents(d.a, 100, 2 * block); }},
    {"clear all", [](Program& p, D d) { p.clear_extents(d.b, 0, 400 * block); }},
    {"write length, into a block", [](Program& p, D d) { p.write_length(d.a, block + 900); }},
    {"write length 0", [](Program& p, D d) { p.write_length(d.b, 0); }},
    {"write length, more", [](Program& p, D d) { p.write_length(d.a, 20'000); }},
    {"write metadata", [](Program& p, D d) { p.write_metadata(d.a, 7, 4); }},
    {"write metadata bytes", [](Program& p, D d) { p.write_metadata_bytes(d.a, block - 96, some(11, 200)); }},
    {"write metadata bytes at the end", [](Program& p, D d) { p.write_metadata_bytes(d.b, -100, some(12, 100)); }},
    {"clear metadata", [](Program& p, D d) { p.clear_metadata(d.a, 0, ~std::uint64_t{0}); }},
    {"write columns", [](Program& p, D d) { p.write_columns(d.a, "other columns"); }},
    {"write columns of two blocks", [](Program& p, D d) { p.write_columns(d.b, std::string(5000, 'c')); }},
    {"copy bytes", [](Program& p, D d) { p.copy_bytes(d.a, 10, d.b, block - 5, 1000); }},
    {"copy blocks", [](Program& p, D d) { p.copy_bytes(d.a, 0, d.b, block, 2 * block); }},
    {"copy blocks over themselves", [](Program& p, D d) { p.copy_bytes(d.b, 0, d.b, block, 2 * block); }},
    {"clone", [](Program& p, D d) { p.clone_device(d.a, "c"); }},
    {"roll back to the clone", [](Program& p, D d) { p.roll_back_device(d.a, d.b); }},
    {"roll back to the origin", [](Program& p, D d) { p.roll_back_device(d.b, d.a); }},
    {"create", [](Program& p, D) { p.create_device("e", "columns"); }},
    {"create of a fixed length", [](Program& p, D) { p.create_device("f", {}, "size=10000"); }},
    {"delete", [](Program& p, D d) { p.delete_device(d.a); }},
    {"delete by force", [](Program& p, D d) { p.delete_device_by_force(d.b); }},
    {"rename", [](Program& p, D d) { p.rename_device(d.a, "g"); }},
    {"rename to the other's name", [](Program& p, D d) { p.rename_device(d.b, "a"); }},
    {"protect", [](Program& p, D d) { p.protect_device(d.a, true); }},
    {"snapshot",
     [](Program& p, D d) {
       const std::array<Program::DeviceName, 2> both{{{d.a, "s"}, {d.b, "t"}}};
       p.snapshot(both);
     }},
    {"flush", [](Program& p, D d) { p.flush_device(d.a); }},
});
static_assert(all.size() == 40);

}  // namespace

std::span<const WritingInstruction> writing_instructions() { return all; }

}  // namespace chimera::simulation
