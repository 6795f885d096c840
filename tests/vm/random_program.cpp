#include "tests/vm/random_program.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "isa/bytes.h"
#include "isa/encoder.h"
#include "isa/limits.h"
#include "isa/opcodes.h"

namespace chimera::vm::testing {
namespace {

using Op = Operation;

struct Weight {
  Op operation;
  unsigned weight;
};

constexpr auto weights = std::to_array<Weight>({
    {Op::read_byte, 20},       {Op::check_byte, 6},
    {Op::read_bytes, 30},      {Op::check_bytes, 12},
    {Op::read_block, 16},      {Op::check_block, 6},
    {Op::read_columns, 3},     {Op::read_extents, 10},
    {Op::open_device, 12},     {Op::list_devices, 4},
    {Op::read_length, 6},      {Op::describe_device, 3},
    {Op::read_metadata, 6},    {Op::read_metadata_bytes, 8},
    {Op::create_device, 8},    {Op::clone_device, 6},
    {Op::write_byte, 16},      {Op::swap_byte, 8},
    {Op::write_bytes, 36},     {Op::swap_bytes, 10},
    {Op::write_block, 24},     {Op::swap_block, 8},
    {Op::write_columns, 3},    {Op::clear_extents, 12},
    {Op::close_device, 4},     {Op::flush_device, 3},
    {Op::write_length, 8},     {Op::append_bytes, 10},
    {Op::write_metadata, 6},   {Op::write_metadata_bytes, 10},
    {Op::delete_device, 3},    {Op::sync, 2},
    {Op::copy_bytes, 14},      {Op::hello, 2},
    {Op::select_device, 6},    {Op::select_offset, 8},
    {Op::extension, 2},        {Op::read_digest, 8},
    {Op::compare_devices, 8},  {Op::read_metadata_extents, 5},
    {Op::clear_metadata, 6},   {Op::check_metadata_bytes, 6},
    {Op::rename_device, 4},    {Op::protect_device, 3},
    {Op::roll_back_device, 5}, {Op::delete_device_by_force, 2},
    {Op::snapshot, 4},         {Op::describe_store, 2},
    {Op::journal_record, 1},
});
constexpr auto transaction_operations =
    std::to_array<Op>({Op::begin, Op::commit, Op::abort, Op::commit_with_token, Op::outcome_of_token});

constexpr auto ends =
    std::to_array<Op>({Op::commit, Op::commit, Op::commit_with_token, Op::commit_with_token, Op::abort});

/// Places where a block, a map node, a level of the map or the whole range ends.
constexpr auto edges =
    std::to_array<std::uint64_t>({0, 4096, 8192, 3 * 4096, 1u << 20, 256u << 20, std::uint64_t{1} << 36,
                                  std::uint64_t{1} << 44, limits::greatest_length});

}  // namespace

Instruction RandomProgram::next(Model& model, std::size_t session) {
  const ModelSession& registers = model.session(session);
  Instruction instruction = any(model, session);
  // An error would end it, and transactions are to grow.
  for (int tries = 0; tries < 20 && registers.in_transaction && !random_.chance(2); ++tries) {
    if (model.is_sound(session, instruction)) break;
    instruction = any(model, session);
  }
  return instruction;
}

Instruction RandomProgram::any(Model& model, std::size_t session) {
  Instruction instruction;
  choose_operation(instruction);
  const ModelSession& registers = model.session(session);
  if ((registers.failed_transaction && random_.chance(30)) || (registers.in_transaction && random_.chance(8))) {
    instruction.operation = ends[random_.below(ends.size())];
  }
  if (model.devices().size() < 2 && random_.chance(50)) instruction.operation = Op::create_device;
  choose_form(instruction);
  choose_operands(instruction, model, session);
  return instruction;
}

void RandomProgram::choose_operation(Instruction& to) {
  if (options_.transactions && random_.chance(4)) {
    to.operation =
        random_.chance(70) ? Op::begin : transaction_operations[random_.below(transaction_operations.size())];
    return;
  }
  unsigned total = 0;
  for (const Weight& weight : weights) total += weight.weight;
  auto chosen = random_.below(total);
  for (const Weight& weight : weights) {
    if (chosen < weight.weight) {
      to.operation = weight.operation;
      return;
    }
    chosen -= weight.weight;
  }
}

/// Which of device and offset stand in the stream: any form that the row has.
void RandomProgram::choose_form(Instruction& to) {
  do {
    to.has_device = random_.chance(50);
    to.has_offset = random_.chance(50);
    to.has_options = random_.chance(50);
  } while (!has_form(to));
}

Uuid RandomProgram::choose_device(Model& model) {
  std::vector<Uuid> known;
  for (const auto& [name, device] : model.devices()) {
    if (name.starts_with(options_.prefix)) known.push_back(device->uuid);
  }
  if (!known.empty() && !random_.chance(3)) return known[random_.below(known.size())];
  Uuid uuid{};
  for (std::uint8_t& byte : uuid) byte = static_cast<std::uint8_t>(random_.next());
  return uuid;
}

std::uint64_t RandomProgram::choose_offset(const ModelDevice* device) {
  std::uint64_t base = edges[random_.below(edges.size())];
  if (random_.chance(70)) base = edges[random_.below(5)];
  if (device != nullptr && random_.chance(30)) base = device->length;
  if (random_.chance(1)) base = ~std::uint64_t{0};
  if (random_.chance(35)) return base / 4096 * 4096;
  const std::uint64_t span = random_.chance(50) ? 16 : 3 * 4096;
  return base + random_.below(span) - random_.below(span);  // may pass 0 or the end: that is wanted
}

std::uint64_t RandomProgram::choose_metadata_offset() {
  return random_.chance(20) ? ~std::uint64_t{0} - random_.below(8192) : choose_offset(nullptr);
}

std::uint64_t RandomProgram::choose_count(const ModelDevice* device, std::uint64_t offset) {
  switch (random_.below(8)) {
    case 0: return random_.below(3);
    case 1: return 4096 * random_.below(9);
    case 2: return random_.below(options_.largest_count);
    case 3: return 4096 + random_.below(8) - 4;
    case 4:
      // Just up to the length.
      if (device != nullptr && offset <= device->length && device->length - offset < options_.largest_count) {
        return device->length - offset + (random_.chance(20) ? 1 : 0);
      }
      [[fallthrough]];
    default: return random_.below(200);
  }
}

/// For what does not move the bytes: any size. `most` where the machine has to look at all of them.
std::uint64_t RandomProgram::choose_range(const ModelDevice* device, std::uint64_t offset, std::uint64_t most) {
  std::uint64_t count = choose_count(device, offset);
  if (random_.chance(40))
    count = random_.below(2) != 0 ? edges[random_.below(edges.size())] : 4096 * random_.below(1 << 16);
  if (device != nullptr && random_.chance(30) && offset <= device->length) count = device->length - offset;
  if (random_.chance(1)) count = ~std::uint64_t{0} - random_.below(3);
  // What is that large fits nowhere; less might fit after all, by what comes before it.
  return count > most && count < std::uint64_t{1} << 63 ? count % most : count;
}

std::vector<std::uint8_t> RandomProgram::random_bytes(std::uint64_t size) {
  std::vector<std::uint8_t> bytes(size);
  if (random_.chance(10)) return bytes;
  for (std::size_t i = 0; i < bytes.size(); i += 8) {
    const std::uint64_t word = random_.next();
    for (std::size_t j = i; j < std::min(bytes.size(), i + 8); ++j)
      bytes[j] = static_cast<std::uint8_t>(word >> (8 * (j - i)));
  }
  return bytes;
}

/// For checks often what stands there, perhaps but for one byte.
void RandomProgram::choose_payload(Instruction& to, const ModelDevice* device, std::uint64_t size,
                                   std::uint64_t offset) {
  const Row& row = row_of(to.operation);
  const bool is_check = row.has(properties::reads) && !row.has(properties::writes);
  if (!is_check || device == nullptr || random_.chance(10)) {
    to.payload = keep(random_bytes(size));
    return;
  }
  std::vector<std::uint8_t> bytes =
      (row.has(properties::metadata) ? device->metadata : device->data).read(offset, size);
  if (!bytes.empty() && random_.chance(25)) bytes[random_.below(bytes.size())] ^= 1u;
  to.payload = keep(std::move(bytes));
}

std::string_view RandomProgram::choose_new_name(Model& model) {
  if (random_.chance(4)) return keep(std::string("\x01 bad"));
  if (random_.chance(2)) return {};
  if (random_.chance(2)) return keep(std::string(256, 'x'));
  if (random_.chance(10)) return choose_existing_name(model);
  return keep(fmt::format("{}{}", options_.prefix, random_.below(3 * options_.most_devices)));
}

std::string_view RandomProgram::choose_existing_name(Model& model) {
  std::vector<std::string> known;
  for (const auto& [name, device] : model.devices()) {
    if (name.starts_with(options_.prefix)) known.push_back(name);
  }
  if (known.empty() || random_.chance(5)) return keep(fmt::format("{}-unknown", options_.prefix));
  return keep(known[random_.below(known.size())]);
}

std::string_view RandomProgram::choose_options() {
  constexpr auto options =
      std::to_array<std::string_view>({"size=10000", "size=1M", "size=256M", "size=4096", "size=0", "size=16T",
                                       "kind=memory", "kind=pool", "kind=memory,size=20K", "kind=tape",
                                       "size=", "colour=red", "size=9223372036854771712", "size=9223372036854771713"});
  constexpr auto files =
      std::to_array<std::string_view>({"kind=file,path=a", "kind=file,path=folder/b", "path=c,kind=file",
                                       "kind=file,path=../d", "kind=file", "kind=file,path=e,size=1M"});
  if (options_.files && random_.chance(60)) return files[std::min<std::uint64_t>(random_.below(12) % 9, 5)];
  return options[random_.below(options.size())];
}

void RandomProgram::choose_snapshot(Instruction& to, Model& model) {
  std::vector<std::uint8_t> list;
  to.count = random_.below(4);
  for (std::uint64_t i = 0; i < to.count; ++i) {
    const Uuid uuid = choose_device(model);
    const std::string_view name = choose_new_name(model);
    list.insert(list.end(), uuid.begin(), uuid.end());
    append_integer(list, static_cast<std::uint16_t>(name.size()));
    list.insert(list.end(), name.begin(), name.end());
  }
  to.payload = keep(std::move(list));
}

void RandomProgram::choose_operands(Instruction& to, Model& model, std::size_t session) {
  const Row& row = row_of(to.operation);
  const bool crowded = model.devices().size() >= options_.most_devices;
  if (crowded &&
      (to.operation == Op::create_device || to.operation == Op::clone_device || to.operation == Op::snapshot)) {
    to = Instruction{};
    to.operation = random_.chance(60) ? Op::delete_device_by_force : Op::delete_device;
    to.has_device = true;
    to.device = choose_device(model);
    return;
  }
  if (row.operands.has(Operand::device)) to.has_device = true;
  if (to.has_device)
    to.device = to.operation == Op::create_device && random_.chance(80) ? Uuid{} : choose_device(model);
  if (to.has_device && to.device.is_nil()) {
    for (std::uint8_t& byte : to.device) byte = static_cast<std::uint8_t>(random_.next());
  }
  to.second_device = choose_device(model);
  const ModelSession& registers = model.session(session);
  const Uuid uuid = to.has_device ? to.device : registers.current.value_or(Uuid{});
  const ModelDevice* const device = model.find(uuid);
  const ModelDevice* const second = model.find(to.second_device);

  const bool metadata = row.has(properties::metadata);
  to.offset = metadata ? choose_metadata_offset() : choose_offset(device);
  to.second_offset = choose_offset(second);
  std::uint64_t place = to.offset;
  if (!to.has_offset && !row.operands.has(Operand::offset) && registers.open.contains(uuid)) {
    place = registers.open.at(uuid).cursor.value_or(0);
  }
  if (row.access == Access::block && to.has_offset && !random_.chance(5)) place = to.offset = to.offset / 4096 * 4096;

  const bool moves = row.operands.has(Operand::count32) || row.operands.has(Operand::bytes);
  if (moves) {
    to.count = choose_count(metadata ? nullptr : device, place);
  } else {
    const bool looks_at_all = to.operation == Op::read_digest;
    to.count = choose_range(metadata ? nullptr : device, place, looks_at_all ? 3u << 20 : ~std::uint64_t{0});
  }
  if (to.operation == Op::read_bytes && random_.chance(1)) to.count = limits::largest_transfer + 1;
  if (to.operation == Op::list_devices) to.count = random_.below(12);
  if (to.operation == Op::copy_bytes && random_.chance(60)) {
    to.offset = to.offset / 4096 * 4096;
    to.second_offset = to.second_offset / 4096 * 4096;
    to.count = to.count / 4096 * 4096;
  } else if (to.operation == Op::copy_bytes && random_.chance(90)) {
    to.count %= options_.largest_count;
  }
  const bool shares = (to.offset | to.second_offset | to.count) % 4096 == 0;
  if (to.operation == Op::copy_bytes && shares) to.count = std::min(to.count, options_.largest_share);
  if (row.operands.has(Operand::bytes)) choose_payload(to, device, to.count, place);
  if (row.operands.has(Operand::block)) choose_payload(to, device, 4096, place);
  if (row.operands.has(Operand::value8)) choose_payload(to, device, 1, place);
  if (row.operands.has(Operand::token)) to.payload = keep(random_token());
  if (to.operation == Op::protect_device) {
    to.payload =
        keep(std::vector<std::uint8_t>{static_cast<std::uint8_t>(random_.chance(5) ? 2 : random_.below(4) == 0)});
  }
  if (to.operation == Op::hello && random_.chance(20)) to.payload = keep(random_bytes(5));
  if (to.operation == Op::extension) to.extension = 0x77;
  if (to.operation == Op::journal_record) to.extension = 0x80;
  if (to.operation == Op::extension || to.operation == Op::journal_record)
    to.payload = keep(random_bytes(random_.below(50)));
  if (to.operation == Op::snapshot) choose_snapshot(to, model);

  if (row.operands.has(Operand::name)) {
    to.name = to.operation == Op::open_device ? choose_existing_name(model) : choose_new_name(model);
  }
  if (row.operands.has(Operand::prefix)) to.name = keep(options_.prefix);
  if (row.operands.has(Operand::after) && random_.chance(50)) to.second_name = choose_new_name(model);
  if (row.operands.has(Operand::columns))
    to.text = keep(std::string(random_.below(random_.chance(5) ? 20000 : 30), 'c'));
  if (to.has_options) to.options = choose_options();
}

/// Some come again; those of sessions that run at the same time are different.
std::vector<std::uint8_t> RandomProgram::random_token() {
  std::vector<std::uint8_t> token = random_bytes(16);
  if (random_.chance(50)) std::ranges::fill(token, static_cast<std::uint8_t>(random_.below(4)));
  std::copy(options_.prefix.begin(), options_.prefix.end(), token.begin());
  return token;
}

}  // namespace chimera::vm::testing
