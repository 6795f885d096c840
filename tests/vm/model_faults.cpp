// All that can be wrong with an instruction.

#include <algorithm>

#include "isa/limits.h"
#include "isa/opcodes.h"
#include "isa/text.h"
#include "tests/vm/model.h"

namespace chimera::vm::testing {
namespace {

using Op = Operation;

bool is_one_of(Op operation, std::initializer_list<Op> list) {
  return std::ranges::find(list, operation) != list.end();
}

bool passes(std::uint64_t offset, std::uint64_t count, std::uint64_t limit) {
  return offset > limit || count > limit - offset;
}

}  // namespace

void Model::find_early_faults(Case& c) {
  const Instruction& i = c.instruction;
  switch (i.operation) {
    case Op::copy_bytes:
      if (i.count > limits::largest_transfer &&
          (i.offset % 4096 != 0 || i.second_offset % 4096 != 0 || i.count % 4096 != 0)) {
        c.wrong.insert(Status::too_large);
      }
      break;
    case Op::hello:
      if (!i.payload.empty()) c.wrong.insert(Status::denied);
      break;
    case Op::journal_record: c.wrong.insert(Status::denied); break;
    case Op::extension: c.wrong.insert(Status::unsupported); break;
    default: break;
  }
}

void Model::find_name_faults(Case& c, const std::vector<std::string>& names) {
  std::set<std::string> seen;
  for (const std::string& name : names) {
    if (!is_valid_name(name)) c.wrong.insert(Status::bad_text);
    const bool own =
        c.instruction.operation == Op::rename_device && c.first != nullptr && c.first->device->name == name;
    if ((devices_.contains(name) && !own) || !seen.insert(name).second) c.wrong.insert(Status::exists);
  }
}

void Model::find_catalogue_faults(Case& c) {
  const Instruction& i = c.instruction;
  const bool full = c.session.open.size() >= limits::most_open_devices;
  switch (i.operation) {
    case Op::open_device: {
      const auto found = devices_.find(std::string(i.name));
      if (!is_valid_name(i.name)) c.wrong.insert(Status::bad_text);
      if (found == devices_.end()) {
        c.wrong.insert(Status::not_found);
      } else if (full && !c.session.open.contains(found->second->uuid)) {
        c.wrong.insert(Status::too_many_open);
      }
      break;
    }
    case Op::create_device:
      if (full) c.wrong.insert(Status::too_many_open);
      if (i.has_options) {
        const auto options = parse_create_options(i.options);
        if (!options) c.wrong.insert(Status::bad_text);
        if (options && options->kind == DeviceKind::file) find_file_faults(c, options->path);
      }
      if (i.has_device && find(i.device) != nullptr) c.wrong.insert(Status::exists);
      find_name_faults(c, {std::string(i.name)});
      break;
    case Op::clone_device:
    case Op::rename_device: find_name_faults(c, {std::string(i.name)}); break;
    case Op::snapshot: {
      std::vector<std::string> names;
      for (const auto& [origin, name] : c.origins) {
        names.push_back(name);
        if (origin->kind == "file") c.wrong.insert(Status::unsupported);
      }
      find_name_faults(c, names);
      break;
    }
    case Op::list_devices:
      if (!i.name.empty() && !is_valid_name(i.name)) c.wrong.insert(Status::bad_text);
      if (!i.second_name.empty() && !is_valid_name(i.second_name)) c.wrong.insert(Status::bad_text);
      break;
    default: break;
  }
}

/// A file is served by one device at a time.
void Model::find_file_faults(Case& c, const std::string& path) {
  const auto serves = [&](const auto& device) { return device.second->path == path; };
  if (std::ranges::any_of(devices_, serves)) c.wrong.insert(Status::busy);
}

bool Model::open_elsewhere(const Case& c) const {
  return std::ranges::any_of(sessions_, [&c](const auto& entry) {
    const Uuid& uuid = c.first->device->uuid;
    return entry.first != c.session_number &&
           (entry.second.open.contains(uuid) || entry.second.opened_within.contains(uuid));
  });
}

void Model::find_device_faults(Case& c) {
  const Instruction& i = c.instruction;
  const ModelDevice& device = *c.first->device;
  const bool changes = row_of(i.operation).has(properties::writes) &&
                       !is_one_of(i.operation, {Op::rename_device, Op::copy_bytes, Op::roll_back_device});
  if (changes && device.read_only) c.wrong.insert(Status::read_only);
  switch (i.operation) {
    case Op::copy_bytes:
      if (c.second->device->read_only) c.wrong.insert(Status::read_only);
      if ((device.kind != c.second->device->kind || device.kind == "file") && i.count > limits::largest_transfer)
        c.wrong.insert(Status::unsupported);
      break;
    case Op::clone_device:
      if (device.kind == "file") c.wrong.insert(Status::unsupported);
      break;
    case Op::roll_back_device:
      if (device.read_only) c.wrong.insert(Status::read_only);
      if (device.family != c.second->device->family) c.wrong.insert(Status::unsupported);
      break;
    case Op::compare_devices:
      if (device.kind != c.second->device->kind || device.kind == "file") c.wrong.insert(Status::unsupported);
      break;
    case Op::delete_device:
      if (open_elsewhere(c)) c.wrong.insert(Status::busy);
      break;
    case Op::protect_device:
      if (i.payload[0] > 1) c.wrong.insert(Status::out_of_range);
      break;
    default: break;
  }
}

/// Everything that depends on the place and on what stands there.
void Model::find_range_faults(Case& c) {
  const Instruction& i = c.instruction;
  const ModelDevice& device = *c.first->device;
  const auto must_fit = [&c](std::uint64_t offset, std::uint64_t limit) {
    if (passes(offset, c.instruction.count, limit)) c.wrong.insert(Status::out_of_range);
  };
  const auto must_match = [&c, &i](const ModelBytes& bytes) {
    if (!c.wrong.contains(Status::out_of_range) &&
        !std::ranges::equal(bytes.read(c.offset, i.payload.size()), i.payload)) {
      c.wrong.insert(Status::mismatch);
    }
  };
  switch (i.operation) {
    case Op::read_byte:
    case Op::read_bytes:
    case Op::read_extents:
    case Op::read_digest:
    case Op::swap_byte:
    case Op::swap_bytes: must_fit(c.offset, device.length); break;
    case Op::check_byte:
    case Op::check_bytes:
      must_fit(c.offset, device.length);
      must_match(device.data);
      break;
    case Op::read_block:
    case Op::check_block:
    case Op::write_block:
    case Op::swap_block:
      if (c.offset % 4096 != 0) c.wrong.insert(Status::misaligned);
      must_fit(c.offset, limits::greatest_length);
      if (i.operation == Op::check_block) must_match(device.data);
      break;
    case Op::write_byte:
    case Op::write_bytes:
    case Op::append_bytes: must_fit(c.offset, device.fixed ? device.length : limits::greatest_length); break;
    case Op::clear_extents: must_fit(c.offset, limits::greatest_length); break;
    case Op::write_length:
      if (device.fixed || c.offset > limits::greatest_length) c.wrong.insert(Status::out_of_range);
      break;
    case Op::compare_devices:
      must_fit(c.offset, device.length);
      must_fit(c.offset, c.second->device->length);
      break;
    case Op::copy_bytes:
      must_fit(i.offset, device.length);
      must_fit(i.second_offset, c.second->device->fixed ? c.second->device->length : limits::greatest_length);
      break;
    case Op::read_metadata_bytes:
    case Op::write_metadata_bytes:
    case Op::check_metadata_bytes:
    case Op::read_metadata_extents:
    case Op::clear_metadata:
      if (i.count > 0 && c.offset + (i.count - 1) < c.offset) c.wrong.insert(Status::out_of_range);
      if (i.operation == Op::check_metadata_bytes) must_match(device.metadata);
      break;
    default: break;
  }
}

}  // namespace chimera::vm::testing
