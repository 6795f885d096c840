#include "cli/stream_format.h"

#include <new>

namespace chimera::cli {

std::vector<std::uint8_t> stream_beginning() { return Program().outcome_of_token(stream_mark).take(); }

std::string snapshot_suffix(std::string_view name) {
  const std::size_t at = name.find('@');
  return at == std::string_view::npos ? std::string("@").append(name) : std::string(name.substr(at));
}

StreamDigest::StreamDigest() : context_(EVP_MD_CTX_new()) {
  if (!context_ || EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) != 1) throw std::bad_alloc();
}

void StreamDigest::add(std::span<const std::uint8_t> bytes) {
  EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size());
}

StreamDigest::Value StreamDigest::value() const {
  Value value{};
  const std::unique_ptr<EVP_MD_CTX, Free> copy(EVP_MD_CTX_new());
  if (!copy || EVP_MD_CTX_copy_ex(copy.get(), context_.get()) != 1) throw std::bad_alloc();
  EVP_DigestFinal_ex(copy.get(), value.data(), nullptr);
  return value;
}

}  // namespace chimera::cli
