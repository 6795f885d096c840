#pragma once
// One plane of a device behind an endpoint, verified piece by piece; what is damaged is searched for down to the block.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "cli/endpoint.h"
#include "isa/builder.h"

namespace chimera::cli {

/// A stretch whose blocks, or whose map, are damaged.
struct DamagedRange {
  std::uint64_t begin, end;
  bool is_map;
  bool is_readable;  ///< its bytes came, and do not match their checksums
};

/// What is found on the way.
class PlaneReport {
 public:
  virtual void verified(std::uint64_t bytes) = 0;
  virtual void damaged(const DamagedRange& range) = 0;  ///< in the order of offsets
  /// An answer that is neither ok nor damage.
  virtual void refused(std::uint64_t offset, const Answer& answer) = 0;

 protected:
  ~PlaneReport() = default;
};

class PlaneCheck {
 public:
  /// How the plane is asked about a range.
  struct Questions {
    std::function<void(Program&, std::uint64_t offset, std::uint64_t count)> extents;
    std::function<void(Program&, std::uint64_t offset, std::uint64_t count)> verify;
    std::uint64_t piece;  ///< bytes that one `verify` may take, a power of two
  };
  PlaneCheck(Endpoint& endpoint, Questions questions, PlaneReport& report)
      : endpoint_(endpoint), questions_(std::move(questions)), report_(report) {}

  using Done = std::expected<void, std::string>;
  /// All that is no hole up to `length`. An error where the endpoint has gone away; ends early where the device has.
  [[nodiscard]] Done run(std::uint64_t length) { return examine(0, length); }
  [[nodiscard]] bool device_has_gone() const { return gone_; }

 private:
  using Asked = std::expected<Answer, std::string>;
  using Question = std::function<void(Program&, std::uint64_t, std::uint64_t)>;

  Asked ask(const Question& question, std::uint64_t begin, std::uint64_t end);
  Done examine(std::uint64_t begin, std::uint64_t end);
  Done verify(std::uint64_t begin, std::uint64_t end);
  Done search_map(std::uint64_t begin, std::uint64_t end, bool is_readable);
  Done search_data(std::uint64_t begin, std::uint64_t end, bool is_readable);
  [[nodiscard]] std::expected<bool, std::string> is_all_unmapped(std::uint64_t begin, std::uint64_t end);
  void refuse(std::uint64_t offset, const Answer& answer);

  Endpoint& endpoint_;
  Questions questions_;
  PlaneReport& report_;
  bool gone_ = false;
  std::uint64_t searches_ = 0;
};

}  // namespace chimera::cli
