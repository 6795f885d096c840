#pragma once
// The handshake: from the first byte until an export is agreed upon, or the client goes.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "nbd/export.h"
#include "nbd/options.h"
#include "nbd/wire.h"
#include "vm/byte_queue.h"
#include "vm/machine.h"

namespace chimera::nbd {

/// What both sides have settled, for the transmission.
struct Agreement {
  Export target;
  bool has_structured_replies = false;
  bool has_extended_headers = false;
  bool has_allocation_context = false;
};

/// The flags that say what an export can do.
[[nodiscard]] std::uint16_t transmission_flags(const Agreement& agreement);

class Negotiation {
 public:
  enum class Phase : std::uint8_t {
    talking,
    agreed,
    over,  ///< the connection is to be closed when what is written has been sent
  };

  /// What is written goes to `output`. `changed` is called, while the machine runs, whenever `proceed` is to be.
  Negotiation(vm::Machine& machine, const Options& options, vm::ByteQueue& output, std::function<void()> changed);

  /// Consumes what it can of the input and returns how much; the rest is to be given again. None while it waits for the
  /// machine.
  std::size_t take(std::span<const std::uint8_t> input);
  /// To be called when something has been sent, too.
  void proceed();
  /// Nothing more is done for the client before it has taken some of what it has been told.
  [[nodiscard]] bool is_full() const { return output_.size() >= worthwhile; }

  [[nodiscard]] bool is_waiting_for_client() const { return search_ == nullptr && list_ == nullptr; }
  [[nodiscard]] Phase phase() const { return phase_; }
  [[nodiscard]] const Agreement& agreement() const { return agreement_; }
  /// The device stays open as long as this lives.
  [[nodiscard]] std::unique_ptr<ExportSearch> take_search() { return std::move(search_); }

 private:
  static constexpr std::size_t worthwhile = 32 << 10;

  using Bytes = std::span<const std::uint8_t>;
  /// A question about one export, while the machine is asked.
  struct Query {
    std::string name;
    std::vector<Info> wanted;           ///< of INFO and GO
    std::vector<std::string> contexts;  ///< of the options of meta contexts
  };

  std::size_t take_client_flags(Bytes input);
  std::size_t take_option(Bytes input);
  void handle(Bytes data);
  void handle_export_name(Bytes data);
  void handle_info(Bytes data);
  void handle_meta_context(Bytes data);
  void handle_list(Bytes data);
  void handle_switch(Bytes data);
  void search(Query query);

  void go_on_with_list();
  void finish_search();
  void finish_export_name(const Export& found);
  void finish_info(const Export& found);
  void finish_meta_context();
  void agree(const Export& found);

  void greet();
  void reply(OptionReply type, Bytes data = {});
  void reply(OptionReply type, std::string_view text);

  vm::Machine& machine_;
  const Options& options_;
  vm::ByteQueue& output_;
  std::function<void()> changed_;
  Phase phase_ = Phase::talking;
  Agreement agreement_;
  bool has_client_flags_ = false;
  bool wants_zeroes_ = true;
  Option option_{};
  std::uint64_t to_skip_ = 0;   ///< bytes of an option that was too long
  std::string context_export_;  ///< what the meta context was set for
  Query query_;
  std::unique_ptr<ExportSearch> search_;
  std::unique_ptr<ExportList> list_;
};

}  // namespace chimera::nbd
