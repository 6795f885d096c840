#include "devices/crc32c_folding.h"

#include <cassert>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace chimera::devices {

#if defined(__x86_64__)

namespace {

#define CHIMERA_FOLDING __attribute__((target("avx512f,avx512vl,vpclmulqdq,pclmul,sse4.2")))

/// x^`power` modulo the polynomial, reflected, and shifted as a multiplication of reflected numbers wants it.
constexpr long long power_of_x(unsigned power) {
  std::uint32_t remainder = 0x80000000;  // 1
  for (unsigned n = 0; n < power; ++n) remainder = (remainder >> 1) ^ ((remainder & 1) != 0 ? 0x82F63B78 : 0);
  return static_cast<long long>(remainder) * 2;
}

/// The factors that move 128 bits forward by so many: of the first 64 bits, and of the last.
struct Factors {
  long long first;
  long long last;
};
constexpr Factors factors(unsigned bits) { return {power_of_x(bits + 32), power_of_x(bits - 32)}; }

constexpr Factors by_step = factors(8 * folding_step);
constexpr Factors by_vector = factors(512);
constexpr Factors by_lane = factors(128);

CHIMERA_FOLDING inline __m512i moved(__m512i value, const Factors& factors, __m512i next) {
  const __m512i both = _mm512_set_epi64(factors.last, factors.first, factors.last, factors.first, factors.last,
                                        factors.first, factors.last, factors.first);
  const __m512i first = _mm512_clmulepi64_epi128(value, both, 0x00);
  const __m512i last = _mm512_clmulepi64_epi128(value, both, 0x11);
  return _mm512_ternarylogic_epi64(first, last, next, 0x96);  // the exclusive or of all three
}

CHIMERA_FOLDING inline __m128i moved(__m128i value, const Factors& factors, __m128i next) {
  const __m128i both = _mm_set_epi64x(factors.last, factors.first);
  const __m128i first = _mm_clmulepi64_si128(value, both, 0x00);
  const __m128i last = _mm_clmulepi64_si128(value, both, 0x11);
  return _mm_xor_si128(_mm_xor_si128(first, last), next);
}

template <bool copies>
CHIMERA_FOLDING inline __m512i take(const std::uint8_t* bytes, std::uint8_t* target, std::size_t at) {
  const __m512i value = _mm512_loadu_si512(bytes + at);
  if constexpr (copies) _mm512_store_si512(target + at, value);
  return value;
}

template <bool copies>
CHIMERA_FOLDING std::uint32_t run(std::uint32_t start, const std::uint8_t* bytes, std::size_t size,
                                  std::uint8_t* target) {
  assert(size >= folding_step && size % folding_step == 0);
  __m512i sums[4];
  for (std::size_t n = 0; n < 4; ++n) sums[n] = take<copies>(bytes, target, 64 * n);
  sums[0] = _mm512_xor_si512(sums[0], _mm512_zextsi128_si512(_mm_cvtsi32_si128(static_cast<int>(start))));
  for (std::size_t at = folding_step; at < size; at += folding_step) {
    for (std::size_t n = 0; n < 4; ++n) sums[n] = moved(sums[n], by_step, take<copies>(bytes, target, at + 64 * n));
  }
  __m512i sum = sums[0];
  for (std::size_t n = 1; n < 4; ++n) sum = moved(sum, by_vector, sums[n]);
  alignas(64) __m128i lanes[4];
  _mm512_store_si512(lanes, sum);
  __m128i folded = lanes[0];
  for (std::size_t n = 1; n < 4; ++n) folded = moved(folded, by_lane, lanes[n]);
  std::uint64_t crc = _mm_crc32_u64(0, static_cast<std::uint64_t>(_mm_cvtsi128_si64(folded)));
  crc = _mm_crc32_u64(crc, static_cast<std::uint64_t>(_mm_extract_epi64(folded, 1)));
  return static_cast<std::uint32_t>(crc);
}

#undef CHIMERA_FOLDING

const bool is_there = __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512vl") != 0 &&
                      __builtin_cpu_supports("vpclmulqdq") != 0 && __builtin_cpu_supports("pclmul") != 0 &&
                      __builtin_cpu_supports("sse4.2") != 0;

}  // namespace

bool has_folding() noexcept { return is_there; }

std::uint32_t fold(std::uint32_t start, const std::uint8_t* bytes, std::size_t size) noexcept {
  return run<false>(start, bytes, size, nullptr);
}

std::uint32_t fold_and_copy(std::uint32_t start, const std::uint8_t* bytes, std::size_t size,
                            std::uint8_t* target) noexcept {
  return run<true>(start, bytes, size, target);
}

#else

bool has_folding() noexcept { return false; }
std::uint32_t fold(std::uint32_t, const std::uint8_t*, std::size_t) noexcept { __builtin_unreachable(); }
std::uint32_t fold_and_copy(std::uint32_t, const std::uint8_t*, std::size_t, std::uint8_t*) noexcept {
  __builtin_unreachable();
}

#endif

}  // namespace chimera::devices
