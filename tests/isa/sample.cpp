#include "tests/isa/sample.h"

namespace chimera::test {
namespace {

/// Writes operands by the contract's prose, without any help of the code that is tested.
class Writer {
 public:
  Writer(Sample& sample, Random& random, std::size_t longest) : sample_{sample}, random_{random}, longest_{longest} {}

  void integer(std::uint64_t value, int size) {
    for (int i = 0; i < size; ++i) sample_.bytes.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
  }

  void raw(std::string_view text) { sample_.bytes.insert(sample_.bytes.end(), text.begin(), text.end()); }

  Uuid uuid() {
    Uuid value;
    for (std::uint8_t& byte : value) sample_.bytes.push_back(byte = static_cast<std::uint8_t>(random_()));
    return value;
  }

  std::uint64_t number(int size) {
    // Small, any, and the greatest.
    std::uint64_t value = random_() >> (random_() % 64);
    if (random_() % 8 == 0) value = ~std::uint64_t{0};
    if (size < 8) value &= (std::uint64_t{1} << (8 * size)) - 1;
    integer(value, size);
    return value;
  }

  std::string any_bytes(std::size_t size) {
    const bool readable = random_() % 2 == 0;
    std::string text(size, '\0');
    for (char& c : text) c = static_cast<char>(readable ? ' ' + random_() % 95 : random_());
    return text;
  }
  std::string any_bytes() { return any_bytes(random_() % (longest_ + 1)); }

  std::string text(int length_size) {
    std::string value = any_bytes();
    integer(value.size(), length_size);
    raw(value);
    return value;
  }

  void operand(char letter) {
    switch (letter) {
      case 'D':
        sample_.has_device = true;
        sample_.device = uuid();
        break;
      case 'E': sample_.second_device = uuid(); break;
      case 'O':
        sample_.has_offset = true;
        sample_.offset = number(8);
        break;
      case 'P': sample_.second_offset = number(8); break;
      case 'c': integer(sample_.count = random_() % 33'554'433, 4); break;
      case 'C': sample_.count = number(8); break;
      case 'v': raw(sample_.payload = any_bytes(1)); break;
      case 'b':
        sample_.payload = text(4);
        sample_.count = sample_.payload.size();
        break;
      case 'B': raw(sample_.payload = any_bytes(4096)); break;
      case 'T': raw(sample_.payload = any_bytes(16)); break;
      case 'n':
      case 'p': sample_.name = text(2); break;
      case 'a': sample_.second_name = text(2); break;
      case 't': sample_.text = text(4); break;
      case 'o':
        sample_.has_options = true;
        sample_.options = text(2);
        break;
      case 'k': sample_.payload = text(2); break;
      case 's': snapshot(); break;
      default: raw(sample_.payload = any_bytes()); break;
    }
  }

 private:
  void snapshot() {
    sample_.count = random_() % 4;
    integer(sample_.count, 4);
    const std::size_t begin = sample_.bytes.size();
    for (std::uint64_t i = 0; i < sample_.count; ++i) {
      uuid();
      text(2);
    }
    sample_.payload.assign(sample_.bytes.begin() + static_cast<std::ptrdiff_t>(begin), sample_.bytes.end());
  }

  Sample& sample_;
  Random& random_;
  std::size_t longest_;
};

bool ends_with(const std::string& name, std::string_view end) { return name.ends_with(end); }

}  // namespace

Sample make_sample(const ContractForm& form, Random& random, std::size_t longest) {
  Sample sample;
  Writer writer{sample, random, longest};
  sample.bytes.push_back(form.opcode);
  if (form.second >= 0) {
    sample.bytes.push_back(static_cast<std::uint8_t>(form.second));
    writer.integer(0, 4);
  }
  const std::size_t operands_at = sample.bytes.size();
  // The count of the byte and block rows; operands of others overwrite it.
  const bool metadata_byte = form.name == "read_metadata" || form.name == "write_metadata";
  if (ends_with(form.name, "_byte") || metadata_byte) sample.count = 1;
  if (ends_with(form.name, "_block")) sample.count = 4096;
  for (char letter : form.operands) writer.operand(letter);
  if (form.second >= 0) {
    const std::size_t length = sample.bytes.size() - operands_at;
    for (std::size_t i = 0; i < 4; ++i) sample.bytes[2 + i] = static_cast<std::uint8_t>(length >> (8 * i));
  }
  return sample;
}

std::vector<std::uint8_t> random_program(Random& random, std::size_t instructions, std::size_t longest) {
  static const std::vector<ContractForm> forms = contract_forms();
  std::vector<std::uint8_t> program;
  for (std::size_t i = 0; i < instructions; ++i) {
    const Sample sample = make_sample(forms[random() % forms.size()], random, longest);
    program.insert(program.end(), sample.bytes.begin(), sample.bytes.end());
  }
  return program;
}

bool matches(const Instruction& instruction, const Sample& sample) {
  const std::string_view payload{reinterpret_cast<const char*>(instruction.payload.data()), instruction.payload.size()};
  return instruction.opcode == sample.bytes[0] && instruction.has_device == sample.has_device &&
         instruction.has_offset == sample.has_offset && instruction.has_options == sample.has_options &&
         instruction.device == sample.device && instruction.second_device == sample.second_device &&
         instruction.offset == sample.offset && instruction.second_offset == sample.second_offset &&
         instruction.count == sample.count && payload == sample.payload && instruction.name == sample.name &&
         instruction.second_name == sample.second_name && instruction.text == sample.text &&
         instruction.options == sample.options;
}

}  // namespace chimera::test
