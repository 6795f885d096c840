#pragma once
// Programs made in C++: each function appends one instruction, in the encoding that carries just what is given.
//
//     Program program;
//     program.open_device("accounts");
//     program.write_bytes(implied, 0x40, payload);
//     program.read_block(account, 0);
//     session.run(program.bytes(), answers);
//
// Device and offset may be `implied`: the current device, its cursor. What stands in front of the required operands
// is given in full; at the end of a parameter list it may be left out.

#include <array>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "isa/instruction.h"

namespace chimera {

inline constexpr std::nullopt_t implied = std::nullopt;

/// Copies all that it is given. Names are at most 65,535 bytes (asserted; valid ones at most 255), payloads below 4
/// GiB.
class Program {
 public:
  using Device = std::optional<Uuid>;
  using Offset = std::optional<std::uint64_t>;
  using Bytes = std::span<const std::uint8_t>;
  using Block = std::span<const std::uint8_t, limits::block_size>;
  using Token = std::array<std::uint8_t, 16>;
  using DeviceName = std::pair<Uuid, std::string_view>;

  [[nodiscard]] Bytes bytes() const { return stream_; }
  [[nodiscard]] bool empty() const { return stream_.empty(); }
  void clear() { stream_.clear(); }
  /// Gives the bytes away and is empty afterwards.
  [[nodiscard]] std::vector<std::uint8_t> take() { return std::exchange(stream_, {}); }

  Program& append(const Instruction& instruction);

  Program& read_byte(Device = implied, Offset = implied);
  Program& check_byte(Device, Offset, std::uint8_t value);
  Program& read_bytes(Device, Offset, std::uint32_t count);
  Program& check_bytes(Device, Offset, Bytes);
  Program& read_block(Device = implied, Offset = implied);
  Program& check_block(Device, Offset, Block);
  Program& read_columns(Device = implied);
  Program& read_extents(Device, Offset, std::uint64_t count);
  Program& open_device(std::string_view name);
  Program& list_devices(std::string_view prefix, std::string_view after, std::uint32_t count);
  Program& read_length(Device = implied);
  Program& describe_device(Device = implied);
  Program& read_metadata(Device, std::uint64_t offset);
  Program& read_metadata_bytes(Device, std::uint64_t offset, std::uint32_t count);
  /// `uuid` implied: the machine makes one up. `options`: `key=value` pairs; empty for none.
  Program& create_device(std::string_view name, std::string_view columns = {}, std::string_view options = {},
                         Device uuid = implied);
  Program& clone_device(Device origin, std::string_view name);

  Program& write_byte(Device, Offset, std::uint8_t value);
  Program& swap_byte(Device, Offset, std::uint8_t value);
  Program& write_bytes(Device, Offset, Bytes);
  Program& swap_bytes(Device, Offset, Bytes);
  Program& write_block(Device, Offset, Block);
  Program& swap_block(Device, Offset, Block);
  Program& write_columns(Device, std::string_view columns);
  Program& clear_extents(Device, Offset, std::uint64_t count);
  Program& close_device(Device = implied);
  Program& flush_device(Device = implied);
  Program& write_length(Device, std::uint64_t length);
  Program& append_bytes(Device, Bytes);
  Program& write_metadata(Device, std::uint64_t offset, std::uint8_t value);
  Program& write_metadata_bytes(Device, std::uint64_t offset, Bytes);
  Program& delete_device(Device = implied);
  Program& begin();
  Program& commit();
  Program& abort();
  Program& sync();
  Program& copy_bytes(const Uuid& from, std::uint64_t from_offset, const Uuid& to, std::uint64_t to_offset,
                      std::uint64_t count);
  Program& hello(Bytes credentials = {});
  Program& select_device(const Uuid&);
  Program& select_offset(std::uint64_t offset);

  Program& read_digest(const Uuid&, std::uint64_t offset, std::uint64_t count);
  Program& compare_devices(const Uuid&, const Uuid& other, std::uint64_t offset, std::uint64_t count);
  Program& read_metadata_extents(const Uuid&, std::uint64_t offset, std::uint64_t count);
  Program& clear_metadata(const Uuid&, std::uint64_t offset, std::uint64_t count);
  Program& check_metadata_bytes(const Uuid&, std::uint64_t offset, Bytes);
  Program& rename_device(const Uuid&, std::string_view name);
  Program& protect_device(const Uuid&, bool read_only);
  Program& roll_back_device(const Uuid&, const Uuid& to_content_of);
  Program& delete_device_by_force(const Uuid&);
  Program& snapshot(std::span<const DeviceName> devices);
  Program& describe_store();
  Program& commit_with_token(const Token&);
  Program& outcome_of_token(const Token&);
  /// A second opcode that no row has, or one of a journal's own.
  Program& extension(std::uint8_t second, Bytes operands);

 private:
  std::vector<std::uint8_t> stream_;
};

}  // namespace chimera
