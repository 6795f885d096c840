#include "assembler/compose.h"

#include <fmt/format.h>
#include <limits>
#include <string>

#include "isa/bytes.h"
#include "isa/encoder.h"
#include "isa/limits.h"

namespace chimera::assembler {
namespace {

using Kind = WrittenOperand::Kind;
using Wrong = std::optional<Problem>;

constexpr std::string_view payload_forms = "payload bytes: \"…\", hex\"…\" or file\"…\"";

std::string_view form_of_kind(Kind kind) {
  switch (kind) {
    case Kind::device: return "device";
    case Kind::offset: return "@offset";
    case Kind::count: return "#count";
    case Kind::value: return "value";
    case Kind::text: return "string";
  }
  return {};
}

Problem at(const WrittenOperand& operand, std::string message) {
  return {operand.column, operand.length, std::move(message)};
}

/// Matches the written operands with those of one row and fills an instruction. The first Problem ends it.
class Composer {
 public:
  Composer(const Row& row, std::span<WrittenOperand> written, std::size_t end)
      : row_{row}, written_{written}, end_{end} {
    instruction_.operation = row.operation;
  }

  Wrong run() {
    if (auto wrong = addresses()) return wrong;
    for (Operand operand : row_.operands) {
      if (auto wrong = match(operand)) return wrong;
    }
    return leftovers();
  }

  /// Valid while this lives.
  [[nodiscard]] const Instruction& instruction() const { return instruction_; }

 private:
  /// The next operand of that kind, or null.
  WrittenOperand* take(Kind kind) {
    for (WrittenOperand& operand : written_) {
      if (operand.kind == kind && !operand.taken) {
        operand.taken = true;
        return &operand;
      }
    }
    return nullptr;
  }

  [[nodiscard]] Problem lacking(std::string_view what) const {
    return {end_, 1, fmt::format("'{}' needs {}", row_.mnemonic, what)};
  }

  Wrong leftovers() const {
    for (const WrittenOperand& operand : written_) {
      if (operand.taken) continue;
      bool other = false;
      for (const WrittenOperand& taken : written_) other = other || (taken.taken && taken.kind == operand.kind);
      return at(operand, other ? fmt::format("'{}' takes no further {}", row_.mnemonic, form_of_kind(operand.kind))
                               : fmt::format("'{}' takes no {}", row_.mnemonic, form_of_kind(operand.kind)));
    }
    return std::nullopt;
  }

  /// The device and offset that the mode tells of.
  Wrong addresses() {
    const Addressing mode = row_.addressing;
    if (mode == Addressing::single || mode == Addressing::journal) return std::nullopt;
    if (const WrittenOperand* const device = take(Kind::device)) {
      instruction_.has_device = true;
      instruction_.device = device->device;
    }
    if (mode == Addressing::bits || mode == Addressing::full || mode == Addressing::placed) {
      if (const WrittenOperand* const offset = take(Kind::offset)) {
        instruction_.has_offset = true;
        instruction_.offset = offset->number;
      } else if (mode == Addressing::placed) {
        return lacking(row_.operation == Operation::write_length ? "the new length as @length" : "an @offset");
      }
    }
    return std::nullopt;
  }

  Wrong match(Operand operand) {
    switch (operand) {
      case Operand::device: return device(instruction_.device);
      case Operand::second_device: return device(instruction_.second_device);
      case Operand::offset: return offset(instruction_.offset);
      case Operand::second_offset: return offset(instruction_.second_offset);
      case Operand::count32: return count(std::numeric_limits<std::uint32_t>::max());
      case Operand::count64: return count(std::numeric_limits<std::uint64_t>::max());
      case Operand::value8: return value("a value, a bare number from 0 to 255");
      case Operand::token: return payload(sizeof(Uuid));
      case Operand::block: return payload(limits::block_size);
      case Operand::bytes: return payload(std::nullopt);
      case Operand::name: return text("a name", true, instruction_.name);
      case Operand::prefix: return text("a name's beginning", false, instruction_.name);
      case Operand::after: return text("a name to start after", false, instruction_.second_name);
      case Operand::options: return options();
      case Operand::credentials: return credentials();
      case Operand::columns: return text("columns", row_.operation != Operation::create_device, instruction_.text);
      case Operand::device_names: return device_names();
      case Operand::operands: return extension();
    }
    return std::nullopt;
  }

  Wrong device(Uuid& to) {
    const WrittenOperand* const written = take(Kind::device);
    if (written == nullptr) return lacking("a device: a name that .device declares, or a UUID");
    to = written->device;
    return std::nullopt;
  }

  Wrong offset(std::uint64_t& to) {
    const WrittenOperand* const written = take(Kind::offset);
    if (written == nullptr) return lacking("an @offset");
    to = written->number;
    return std::nullopt;
  }

  Wrong count(std::uint64_t greatest) {
    const WrittenOperand* const written = take(Kind::count);
    if (written == nullptr) return lacking("a #count");
    if (written->number > greatest) return at(*written, "the count does not fit 32 bits");
    instruction_.count = written->number;
    return std::nullopt;
  }

  Wrong value(std::string_view what) {
    const WrittenOperand* const written = take(Kind::value);
    if (written == nullptr) return lacking(what);
    if (written->number > std::numeric_limits<std::uint8_t>::max()) {
      return at(*written, fmt::format("{} is no value from 0 to 255", written->number));
    }
    value_ = static_cast<std::uint8_t>(written->number);
    instruction_.payload = {&value_, 1};
    return std::nullopt;
  }

  /// A string of its own: not joined with others, as payload is.
  Wrong text(std::string_view what, bool required, std::string_view& to) {
    const WrittenOperand* const written = take(Kind::text);
    if (written == nullptr) return required ? Wrong{lacking(fmt::format("{}: \"…\"", what))} : std::nullopt;
    if (written->from_file) return at(*written, fmt::format("file\"…\" stands for payload bytes, not for {}", what));
    const bool is_columns = &to == &instruction_.text;
    const std::size_t most = is_columns ? limits::largest_transfer : std::numeric_limits<std::uint16_t>::max();
    if (written->bytes.size() > most) return at(*written, fmt::format("{}: at most {} bytes", what, most));
    to = written->bytes;
    return std::nullopt;
  }

  Wrong options() {
    for (const WrittenOperand& operand : written_) {
      if (operand.kind == Kind::text && !operand.taken) instruction_.has_options = true;
    }
    return text("options", false, instruction_.options);
  }

  Wrong credentials() {
    std::string_view bytes;
    const Wrong wrong = text("credentials", false, bytes);
    instruction_.payload = {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()};
    return wrong;
  }

  /// All strings, joined; `exact` bytes where that is given, and as many as #n says where that is written.
  Wrong payload(std::optional<std::size_t> exact) {
    const WrittenOperand* const first = take(Kind::text);
    if (first == nullptr) return lacking(payload_forms);
    std::string_view bytes = first->bytes;
    const WrittenOperand* last = first;
    while (const WrittenOperand* const next = take(Kind::text)) {
      if (last == first) joined_ = bytes;
      joined_ += next->bytes;
      bytes = joined_;
      last = next;
    }
    instruction_.payload = {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()};
    instruction_.count = bytes.size();
    const auto wrong = [first, last](std::string message) {
      return Problem{first->column, last->column + last->length - first->column, std::move(message)};
    };
    if (exact && bytes.size() != *exact) return wrong(fmt::format("expected {} bytes, not {}", *exact, bytes.size()));
    if (bytes.size() > limits::largest_transfer) {
      return wrong(fmt::format("the payload has {} bytes; at most {} fit", bytes.size(), limits::largest_transfer));
    }
    if (const WrittenOperand* const said = take(Kind::count); said != nullptr && said->number != bytes.size()) {
      return at(*said, fmt::format("the count is {}, but the payload has {} bytes", said->number, bytes.size()));
    }
    return std::nullopt;
  }

  /// A device and a string, in turn, up to the end of the line.
  Wrong device_names() {
    bool device_next = true;
    for (WrittenOperand& operand : written_) {
      if (operand.kind != (device_next ? Kind::device : Kind::text) || operand.from_file) {
        return at(operand, device_next ? "expected a device, and its clone's name behind it"
                                       : "expected the name of the clone: \"…\"");
      }
      operand.taken = true;
      if (device_next) {
        list_.insert(list_.end(), operand.device.begin(), operand.device.end());
        ++instruction_.count;
      } else {
        if (operand.bytes.size() > std::numeric_limits<std::uint16_t>::max())
          return at(operand, "the name is too long");
        append_integer(list_, static_cast<std::uint16_t>(operand.bytes.size()));
        list_.insert(list_.end(), operand.bytes.begin(), operand.bytes.end());
      }
      device_next = !device_next;
    }
    if (!device_next) return lacking("the name of the last device's clone: \"…\"");
    if (list_.size() > limits::largest_transfer) {
      return Problem{0, end_,
                     fmt::format("the list has {} bytes; at most {} fit", list_.size(), limits::largest_transfer)};
    }
    instruction_.payload = list_;
    return std::nullopt;
  }

  /// The number of the second opcode and perhaps bytes.
  Wrong extension() {
    const auto* const written = [this]() -> const WrittenOperand* {
      for (const WrittenOperand& operand : written_) {
        if (operand.kind == Kind::value) return &operand;
      }
      return nullptr;
    }();
    if (auto wrong = value("its second opcode, a number from 0 to 255")) return wrong;
    const Form& form = form_of_extension(value_);
    const Row& meant = row_of(form.operation);
    if (!form.operands.has(Operand::operands)) {
      return at(*written, fmt::format("extension {:#04x} is '{}'", value_, meant.mnemonic));
    }
    if (row_.operation == Operation::journal_record && form.operation != Operation::journal_record) {
      return at(*written, "the journal's own records are 0x80 to 0xff");
    }
    instruction_.operation = form.operation;
    instruction_.extension = value_;
    instruction_.payload = {};
    for (const WrittenOperand& operand : written_) {
      if (operand.kind == Kind::text) return payload(std::nullopt);
    }
    return std::nullopt;
  }

  const Row& row_;
  std::span<WrittenOperand> written_;
  std::size_t end_;
  Instruction instruction_;
  std::uint8_t value_ = 0;
  std::string joined_;
  std::vector<std::uint8_t> list_;
};

/// Empty for what is no string.
std::string_view meaning_of(Operand operand) {
  switch (operand) {
    case Operand::name: return "a name is a string";
    case Operand::prefix: return "a name's beginning is a string";
    case Operand::after: return "a name to start after is a string";
    case Operand::columns: return "columns are a string";
    case Operand::options: return "options are a string";
    case Operand::bytes: return "payload bytes are a string";
    default: return {};
  }
}

}  // namespace

std::string_view string_rule(const Row& row, std::size_t number) {
  for (Operand operand : row.operands) {
    const std::string_view meaning = meaning_of(operand);
    if (!meaning.empty() && number-- == 0) return meaning;
  }
  return {};
}

Wrong compose(const Row& row, std::span<WrittenOperand> operands, std::size_t end, std::vector<std::uint8_t>& stream) {
  Composer composer{row, operands, end};
  if (auto wrong = composer.run()) return wrong;
  encode(composer.instruction(), stream);
  return std::nullopt;
}

}  // namespace chimera::assembler
