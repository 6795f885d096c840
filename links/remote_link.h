#pragma once
// A running server as a link of tables, which outlives the connection.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "isa/builder.h"
#include "server/client.h"
#include "tables/link.h"
#include "tables/script.h"
#include "tables/under_way.h"

namespace chimera::links {

/// A connection of its own. Scripts go out at once, their answers are taken as they come.
///
/// Transactions are committed with a token each. Where the connection breaks, or the server is shutting down, the link
/// connects again: at once, then after 50 ms, and after twice as long each time, up to 2 s, until so much time has
/// passed as it was made with. A try that has begun is not cut short; where nothing answers at all the kernel gives it
/// up after some two minutes. Then it settles what was sent and not answered:
///
/// - Of a transaction the server is asked what has become of it. Committed: all answers are ok, and the results zeros,
///   as nobody reads in a transaction (`io_error` if somebody has). Not: `conflict`, nothing of it has happened, and
///   nothing will, which is made sure of. For a moment there is an empty device `:undone/TOKEN` then; a client that is
///   killed just now leaves it, and whoever likes deletes it.
/// - What only reads is sent again by `run`, up to 8 times. What was sent ahead by `send` answers `conflict`.
/// - Anything else answers `conflict` too, and may have happened, or still happen: who sends such scripts bears that.
/// - Devices of `owners` that are there are opened again. Others may have found them to be left meanwhile.
///
/// What cannot be settled is `io_error` with Failure::is_in_doubt: the server has not come back, or what is behind the
/// address now knows nothing of the token, nor of one that the link has committed before it (another store, an earlier
/// state of it, or more than 65,536 tokens since), or the token cannot be taken away (no room for the device). Where it
/// has not come back the link is of no use any more.
class RemoteLink final : public tables::Link {
 public:
  static constexpr std::uint64_t usual_patience_ms = 30'000;
  /// Over TCP: when the server's computer has given no sign of life for so long, or taken nothing, the connection
  /// counts as broken.
  static constexpr std::uint64_t silence_ms = 60'000;

  /// To `unix:PATH` or `tcp:HOST:PORT`, once. `patience_ms`: how long it is tried to connect again; 0: once. Errors are
  /// whole sentences.
  [[nodiscard]] static std::expected<std::unique_ptr<RemoteLink>, std::string> connect(
      const std::string& address, std::uint64_t patience_ms = usual_patience_ms);

  tables::Result<> run(const tables::Script& script, tables::Answers& answers) override;
  Ticket send(tables::Script script) override;
  tables::Result<> receive(Ticket ticket, tables::Answers& answers) override;
  /// Ends the session, and waits until the server has ended it too.
  void close();

 private:
  using Token = Program::Token;
  /// What has become of a script whose answers are lost.
  enum class Fate : std::uint8_t {
    committed,  ///< all of the transaction has happened
    undone,     ///< nothing of the transaction has happened, and nothing will
    unknown,    ///< nobody can tell whether the transaction has happened
    lost,       ///< it was no transaction, or was never sent, as the server had not come back
  };
  struct Sent {
    Token token{};  ///< of a transaction
    bool is_transaction = false;
    std::optional<Fate> fate;
    std::string why;          ///< where that is unknown
    bool is_refused = false;  ///< a refusal was sent, of which nobody knows yet whether it has succeeded
  };
  /// Or why the connection is of no use any more.
  using Arrived = std::expected<void, std::string>;

  RemoteLink(server::Client client, server::Address address, std::uint64_t patience_ms)
      : client_(std::move(client)), address_(std::move(address)), patience_ms_(patience_ms) {}

  void settle();
  void post(const tables::Script& script);
  void send_with_token(std::span<const std::uint8_t> program, const Token& token);
  void keep_witness();
  [[nodiscard]] tables::Result<> collect(const tables::Script& script, tables::Answers& answers);
  [[nodiscard]] Arrived take_answers(const tables::Script& script, tables::Answers& answers);
  [[nodiscard]] tables::Result<> tell_fate(const Sent& sent, const tables::Script& script, tables::Answers& answers);
  [[nodiscard]] std::string how_to_ask(const Token& token) const;
  void connect_again(const std::string& why);
  [[nodiscard]] Arrived settle_fates();
  [[nodiscard]] Arrived ask_fate(Sent& sent);
  [[nodiscard]] Arrived open_owners();
  void give_up();

  std::optional<server::Client> client_;  ///< none: the server has not come back
  server::Address address_;
  std::uint64_t patience_ms_;
  std::string gone_;        ///< why there is no client
  std::string last_break_;  ///< how the connection was lost last
  tables::UnderWay under_way_;
  std::deque<Sent> unanswered_;   ///< in the order in which they were sent
  std::optional<Token> witness_;  ///< the last token that is known to have been committed
  std::vector<Uuid> refusals_;    ///< devices that have served to refuse a transaction
  bool is_lost_ = false;          ///< the answers to the last script that was collected, which was no transaction
  std::vector<std::uint8_t> program_;
};

}  // namespace chimera::links
