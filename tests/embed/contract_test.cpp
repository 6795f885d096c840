// The numbers of the C header are those of the instruction set.

#include <doctest/doctest.h>

#include <map>
#include <string>

#include "include/chimera.h"
#include "isa/opcodes.h"
#include "isa/status.h"

TEST_CASE("every operation of the instruction set has its number in the header, and no other has") {
  std::map<std::string, int> header;
#define OPERATION(name, NAME) header[#name] = CHIMERA_OP_##NAME;
  OPERATION(read_byte, READ_BYTE)
  OPERATION(check_byte, CHECK_BYTE)
  OPERATION(read_bytes, READ_BYTES)
  OPERATION(check_bytes, CHECK_BYTES)
  OPERATION(read_block, READ_BLOCK)
  OPERATION(check_block, CHECK_BLOCK)
  OPERATION(read_columns, READ_COLUMNS)
  OPERATION(read_extents, READ_EXTENTS)
  OPERATION(open_device, OPEN_DEVICE)
  OPERATION(list_devices, LIST_DEVICES)
  OPERATION(read_length, READ_LENGTH)
  OPERATION(describe_device, DESCRIBE_DEVICE)
  OPERATION(read_metadata, READ_METADATA)
  OPERATION(read_metadata_bytes, READ_METADATA_BYTES)
  OPERATION(create_device, CREATE_DEVICE)
  OPERATION(clone_device, CLONE_DEVICE)
  OPERATION(write_byte, WRITE_BYTE)
  OPERATION(swap_byte, SWAP_BYTE)
  OPERATION(write_bytes, WRITE_BYTES)
  OPERATION(swap_bytes, SWAP_BYTES)
  OPERATION(write_block, WRITE_BLOCK)
  OPERATION(swap_block, SWAP_BLOCK)
  OPERATION(write_columns, WRITE_COLUMNS)
  OPERATION(clear_extents, CLEAR_EXTENTS)
  OPERATION(close_device, CLOSE_DEVICE)
  OPERATION(flush_device, FLUSH_DEVICE)
  OPERATION(write_length, WRITE_LENGTH)
  OPERATION(append_bytes, APPEND_BYTES)
  OPERATION(write_metadata, WRITE_METADATA)
  OPERATION(write_metadata_bytes, WRITE_METADATA_BYTES)
  OPERATION(delete_device, DELETE_DEVICE)
  OPERATION(begin, BEGIN)
  OPERATION(commit, COMMIT)
  OPERATION(abort, ABORT)
  OPERATION(sync, SYNC)
  OPERATION(copy_bytes, COPY_BYTES)
  OPERATION(hello, HELLO)
  OPERATION(select_device, SELECT_DEVICE)
  OPERATION(select_offset, SELECT_OFFSET)
  OPERATION(read_digest, READ_DIGEST)
  OPERATION(compare_devices, COMPARE_DEVICES)
  OPERATION(read_metadata_extents, READ_METADATA_EXTENTS)
  OPERATION(clear_metadata, CLEAR_METADATA)
  OPERATION(check_metadata_bytes, CHECK_METADATA_BYTES)
  OPERATION(rename_device, RENAME_DEVICE)
  OPERATION(protect_device, PROTECT_DEVICE)
  OPERATION(roll_back_device, ROLL_BACK_DEVICE)
  OPERATION(delete_device_by_force, DELETE_DEVICE_BY_FORCE)
  OPERATION(snapshot, SNAPSHOT)
  OPERATION(describe_store, DESCRIBE_STORE)
  OPERATION(commit_with_token, COMMIT_WITH_TOKEN)
  OPERATION(outcome_of_token, OUTCOME_OF_TOKEN)
#undef OPERATION
  std::map<std::string, int> table;
  for (const chimera::Row& row : chimera::rows) {
    const bool is_for_programs =
        row.operation != chimera::Operation::extension && row.addressing != chimera::Addressing::journal;
    if (!is_for_programs) continue;
    table[std::string(row.name)] = row.is_extension ? chimera::extension_opcode << 8 | row.number : row.number;
  }
  CHECK(header == table);
}

TEST_CASE("every status has its number and its name") {
  std::map<std::string, int> header;
#define STATUS(name, NAME) header[#name] = CHIMERA_##NAME;
  STATUS(ok, OK)
  STATUS(illegal_instruction, ILLEGAL_INSTRUCTION)
  STATUS(no_current_device, NO_CURRENT_DEVICE)
  STATUS(not_found, NOT_FOUND)
  STATUS(exists, EXISTS)
  STATUS(out_of_range, OUT_OF_RANGE)
  STATUS(misaligned, MISALIGNED)
  STATUS(mismatch, MISMATCH)
  STATUS(aborted, ABORTED)
  STATUS(conflict, CONFLICT)
  STATUS(busy, BUSY)
  STATUS(no_space, NO_SPACE)
  STATUS(io_error, IO_ERROR)
  STATUS(corrupt, CORRUPT)
  STATUS(too_large, TOO_LARGE)
  STATUS(denied, DENIED)
  STATUS(unsupported, UNSUPPORTED)
  STATUS(read_only, READ_ONLY)
  STATUS(bad_text, BAD_TEXT)
  STATUS(shutting_down, SHUTTING_DOWN)
  STATUS(out_of_sequence, OUT_OF_SEQUENCE)
  STATUS(too_many_open, TOO_MANY_OPEN)
  STATUS(no_cursor, NO_CURSOR)
#undef STATUS
  CHECK(header.size() == chimera::status_count);
  CHECK(header["ok"] == static_cast<int>(chimera::Status::ok));
  CHECK(header["illegal_instruction"] == static_cast<int>(chimera::Status::illegal_instruction));
  CHECK(header["no_current_device"] == static_cast<int>(chimera::Status::no_current_device));
  CHECK(header["not_found"] == static_cast<int>(chimera::Status::not_found));
  CHECK(header["exists"] == static_cast<int>(chimera::Status::exists));
  CHECK(header["out_of_range"] == static_cast<int>(chimera::Status::out_of_range));
  CHECK(header["misaligned"] == static_cast<int>(chimera::Status::misaligned));
  CHECK(header["mismatch"] == static_cast<int>(chimera::Status::mismatch));
  CHECK(header["aborted"] == static_cast<int>(chimera::Status::aborted));
  CHECK(header["conflict"] == static_cast<int>(chimera::Status::conflict));
  CHECK(header["busy"] == static_cast<int>(chimera::Status::busy));
  CHECK(header["no_space"] == static_cast<int>(chimera::Status::no_space));
  CHECK(header["io_error"] == static_cast<int>(chimera::Status::io_error));
  CHECK(header["corrupt"] == static_cast<int>(chimera::Status::corrupt));
  CHECK(header["too_large"] == static_cast<int>(chimera::Status::too_large));
  CHECK(header["denied"] == static_cast<int>(chimera::Status::denied));
  CHECK(header["unsupported"] == static_cast<int>(chimera::Status::unsupported));
  CHECK(header["read_only"] == static_cast<int>(chimera::Status::read_only));
  CHECK(header["bad_text"] == static_cast<int>(chimera::Status::bad_text));
  CHECK(header["shutting_down"] == static_cast<int>(chimera::Status::shutting_down));
  CHECK(header["out_of_sequence"] == static_cast<int>(chimera::Status::out_of_sequence));
  CHECK(header["too_many_open"] == static_cast<int>(chimera::Status::too_many_open));
  CHECK(header["no_cursor"] == static_cast<int>(chimera::Status::no_cursor));
  for (int status = 0; status < static_cast<int>(chimera::status_count); ++status) {
    CHECK(chimera_status_name(status) == chimera::status_text(static_cast<chimera::Status>(status)));
  }
  for (int code = CHIMERA_E_BROKEN; code < 0; ++code) {
    CHECK(std::string(chimera_status_name(code)) != "unknown status");
  }
  for (const int none : {23, 255, 1000, CHIMERA_E_BROKEN - 1, -1000}) {
    CHECK(std::string(chimera_status_name(none)) == "unknown status");
  }
  CHECK(std::string(chimera_version()) == "0.1.0");
}
