// pack_row, pack_nibbles and their inverses.
//
// Widths 1, 2, 4: neighbouring bytes merge until a byte is full. Other widths: the eight codes of a 64-bit
// lane close ranks in three steps (fields of 8, 16, 32 bits), and since eight codes of b bits are b bytes,
// the lanes are stored b bytes apart.

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "hwy/highway.h"

#include "tersor/backend/quantize_kernels.h"

#if defined(TERSOR_BACKEND_CPU_KERNELS_PACK_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TERSOR_BACKEND_CPU_KERNELS_PACK_INL_H_
#undef TERSOR_BACKEND_CPU_KERNELS_PACK_INL_H_
#else
#define TERSOR_BACKEND_CPU_KERNELS_PACK_INL_H_
#endif

HWY_BEFORE_NAMESPACE();
namespace tersor {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using D8 = hn::ScalableTag<uint8_t>;
using D16 = hn::Repartition<uint16_t, D8>;
using D32 = hn::Repartition<uint32_t, D8>;
using D64 = hn::Repartition<uint64_t, D8>;
using V8 = hn::Vec<D8>;
using V64 = hn::Vec<D64>;
constexpr size_t kBytes = HWY_LANES(uint8_t);

HWY_INLINE V8 load_codes(const int8_t* codes) {
  return hn::LoadU(D8(), reinterpret_cast<const uint8_t*>(codes));
}

// kCodes codes of kBits bits in each byte of one vector. `offset` is added to codes, and bits above kBits
// drop.
template <int kBits, int kCodes>
HWY_INLINE V8 full_bytes(const int8_t* codes, V8 offset) {
  const D8 d8;
  const D16 d16;
  if constexpr (kCodes == 1) {
    return hn::And(hn::Add(load_codes(codes), offset), hn::Set(d8, (1u << kBits) - 1));
  } else {
    const auto even = hn::BitCast(d16, full_bytes<kBits, kCodes / 2>(codes, offset));
    const auto odd = hn::BitCast(d16, full_bytes<kBits, kCodes / 2>(codes + kBytes * (kCodes / 2), offset));
    constexpr int kShift = 8 - kBits * kCodes / 2;
    return hn::ConcatEven(d8, hn::BitCast(d8, hn::Or(odd, hn::ShiftRight<kShift>(odd))),
                          hn::BitCast(d8, hn::Or(even, hn::ShiftRight<kShift>(even))));
  }
}

// Packs codes while they fill vectors; returns how many.
template <int kBits>
HWY_INLINE size_t pack_whole_bytes(const int8_t* codes, size_t count, uint8_t offset, uint8_t* bytes) {
  const V8 add = hn::Set(D8(), offset);
  constexpr int kCodes = 8 / kBits;
  size_t i = 0;
  for (; i + kBytes * kCodes <= count; i += kBytes * kCodes) {
    hn::StoreU(full_bytes<kBits, kCodes>(codes + i, add), D8(), bytes + i / kCodes);
  }
  return i;
}

// Moves the upper field of each lane of 2·kField bits down to the lower one's bit kUsed.
template <int kField, int kUsed, class D>
HWY_INLINE V64 close_ranks(D d, V64 v) {
  using T = hn::TFromD<D>;
  const auto x = hn::BitCast(d, v);
  const auto low = hn::And(x, hn::Set(d, (T{1} << kUsed) - 1));
  const auto high = hn::And(hn::ShiftRight<kField - kUsed>(x), hn::Set(d, ((T{1} << kUsed) - 1) << kUsed));
  return hn::BitCast(D64(), hn::Or(low, high));
}

// The inverse: the upper kUsed bits of 2·kUsed go up to bit kField.
template <int kField, int kUsed, class D>
HWY_INLINE V64 open_ranks(D d, V64 v) {
  using T = hn::TFromD<D>;
  const auto x = hn::BitCast(d, v);
  const auto low = hn::And(x, hn::Set(d, (T{1} << kUsed) - 1));
  const auto high = hn::And(hn::ShiftLeft<kField - kUsed>(x), hn::Set(d, ((T{1} << kUsed) - 1) << kField));
  return hn::BitCast(D64(), hn::Or(low, high));
}

template <int kBits>
HWY_INLINE V64 close_all_ranks(V8 v) {
  V64 x = close_ranks<8, kBits>(D16(), hn::BitCast(D64(), v));
  x = close_ranks<16, 2 * kBits>(D32(), x);
  return close_ranks<32, 4 * kBits>(D64(), x);
}

template <int kBits>
HWY_INLINE V8 open_all_ranks(V64 x) {
  x = open_ranks<32, 4 * kBits>(D64(), x);
  x = open_ranks<16, 2 * kBits>(D32(), x);
  return hn::BitCast(D8(), open_ranks<8, kBits>(D16(), x));
}

template <int kBits>
HWY_INLINE size_t pack_lanes(const int8_t* codes, size_t count, uint8_t* bytes) {
  const V8 offset = hn::Set(D8(), 1u << (kBits - 1));
  alignas(64) uint64_t lanes[kBytes / 8];
  constexpr size_t kPacked = kBytes / 8 * kBits;
  uint8_t last[kPacked + 8];
  size_t i = 0;
  for (; i + kBytes <= count; i += kBytes) {
    hn::Store(close_all_ranks<kBits>(hn::Add(load_codes(codes + i), offset)), D64(), lanes);
    // Eight bytes are stored for each lane; the next lane overwrites what is too much.
    uint8_t* to = bytes + i / 8 * kBits;
    const bool has_next = i + 2 * kBytes <= count;
    uint8_t* store = has_next ? to : last;
    for (size_t k = 0; k < kBytes / 8; ++k) std::memcpy(store + k * kBits, &lanes[k], 8);
    if (!has_next) std::memcpy(to, last, kPacked);
  }
  return i;
}

template <int kBits>
void pack_bits(const int8_t* codes, size_t count, uint32_t* words) {
  auto* bytes = reinterpret_cast<uint8_t*>(words);
  size_t done = 0;
  if constexpr (8 % kBits == 0) {
    done = pack_whole_bytes<kBits>(codes, count, 1u << (kBits - 1), bytes);
  } else {
    done = pack_lanes<kBits>(codes, count, bytes);
  }
  reference_quantize_kernels().pack_row(codes + done, count - done, kBits, words + done * kBits / 32);
}

template <int kBits>
void unpack_bits(const uint32_t* words, size_t count, int8_t* codes) {
  const D8 d8;
  const auto* bytes = reinterpret_cast<const uint8_t*>(words);
  const V8 offset = hn::Set(d8, 1u << (kBits - 1));
  const hn::RebindToSigned<D64> di64;
  const auto starts = hn::Mul(hn::Iota(di64, 0), hn::Set(di64, kBits));
  // Eight bytes are read for each lane, of which the last may need but one: not behind the words.
  constexpr size_t kRead = (kBytes / 8 - 1) * kBits + 8;
  size_t i = 0;
  for (; i + kBytes <= count && i / 8 * kBits + kRead <= count * kBits / 8; i += kBytes) {
    const auto* from = reinterpret_cast<const uint64_t*>(bytes + i / 8 * kBits);
    const V8 u = open_all_ranks<kBits>(hn::GatherOffset(D64(), from, starts));
    hn::StoreU(hn::Sub(u, offset), d8, reinterpret_cast<uint8_t*>(codes + i));
  }
  reference_quantize_kernels().unpack_row(words + i * kBits / 32, count - i, kBits, codes + i);
}

// Calls f.operator()<bits>().
template <class F>
HWY_INLINE void with_bits(int bits, const F& f) {
  switch (bits) {
    case 1:
      return f.template operator()<1>();
    case 2:
      return f.template operator()<2>();
    case 3:
      return f.template operator()<3>();
    case 4:
      return f.template operator()<4>();
    case 5:
      return f.template operator()<5>();
    case 6:
      return f.template operator()<6>();
    case 7:
      return f.template operator()<7>();
    default:
      return f.template operator()<8>();
  }
}

void PackRow(const int8_t* codes, size_t count, int bits, uint32_t* words) {
  with_bits(bits, [&]<int kBits>() { pack_bits<kBits>(codes, count, words); });
}

void UnpackRow(const uint32_t* words, size_t count, int bits, int8_t* codes) {
  with_bits(bits, [&]<int kBits>() { unpack_bits<kBits>(words, count, codes); });
}

void PackNibbles(const int8_t* codes, size_t count, uint8_t* bytes) {
  const size_t done = pack_whole_bytes<4>(codes, count, 0, bytes);
  reference_quantize_kernels().pack_nibbles(codes + done, count - done, bytes + done / 2);
}

void UnpackNibbles(const uint8_t* bytes, size_t count, int8_t* codes) {
  const D8 d8;
  const D16 d16;
  size_t i = 0;
  for (; i + kBytes <= count; i += kBytes) {
    const auto pairs = hn::PromoteTo(d16, hn::LoadU(hn::Rebind<uint8_t, D16>(), bytes + i / 2));
    const auto u = hn::And(hn::Or(pairs, hn::ShiftLeft<4>(pairs)), hn::Set(d16, 0x0F0F));
    hn::StoreU(hn::BitCast(d8, u), d8, reinterpret_cast<uint8_t*>(codes + i));
  }
  reference_quantize_kernels().unpack_nibbles(bytes + i / 2, count - i, codes + i);
}

}  // namespace HWY_NAMESPACE
}  // namespace tersor
HWY_AFTER_NAMESPACE();

#endif
