#pragma once
// A schema's text as tokens, and what is found wrong with it.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "isa/diagnostic.h"

namespace chimera::types {

struct Token {
  enum class Kind : std::uint8_t {
    word,    ///< a letter or _, then letters, digits, _
    number,  ///< as JSON writes it
    string,  ///< "…", as JSON writes it, with its quotes
    symbol,  ///< one of { } ( ) [ ] : , = | .
    end,     ///< behind the last one
  };
  Kind kind = Kind::end;
  std::size_t offset = 0;  ///< in the text, in bytes
  std::string_view text;   ///< points into it

  /// A word or a symbol.
  [[nodiscard]] bool is(std::string_view written) const {
    return (kind == Kind::word || kind == Kind::symbol) && text == written;
  }
};

/// The tokens in front of the reader. Errors are gathered in the order of their places, at most `most_diagnostics`.
class Source {
 public:
  static constexpr std::size_t most_diagnostics = 100;

  /// Both must outlive this.
  Source(std::string_view text, std::string_view file);

  [[nodiscard]] const Token& peek(std::size_t ahead = 0) const;
  const Token& next();
  /// Takes the word or symbol if it stands there.
  bool take(std::string_view written);
  /// Takes it or reports that it is expected.
  bool expect(std::string_view written);
  /// Takes an identifier, or reports that one is expected: `what` it names.
  std::optional<Token> identifier(std::string_view what);

  void report(const Token& at, std::string message);
  /// "expected WHAT, not …", at the next token.
  void report_expected(std::string_view what);

  /// Passes over tokens up to the comma or closing bracket that belongs to what is being read, or to the next item.
  void skip_in_list();
  /// Passes over tokens up to the next option of a relation, item or closing brace.
  void skip_to_option();
  /// Passes over tokens up to the next item, `type`, `relation` or `module`, or a closing brace.
  void skip_to_item();

  [[nodiscard]] bool ok() const { return diagnostics_.empty(); }
  /// Sorted by their places.
  [[nodiscard]] std::vector<Diagnostic> take_diagnostics();

 private:
  void tokenize();
  /// The length of the token at `at`, and its kind; reports what is none.
  Token token_at(std::size_t at);
  /// Whether an item begins here, as far as that can be told where something is wrong.
  [[nodiscard]] bool at_item() const;

  std::string_view text_;
  std::string_view file_;
  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  std::vector<Diagnostic> diagnostics_;
};

}  // namespace chimera::types
