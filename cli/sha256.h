#pragma once
// SHA-256 of what comes a piece at a time.

#include <memory>
#include <string>
#include <string_view>

namespace chimera::cli {

class Sha256 {
 public:
  Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;
  ~Sha256();

  void add(std::string_view bytes);
  /// 64 hexadecimal digits. Nothing may be added afterwards.
  [[nodiscard]] std::string digits();

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

}  // namespace chimera::cli
