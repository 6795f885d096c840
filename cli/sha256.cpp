#include "cli/sha256.h"

#include <openssl/evp.h>

#include <array>
#include <new>

#include "types/scalar_text.h"

namespace chimera::cli {

struct Sha256::Context {
  EVP_MD_CTX* state = EVP_MD_CTX_new();
  ~Context() { EVP_MD_CTX_free(state); }
};

Sha256::Sha256() : context_(std::make_unique<Context>()) {
  if (context_->state == nullptr || EVP_DigestInit_ex(context_->state, EVP_sha256(), nullptr) != 1)
    throw std::bad_alloc();
}

Sha256::~Sha256() = default;

void Sha256::add(std::string_view bytes) { EVP_DigestUpdate(context_->state, bytes.data(), bytes.size()); }

std::string Sha256::digits() {
  std::array<char, 32> digest{};
  EVP_DigestFinal_ex(context_->state, reinterpret_cast<unsigned char*>(digest.data()), nullptr);
  std::string text;
  types::append_hex(text, {digest.data(), digest.size()});
  return text;
}

}  // namespace chimera::cli
