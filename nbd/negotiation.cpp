#include "nbd/negotiation.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/uuid/uuid_io.hpp>
#include <utility>

#include "isa/limits.h"

namespace chimera::nbd {
namespace {

using Bytes = std::span<const std::uint8_t>;

constexpr std::uint32_t longest_option = 64 << 10;
constexpr std::uint32_t longest_string = 4096;
constexpr std::size_t option_header_size = 16;
constexpr std::string_view allocation_name = "base:allocation";

/// Takes the fields of an option's data one by one, and notices when there are none left.
class Fields {
 public:
  explicit Fields(Bytes data) : rest_(data) {}

  template <std::unsigned_integral Integer>
  Integer integer() {
    const Bytes taken = bytes(sizeof(Integer));
    return taken.empty() ? Integer{0} : load_big<Integer>(taken.data());
  }
  /// A length of 32 bits and as many bytes.
  std::string string() {
    const auto size = integer<std::uint32_t>();
    is_whole_ = is_whole_ && size <= longest_string;
    const Bytes taken = bytes(size);
    return {reinterpret_cast<const char*>(taken.data()), taken.size()};
  }
  [[nodiscard]] bool is_whole() const { return is_whole_; }
  /// All was there, and nothing else.
  [[nodiscard]] bool fits() const { return is_whole_ && rest_.empty(); }

 private:
  Bytes bytes(std::size_t size) {
    is_whole_ = is_whole_ && size <= rest_.size();
    if (!is_whole_) return {};
    const Bytes taken = rest_.first(size);
    rest_ = rest_.subspan(size);
    return taken;
  }

  Bytes rest_;
  bool is_whole_ = true;
};

Bytes bytes_of(std::string_view text) { return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}; }

}  // namespace

std::uint16_t transmission_flags(const Agreement& agreement) {
  using namespace export_flags;
  unsigned flags = has_flags | flush | fua | multi_conn | cache;
  flags |= agreement.target.is_read_only ? read_only : trim | write_zeroes | fast_zero;
  if (agreement.has_structured_replies) flags |= dont_fragment;
  if (agreement.has_extended_headers) flags |= block_status_payload;
  return static_cast<std::uint16_t>(flags);
}

Negotiation::Negotiation(vm::Machine& machine, const Options& options, vm::ByteQueue& output,
                         std::function<void()> changed)
    : machine_(machine), options_(options), output_(output), changed_(std::move(changed)) {
  greet();
}

void Negotiation::greet() {
  std::array<std::uint8_t, 18> greeting;
  std::uint8_t* end = store_big(greeting.data(), magic::server);
  end = store_big(end, magic::option);
  store_big(end, static_cast<std::uint16_t>(handshake_flags::fixed_newstyle | handshake_flags::no_zeroes));
  output_.append(greeting);
}

void Negotiation::reply(OptionReply type, Bytes data) {
  std::array<std::uint8_t, 20> header;
  std::uint8_t* end = store_big(header.data(), magic::option_reply);
  end = store_big(end, std::to_underlying(option_));
  end = store_big(end, std::to_underlying(type));
  store_big(end, static_cast<std::uint32_t>(data.size()));
  output_.append(header);
  output_.append(data);
}

void Negotiation::reply(OptionReply type, std::string_view text) { reply(type, bytes_of(text)); }

std::size_t Negotiation::take(Bytes input) {
  std::size_t taken = 0;
  while (phase_ == Phase::talking && is_waiting_for_client() && !is_full()) {
    const Bytes rest = input.subspan(taken);
    if (to_skip_ > 0) {
      const std::size_t skipped = std::min<std::uint64_t>(to_skip_, rest.size());
      to_skip_ -= skipped;
      taken += skipped;
      if (to_skip_ > 0) break;
      reply(OptionReply::too_big, "an option of more than 64 KiB");
      continue;
    }
    const std::size_t consumed = has_client_flags_ ? take_option(rest) : take_client_flags(rest);
    if (consumed == 0) break;
    taken += consumed;
  }
  return taken;
}

std::size_t Negotiation::take_client_flags(Bytes input) {
  if (input.size() < sizeof(std::uint32_t)) return 0;
  const auto flags = load_big<std::uint32_t>(input.data());
  constexpr std::uint32_t known = handshake_flags::fixed_newstyle | handshake_flags::no_zeroes;
  if ((flags & ~known) != 0) phase_ = Phase::over;
  wants_zeroes_ = (flags & handshake_flags::no_zeroes) == 0;
  has_client_flags_ = true;
  return sizeof flags;
}

std::size_t Negotiation::take_option(Bytes input) {
  if (input.size() < option_header_size) return 0;
  if (load_big<std::uint64_t>(input.data()) != magic::option) {
    phase_ = Phase::over;
    return input.size();
  }
  option_ = Option{load_big<std::uint32_t>(input.data() + 8)};
  const auto size = load_big<std::uint32_t>(input.data() + 12);
  if (size > longest_option) {
    // There is no answer to EXPORT_NAME but the export.
    if (option_ == Option::export_name) phase_ = Phase::over;
    to_skip_ = size;
    return option_header_size;
  }
  if (input.size() < option_header_size + size) return 0;
  handle(input.subspan(option_header_size, size));
  return option_header_size + size;
}

void Negotiation::handle(Bytes data) {
  switch (option_) {
    case Option::export_name: return handle_export_name(data);
    case Option::abort:
      reply(OptionReply::ack);
      phase_ = Phase::over;
      return;
    case Option::list: return handle_list(data);
    case Option::info:
    case Option::go: return handle_info(data);
    case Option::structured_reply:
    case Option::extended_headers: return handle_switch(data);
    case Option::list_meta_context:
    case Option::set_meta_context: return handle_meta_context(data);
    case Option::starttls: return reply(OptionReply::unsupported, "this server has no TLS");
  }
  reply(OptionReply::unsupported, fmt::format("there is no option {}", std::to_underlying(option_)));
}

// Options that are answered at once.

void Negotiation::handle_switch(Bytes data) {
  if (!data.empty()) return reply(OptionReply::invalid, "this option has no data");
  if (option_ == Option::structured_reply && agreement_.has_extended_headers) {
    return reply(OptionReply::extended_header_required, "extended headers are agreed upon already");
  }
  agreement_.has_structured_replies = true;
  agreement_.has_extended_headers = option_ == Option::extended_headers;
  reply(OptionReply::ack);
}

// Options about which the machine is asked.

void Negotiation::handle_list(Bytes data) {
  if (!data.empty()) return reply(OptionReply::invalid, "a list has no data");
  list_ = std::make_unique<ExportList>(machine_, changed_);
}

void Negotiation::handle_export_name(Bytes data) {
  if (agreement_.has_extended_headers || data.size() > longest_string) {
    phase_ = Phase::over;
    return;
  }
  search({.name = {reinterpret_cast<const char*>(data.data()), data.size()}});
}

void Negotiation::handle_info(Bytes data) {
  Fields fields(data);
  Query query{.name = fields.string()};
  const auto count = fields.integer<std::uint16_t>();
  for (unsigned n = 0; n < count && fields.is_whole(); ++n) {
    // Once each: a client that repeats one thousands of times would get megabytes for it.
    const Info wanted{fields.integer<std::uint16_t>()};
    const bool is_new = std::ranges::find(query.wanted, wanted) == query.wanted.end();
    if (wanted <= Info::block_size && is_new) query.wanted.push_back(wanted);
  }
  if (!fields.fits()) return reply(OptionReply::invalid, "the lengths in this option do not fit its size");
  search(std::move(query));
}

void Negotiation::handle_meta_context(Bytes data) {
  if (option_ == Option::set_meta_context) agreement_.has_allocation_context = false;
  if (!agreement_.has_structured_replies) return reply(OptionReply::invalid, "agree on structured replies first");
  Fields fields(data);
  Query query{.name = fields.string()};
  const auto count = fields.integer<std::uint32_t>();
  for (std::uint32_t n = 0; n < count && fields.is_whole(); ++n) query.contexts.push_back(fields.string());
  if (!fields.fits()) return reply(OptionReply::invalid, "the lengths in this option do not fit its size");
  search(std::move(query));
}

void Negotiation::search(Query query) {
  query_ = std::move(query);
  search_ = std::make_unique<ExportSearch>(machine_, options_, query_.name, changed_);
}

// What the machine has answered.

void Negotiation::proceed() {
  while (list_ != nullptr && list_->has_page() && !is_full()) go_on_with_list();
  if (search_ != nullptr && phase_ == Phase::talking && search_->proceed()) finish_search();
}

void Negotiation::go_on_with_list() {
  const std::optional<std::vector<std::string>> names = list_->take_page();
  const bool is_last = !names || names->size() < ExportList::page;
  if (is_last) list_.reset();
  if (!names) return reply(OptionReply::shutdown, "the server is shutting down");
  std::vector<std::uint8_t> entry;
  for (const std::string& name : *names) {
    // Whoever asks about each that is listed shall not stumble over one that cannot be served.
    const devices::Device* const device = machine_.store().find(name);
    if (device != nullptr && devices::Store::is_missing(*device)) continue;
    entry.resize(sizeof(std::uint32_t));
    store_big(entry.data(), static_cast<std::uint32_t>(name.size()));
    entry.insert(entry.end(), name.begin(), name.end());
    reply(OptionReply::server, entry);
  }
  if (is_last) reply(OptionReply::ack);
}

void Negotiation::finish_search() {
  if (search_->found()) {
    const Export found = *search_->found();
    if (option_ == Option::export_name) return finish_export_name(found);
    if (option_ == Option::info || option_ == Option::go) return finish_info(found);
    finish_meta_context();
  } else if (option_ == Option::export_name) {
    phase_ = Phase::over;
  } else {
    reply(search_->refusal(), fmt::format("no such export: {}", search_->message()));
  }
  search_.reset();
}

void Negotiation::agree(const Export& found) {
  if (context_export_ != query_.name) agreement_.has_allocation_context = false;
  agreement_.target = found;
  phase_ = Phase::agreed;
}

void Negotiation::finish_export_name(const Export& found) {
  agree(found);
  constexpr std::size_t zeroes = 124;
  std::array<std::uint8_t, 10 + zeroes> bytes{};
  std::uint8_t* const end = store_big(bytes.data(), found.size);
  store_big(end, transmission_flags(agreement_));
  output_.append(Bytes(bytes).first(wants_zeroes_ ? bytes.size() : bytes.size() - zeroes));
}

void Negotiation::finish_info(const Export& found) {
  agreement_.target = found;
  std::array<std::uint8_t, 14> info;
  std::uint8_t* end = store_big(info.data(), std::to_underlying(Info::export_));
  end = store_big(end, found.size);
  store_big(end, transmission_flags(agreement_));
  reply(OptionReply::info, Bytes(info).first(12));
  const auto reply_text = [&](Info type, std::string_view text) {
    std::vector<std::uint8_t> bytes(sizeof(std::uint16_t));
    store_big(bytes.data(), std::to_underlying(type));
    bytes.insert(bytes.end(), text.begin(), text.end());
    reply(OptionReply::info, bytes);
  };
  for (const Info wanted : query_.wanted) {
    if (wanted == Info::name) reply_text(wanted, found.name);
    if (wanted == Info::description)
      reply_text(wanted, fmt::format("{} device {}", found.kind, to_string(found.device)));
    if (wanted != Info::block_size) continue;
    end = store_big(info.data(), std::to_underlying(wanted));
    end = store_big(end, std::uint32_t{1});
    end = store_big(end, limits::block_size);
    store_big(end, limits::largest_transfer);
    reply(OptionReply::info, info);
  }
  reply(OptionReply::ack);
  if (option_ == Option::go) {
    agree(found);
  } else {
    search_.reset();
  }
}

void Negotiation::finish_meta_context() {
  const bool is_list = option_ == Option::list_meta_context;
  const bool is_asked_for =
      (is_list && query_.contexts.empty()) || std::ranges::any_of(query_.contexts, [&](const std::string& context) {
        return context == allocation_name || (is_list && context == "base:");
      });
  if (is_asked_for) {
    std::array<std::uint8_t, 4 + allocation_name.size()> context;
    std::uint8_t* const end = store_big(context.data(), is_list ? 0 : allocation_context);
    std::ranges::copy(allocation_name, end);
    reply(OptionReply::meta_context, context);
  }
  if (!is_list) {
    agreement_.has_allocation_context = is_asked_for;
    context_export_ = query_.name;
  }
  reply(OptionReply::ack);
}

}  // namespace chimera::nbd
