#pragma once
// A program of whole instructions with what tells how its answers read, and notes that say what its lines are for.
//
//     Script script;
//     script.note([&] { return fmt::format("column {}, rows {} to {}", name, first, last); });
//     script.read_bytes(column, first * width, count * width);

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "isa/builder.h"
#include "isa/opcodes.h"
#include "isa/uuid.h"

namespace chimera::tables {

/// Copies all that it is given. May be cleared and used again, which keeps its memory.
class Script {
 public:
  using Bytes = std::span<const std::uint8_t>;

  /// One instruction: what tells how its answer reads, and where it ends.
  struct Question {
    static constexpr std::uint32_t counted = ~std::uint32_t{0};

    Operation operation;
    std::uint32_t result_size;  ///< of an answer that is ok, in bytes; `counted` where its own front tells
    std::size_t end;            ///< offset in bytes() of what comes behind the instruction
  };
  struct Note {
    std::size_t instruction;  ///< the first that it is about
    std::string words;
  };

  Script() = default;
  /// `explained`: somebody wants to read the notes. Otherwise they are not made.
  explicit Script(bool explained) : explained_(explained) {}

  [[nodiscard]] Bytes bytes() const { return stream_; }
  [[nodiscard]] std::span<const Question> questions() const { return questions_; }
  [[nodiscard]] std::span<const Note> notes() const { return notes_; }
  /// Instructions in it.
  [[nodiscard]] std::size_t size() const { return questions_.size(); }
  [[nodiscard]] bool empty() const { return questions_.empty(); }
  /// Something in it changes a device or what devices there are.
  [[nodiscard]] bool changes() const { return changes_; }
  [[nodiscard]] bool is_explained() const { return explained_; }
  void clear();
  /// Of a script that has been sent: how its answers read, and the notes, are kept.
  void drop_bytes() { stream_ = {}; }
  /// The words of the last note at or before an instruction; empty if there is none.
  [[nodiscard]] std::string_view note_of(std::size_t instruction) const;

  /// Says what the instructions are for that follow, up to the next note. `words` is called if somebody wants to know.
  template <typename Words>
  void note(Words&& words) {
    if (explained_) notes_.push_back({size(), std::forward<Words>(words)()});
  }

  // What tables are made of. Counts and payloads are at most limits::largest_transfer. All of them name their device
  // and offset.
  void read_bytes(const Uuid& device, std::uint64_t offset, std::uint32_t count);
  void read_block(const Uuid& device, std::uint64_t offset);
  void check_bytes(const Uuid& device, std::uint64_t offset, Bytes bytes);
  void write_bytes(const Uuid& device, std::uint64_t offset, Bytes bytes);
  /// A write whose bytes are put in place by the caller, who fills all that is returned before anything is added.
  [[nodiscard]] std::span<std::uint8_t> write_room(const Uuid& device, std::uint64_t offset, std::uint32_t count);
  void read_metadata_bytes(const Uuid& device, std::uint64_t offset, std::uint32_t count);
  void write_metadata_bytes(const Uuid& device, std::uint64_t offset, Bytes bytes);
  void check_metadata_bytes(const Uuid& device, std::uint64_t offset, Bytes bytes);
  void begin();
  void commit();
  void abort();
  /// Any others. The program has to be of legal instructions (asserted).
  void add(const Program& program);

 private:
  std::uint8_t* add_counted(std::uint8_t opcode, const Uuid& device, std::uint64_t offset, std::uint32_t count,
                            std::size_t payload);
  void close(Operation operation, std::uint32_t result_size);

  std::vector<std::uint8_t> stream_;
  std::vector<Question> questions_;
  std::vector<Note> notes_;
  bool explained_ = false;
  bool changes_ = false;
};

}  // namespace chimera::tables
