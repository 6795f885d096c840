#pragma once
// The reference's chapters that no table holds.

#include <string_view>

namespace chimera::prose {

inline constexpr std::string_view introduction = R"(# The instruction set

Chimera runs programs of 8-bit instructions against devices: arrays of bytes that are named by UUIDs. The stream of
instructions is the wire protocol and the embedding interface alike; nothing wraps it. A client sends instructions one
behind the other, as many as it likes ahead, and gets exactly one answer for each, in the same order.

This page is generated from `isa/opcodes.def`; `chimera isa` prints it and `chimera isa --json` gives its tables to
programs.

## One byte

    bit  7    6 5 4   3     2 1 0
         W    class   alt   mode

| field | meaning |
|---|---|
| W | 0 the read family (asks for something back), 1 the write family (brings something) |
| class | 0 byte · 1 bytes · 2 block · 3 shape (columns, extents) · 4 handle · 5 length · 6 metadata · 7 existence |
| alt | the class's second operation. On data (classes 0-2): read/**check** and write/**swap** |
| mode | which of device and offset stand in the stream |

Mode 0 is the row's own default: *neither* in rows 0x0_ and 0x1_, *all* in every other row. Any other mode says it bit
by bit: bit 0, a device follows; bit 1, an offset follows; bit 2 alone (mode 4), neither follows. Where the offset is
never implied (metadata, write length) the modes are 0 and 2. In create (70-73) bit 1 says that options follow. 7F and
F8-FF are numbered one by one. There is one encoding for each instruction, and every opcode that the tables below leave
out is illegal.

)";

inline constexpr std::string_view registers = R"(
For data, offset + count may reach 2^63 - 4096, the greatest length, and not pass it.

## Registers

A session (a connection, or an embedding program's handle) has one **current device**, and one **cursor** for each
device that it has touched.

- An explicit device becomes the current one, and is opened if the session had not opened it. An implied device is the
  current one.
- An implied offset is that device's cursor. After a successful access of n bytes at offset o (append included) the
  cursor is o + n, also for n = 0.
- So that a pipelined stream never writes to the wrong place: an instruction that fails to reach the device it names
  leaves **no** current device; a failed write, swap or append leaves that device **without a cursor**, and an implied
  offset then answers 22 until an explicit one is given. A failed read or check leaves the cursor where it was.
- Open and create make their device current with the cursor at 0 (an already open one keeps its cursor); close and
  delete of the current device leave none. Select device and select offset set the registers without touching data.

)";

inline constexpr std::string_view extensions = R"(
## Extensions

Behind 7F stand a second opcode (u8), the length of all its operands (u32) and the operands. An unknown one answers 16,
and thanks to the length the stream stays in step. Here device and offset are never implied. A known one whose operands
do not fill the length is illegal. 80-FF are a journal's own records, which no session may send: 15.

)";

inline constexpr std::string_view answers = R"(
## Answers

A status byte; then, for status 0, the result; for any other status, u16 length and that many bytes of UTF-8 that say
what was wrong. A status leaves only when the whole result behind it is there and verified.

)";

inline constexpr std::string_view statuses = R"(
When the input ends, what arrived whole is run and answered; half an instruction is dropped. A server may stop reading
while answers wait to be taken.

)";

inline constexpr std::string_view meaning = R"(
## Meaning

- **Length and range.** Reads, checks and swaps past the length are out of range and move nothing. Writes past the
  length grow the device, and a gap reads as zeros; a device created with `size=N` has that fixed length and refuses
  them. Block instructions see the length rounded up to a block: past it reads give zeros and checks compare zeros; a
  write or swap there grows the device to the block's end, and on a fixed device is ignored. Clearing past the length
  touches nothing. A count of 0 succeeds wherever the offset is not past the length. Write length on a fixed device is
  refused with 5.
- **Metadata.** Beside its data every device has a second, sparse array of bytes over the whole 64-bit range of
  offsets, zeros at first, with no length: a byte of state for whatever the user keeps at that place. Its offsets are
  always explicit and move no cursor.
- **Columns.** The device's shape: text that the machine stores and does not interpret.
- **Extents** say which parts of the range, from the offset on, are holes and which read as zeros, perhaps less far than
  asked; the cursor moves by what they cover.
- **Copying** over the largest transfer works only where both offsets and the count are multiples of 4096: the blocks
  are then shared, not moved.
- **Atomic.** An instruction outside a transaction happens wholly or not at all, for other sessions and across a crash,
  whatever its size.
- **Transactions** are there where bit 0 of hello's features is set; elsewhere begin, commit, abort and the tokens
  answer 16. `begin` … `commit` is one program: isolated (serialisable), all or nothing across any number of devices,
  durable when commit answers ok. An error inside dooms it: what follows answers 8 without running, and so does commit.
  Commit and abort always end it; after a failure or an abort the registers are as at begin. A failed begin dooms all
  up to its commit or abort in the same way. A transaction that can no longer win answers 9 at once. 12 on commit means
  that the outcome is unknown: ask with its token. A session that ends inside a transaction aborts it. Transactions do
  not nest.
- **After a crash** the store holds a prefix of what was executed, and everything that was acknowledged as durable.

## Options of create

| option | meaning |
|---|---|
| `size=N[K\|M\|G\|T]` | fixed length in bytes, at most the greatest length |
| `kind=pool` | in the store's pool (default) |
| `kind=memory` | in memory, gone at restart |
| `clone=UUID` | a clone of that device, as `clone device` makes it, but with the UUID that is given here; no columns, and no other option |
| `kind=file,path=PATH` | a file or block device below the server's folder (`--attach`), served in place |

Each at most once; anything else is 18. A file has a length of its own, so no `size`. It cannot be cloned or compared: 16.
One that is in use already, by whomever, is 10; a transaction has it in use from its `create` on, and that of a device which
it deletes until its commit.
)";

inline constexpr std::string_view assembly = R"(
## Assembly text

One instruction a line; `;` starts a comment. The words of the tables are the mnemonic. Operands are told apart by their
form, so any that the mode leaves out is just not written, and the longest form that the written operands allow is the
one encoded.

| form | operand |
|---|---|
| `accounts`, `3f0e7c9a-8a53-4c1c-9d5e-0d8f2f7a1b11` | device: a name that `.device` declares, or a UUID |
| `@0x40` | offset |
| `#16` | count |
| `42` | value8, or the second opcode of an extension |
| `"text\n"` · `hex"00 ff"` · `file"path"` | payload bytes; several may follow each other and are joined |
| `"text"` · `hex"00 ff"` | names, columns, options, in the order of the table |

    .device accounts 3f0e7c9a-8a53-4c1c-9d5e-0d8f2f7a1b11

    begin
    check bytes   accounts @0x40 "v1"       ; fails the program unless it is still v1
    write bytes   accounts @0x40 "v2"
    append bytes  accounts "bumped\n"
    commit

- **Numbers** are decimal, `0x` or `0b`, perhaps with K, M, G or T (powers of 1024). Wherever one may stand, an expression
  may: `+ - * / ( )`, names made by `.equ`, and `$i`. An expression goes on across blanks as long as an operator joins
  it: `@row + 1 7` is the offset row + 1 and the value 7. Only its outcome has to fit 64 bits.
- **Strings** know `\n \r \t \0 \\ \" \xNN`.
- With a payload, `#n` may be written and is checked against its length.
- May be left out: create device's columns, list devices' prefix and name to start after, hello's credentials.
- `snapshot accounts "copy" orders "copy of orders"`: each device is followed by the name of its clone.
- `copy bytes from @0 to @4096 #8K`: the first device and offset are the source, the others the target.
- `extension 0x70 hex"…"` is a second opcode that no table has, with its operands; `journal record 0x80 hex"…"` is one
  of a journal's.

| directive | meaning |
|---|---|
| `.device NAME UUID` | names a device; letters, digits and _ |
| `.equ NAME VALUE` | names a number |
| `.include "file"` | the lines of that file; its path is relative to the including file, as that of `file"…"` is |
| `.repeat N` … `.end` | the lines in between N times; `$i` is the turn, from 0; what is declared inside lasts for a turn |
| `.bytes hex"…"` | bytes as they are, legal or not |

Disassembling gives text that assembles to the same bytes; where a stream is illegal or breaks off, the rest stands in
`.bytes`. A file is assembly text if it is UTF-8 without control characters other than tab, newline and return;
`--text` and `--binary` overrule.
)";

}  // namespace chimera::prose
