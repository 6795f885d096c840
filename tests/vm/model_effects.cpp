// What an instruction that is all right does, and answers.

#include <openssl/sha.h>

#include <algorithm>
#include <cstring>
#include <tuple>

#include <fmt/format.h>
#include <boost/uuid/uuid_io.hpp>
#include <nlohmann/json.hpp>

#include "isa/bytes.h"
#include "isa/limits.h"
#include "isa/opcodes.h"
#include "isa/text.h"
#include "tests/vm/model.h"

namespace chimera::vm::testing {
namespace {

using Op = Operation;

void append_text(std::vector<std::uint8_t>& to, std::string_view text) {
  to.insert(to.end(), text.begin(), text.end());
}

}  // namespace

/// Writes; past the length a device grows, but a fixed one ignores what of a block lies there.
void Model::write(ModelDevice& device, std::uint64_t offset, std::vector<std::uint8_t> bytes, bool is_block) {
  if (is_block && device.fixed) {
    bytes.resize(offset >= device.length ? 0 : std::min<std::uint64_t>(bytes.size(), device.length - offset));
  }
  if (bytes.empty()) return;
  device.data.write(offset, bytes);
  device.length = std::max(device.length, offset + bytes.size());
}

void Model::carry_out_on_data(Case& c) {
  if (c.first == nullptr) return;
  const Instruction& i = c.instruction;
  ModelDevice& device = *c.first->device;
  const std::vector<std::uint8_t> payload(i.payload.begin(), i.payload.end());
  const bool is_block = row_of(i.operation).access == Access::block;
  switch (i.operation) {
    case Op::swap_byte:
    case Op::swap_bytes:
    case Op::swap_block:
      c.result = device.data.read(c.offset, i.count);
      write(device, c.offset, payload, is_block);
      break;
    case Op::read_byte:
    case Op::read_bytes:
    case Op::read_block: c.result = device.data.read(c.offset, i.count); break;
    case Op::check_byte:
    case Op::check_bytes:
    case Op::check_block: break;
    case Op::write_byte:
    case Op::write_bytes:
    case Op::write_block: write(device, c.offset, payload, is_block); break;
    case Op::append_bytes:
      append_integer(c.result, device.length);
      write(device, c.offset, payload, false);
      break;
    case Op::clear_extents:
      if (c.offset < device.length) device.data.clear(c.offset, std::min(i.count, device.length - c.offset));
      break;
    case Op::read_digest: {
      const std::vector<std::uint8_t> bytes = device.data.read(c.offset, i.count);
      c.result.resize(32);
      SHA256(bytes.data(), bytes.size(), c.result.data());
      break;
    }
    case Op::copy_bytes: {
      ModelDevice& target = *c.second->device;
      if (device.kind == target.kind && i.count % 4096 == 0 && i.offset % 4096 == 0 && i.second_offset % 4096 == 0) {
        target.data.copy_blocks(i.second_offset, device.data, i.offset, i.count);
        if (i.count > 0) target.length = std::max(target.length, i.second_offset + i.count);
      } else {
        write(target, i.second_offset, device.data.read(i.offset, i.count), false);
      }
      c.first->cursor = i.offset + i.count;
      c.second->cursor = i.second_offset + i.count;
      return;
    }
    case Op::read_extents: judge_extents(c, device.data); return;
    case Op::compare_devices: judge_differences(c); return;
    default: return;
  }
  c.first->cursor = c.offset + i.count;
}

void Model::carry_out_on_metadata(Case& c) {
  if (c.first == nullptr) return;
  const Instruction& i = c.instruction;
  ModelBytes& metadata = c.first->device->metadata;
  switch (i.operation) {
    case Op::read_metadata:
    case Op::read_metadata_bytes: c.result = metadata.read(i.offset, i.count); break;
    case Op::write_metadata:
    case Op::write_metadata_bytes: metadata.write(i.offset, i.payload); break;
    case Op::clear_metadata: metadata.clear(i.offset, i.count); break;
    case Op::read_metadata_extents: judge_extents(c, metadata); break;
    default: break;
  }
}

void Model::carry_out_on_device(Case& c) {
  if (c.first == nullptr) return;
  const Instruction& i = c.instruction;
  const ModelDevicePointer device = c.first->device;
  switch (i.operation) {
    case Op::read_columns:
      append_integer(c.result, static_cast<std::uint32_t>(device->columns.size()));
      append_text(c.result, device->columns);
      break;
    case Op::write_columns: device->columns = i.text; break;
    case Op::read_length: append_integer(c.result, device->length); break;
    case Op::write_length:
      if (i.offset < device->length) device->data.clear(i.offset, device->length - i.offset);
      device->length = i.offset;
      break;
    case Op::select_offset: c.first->cursor = i.offset; break;
    case Op::close_device:
      c.session.open.erase(device->uuid);
      c.session.current.reset();
      break;
    case Op::delete_device:
    case Op::delete_device_by_force:
      c.session.open.erase(device->uuid);
      c.session.current.reset();
      remove(device);
      break;
    case Op::describe_device: judge_description(c); break;
    case Op::protect_device: device->read_only = i.payload[0] == 1; break;
    case Op::rename_device:
      devices_.erase(device->name);
      device->name = i.name;
      devices_[device->name] = device;
      break;
    case Op::roll_back_device: {
      const ModelDevice& content = *c.second->device;
      device->data = ModelBytes(content.data);
      device->metadata = ModelBytes(content.metadata);
      device->columns = std::string(content.columns);
      device->length = content.length;
      break;
    }
    case Op::clone_device: add_clone(*device, std::string(i.name), new_uuid(c, 0)); break;
    default: break;
  }
}

void Model::carry_out_on_catalogue(Case& c) {
  const Instruction& i = c.instruction;
  switch (i.operation) {
    case Op::open_device: {
      const ModelDevicePointer device = devices_.at(std::string(i.name));
      c.session.open.try_emplace(device->uuid, ModelSession::Open{device, 0});
      c.session.current = device->uuid;
      c.session.current_deleted = false;
      c.result.assign(device->uuid.begin(), device->uuid.end());
      break;
    }
    case Op::create_device: {
      auto device = std::make_shared<ModelDevice>();
      device->name = i.name;
      device->columns = i.text;
      if (i.has_options) {
        const CreateOptions options = *parse_create_options(i.options);
        device->fixed = options.size.has_value();
        device->length = options.size.value_or(0);
        device->kind = options.kind == DeviceKind::memory || memory_only_ ? "memory" : "pool";
        if (options.kind == DeviceKind::file) {
          device->kind = "file";
          device->path = options.path;
          std::tie(device->data, device->length) = files_[options.path];
        }
      } else if (memory_only_) {
        device->kind = "memory";
      }
      device->uuid = new_uuid(c, 0);
      if (i.has_device && device->uuid != i.device) c.problem = "it has not the UUID that was asked for";
      // With the UUID of one that was it is of its family too.
      device->family = families_.try_emplace(device->uuid, static_cast<int>(families_.size())).first->second;
      devices_[device->name] = device;
      c.session.open[device->uuid] = {device, 0};
      c.session.current = device->uuid;
      c.session.current_deleted = false;
      break;
    }
    case Op::snapshot:
      for (std::size_t n = 0; n < c.origins.size(); ++n) {
        add_clone(*c.origins[n].first, c.origins[n].second, new_uuid(c, n));
      }
      break;
    case Op::list_devices: {
      std::uint32_t count = 0;
      std::vector<std::uint8_t> entries;
      for (const auto& [name, device] : devices_) {
        if (count == i.count || !name.starts_with(i.name) || name <= i.second_name) continue;
        ++count;
        entries.insert(entries.end(), device->uuid.begin(), device->uuid.end());
        append_integer(entries, static_cast<std::uint16_t>(name.size()));
        append_text(entries, name);
      }
      append_integer(c.result, count);
      c.result.insert(c.result.end(), entries.begin(), entries.end());
      break;
    }
    case Op::hello: {
      const Greeting greeting = greeting_of(c.actual);
      c.result_judged = true;
      if (greeting.block_size != 4096 || greeting.largest_transfer != 32u << 20 || greeting.features != 1 ||
          greeting.most_open_devices != limits::most_open_devices || greeting.session == 0) {
        c.problem = "the greeting is wrong";
      }
      break;
    }
    case Op::describe_store: judge_description(c); break;
    default: break;
  }
}

void Model::remove(const ModelDevicePointer& device) {
  device->deleted = true;
  devices_.erase(device->name);
  if (device->kind == "file") files_[device->path] = {device->data, device->length};
  for (auto& [number, session] : sessions_) {
    const auto open = session.open.find(device->uuid);
    if (open == session.open.end() || open->second.device != device) continue;
    session.open.erase(open);
    if (session.current != device->uuid) continue;
    session.current.reset();
    session.current_deleted = true;
  }
}

void Model::add_clone(const ModelDevice& origin, const std::string& name, const Uuid& uuid) {
  auto clone = std::make_shared<ModelDevice>(origin);
  clone->name = name;
  clone->uuid = uuid;
  clone->read_only = false;
  devices_[name] = clone;
}

/// A UUID that the machine made up: the one at that index of its answer.
Uuid Model::new_uuid(Case& c, std::size_t index) {
  Uuid uuid{};
  if (c.actual.result.size() < 16 * (index + 1)) {
    c.problem = "a UUID is missing";
    return uuid;
  }
  std::copy_n(c.actual.result.begin() + static_cast<std::ptrdiff_t>(16 * index), 16, uuid.begin());
  if (uuid.is_nil() || find(uuid) != nullptr) c.problem = "the new UUID is not new";
  c.result.insert(c.result.end(), uuid.begin(), uuid.end());
  return uuid;
}

/// Extents may stop early and may call data what is zeros by chance; what they call zeros is zeros, and what was never
/// written is not called data.
void Model::judge_extents(Case& c, const ModelBytes& bytes) {
  c.result_judged = true;
  std::uint64_t offset = c.offset;
  std::uint64_t left = c.instruction.count;
  for (const chimera::Extent& extent : extents_of(c.actual)) {
    if (extent.length == 0 || extent.length > left || extent.flags > 3) {
      c.problem = fmt::format("an extent of {} bytes with flags {}", extent.length, extent.flags);
      return;
    }
    if (extent.flags != 0 && !bytes.is_zero(offset, extent.length)) c.problem = "an extent of zeros is not";
    if (extent.flags == 0 && c.first->device->kind != "file") {
      const std::uint64_t last = (offset + (extent.length - 1)) / 4096;
      for (std::uint64_t block = offset / 4096; block <= last && c.problem.empty(); ++block) {
        if (!bytes.holds(block)) c.problem = fmt::format("block {} is said to hold data and was never written", block);
      }
    }
    offset += extent.length;
    left -= extent.length;
  }
  if (left == c.instruction.count && left > 0) c.problem = "nothing is covered";
  if (c.instruction.operation == Op::read_extents) c.first->cursor = offset;
}

void Model::judge_differences(Case& c) {
  c.result_judged = true;
  std::uint64_t offset = c.offset;
  std::uint64_t left = c.instruction.count;
  const ModelBytes& a = c.first->device->data;
  const ModelBytes& b = c.second->device->data;
  for (const chimera::Extent& extent : extents_of(c.actual)) {
    if (extent.length == 0 || extent.length > left) {
      c.problem = "an extent is empty or too long";
      return;
    }
    const bool differ = (extent.flags & extent_flags::differs) != 0;
    if (!differ && !a.same(offset, extent.length, b)) c.problem = "a difference is missing";
    if (differ && c.first == c.second) c.problem = "a device differs from itself";
    const std::uint64_t last = (offset + (extent.length - 1)) / 4096;
    for (std::uint64_t block = offset / 4096; differ && block <= last && c.problem.empty(); ++block) {
      if (!a.holds(block) && !b.holds(block)) c.problem = "a hole in both is said to differ";
    }
    offset += extent.length;
    left -= extent.length;
  }
  if (left == c.instruction.count && left > 0) c.problem = "nothing is covered";
  c.first->cursor = c.second->cursor = offset;
}

void Model::judge_description(Case& c) {
  c.result_judged = true;
  const auto description = nlohmann::json::parse(text_of(c.actual), nullptr, false);
  if (!description.is_object()) {
    c.problem = "no JSON object";
    return;
  }
  if (c.instruction.operation == Op::describe_store) {
    for (const char* key : {"size", "used", "free", "devices", "sessions", "cache", "journal", "checkpoint"}) {
      if (!description.contains(key)) c.problem = fmt::format("it lacks {}", key);
    }
    if (c.problem.empty() && !others_ && description["devices"] != devices_.size())
      c.problem = "the number of devices is wrong";
    return;
  }
  const ModelDevice& device = *c.first->device;
  const nlohmann::json expected = {
      {"name", device.name},          {"uuid", to_string(device.uuid)}, {"length", device.length},
      {"fixed_length", device.fixed}, {"read_only", device.read_only},  {"columns_length", device.columns.size()},
      {"kind", device.kind}};
  for (const auto& [key, value] : expected.items()) {
    if (!description.contains(key) || description[key] != value) c.problem = fmt::format("{} is wrong", key);
  }
}

}  // namespace chimera::vm::testing
