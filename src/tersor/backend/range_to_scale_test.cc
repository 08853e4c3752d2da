// Scales against values that compressed-tensors 0.19 gives for the same ranges.
#include "tersor/backend/range_to_scale.h"

#include <bit>
#include <cmath>

#include <gtest/gtest.h>

namespace tersor {
namespace {

// calculate_qparams(min, max) of compressed-tensors 0.19 on bf16, f16 and f32 tensors; floats as bits.
struct Golden {
  ScaleStorage storage;
  CodeKind kind;
  int num_bits;
  bool symmetric;
  uint32_t min, max, scale;
  int zero_point;
};
constexpr Golden kGolden[] = {
    {ScaleStorage::kFloat32, CodeKind::kInt, 2, true, 0xBD2D9F86, 0x3D326BB6, 0x3CEDE4F3, 0},
    {ScaleStorage::kFloat32, CodeKind::kInt, 2, true, 0xB8910610, 0x3A6C46E0, 0x3A1D8495, 0},
    {ScaleStorage::kFloat32, CodeKind::kInt, 3, false, 0xB53F1320, 0x36769384, 0x35283275, -3},
    {ScaleStorage::kFloat32, CodeKind::kInt, 3, false, 0xBD9FC738, 0x3E30E415, 0x3D12BB40, -2},
    {ScaleStorage::kFloat32, CodeKind::kInt, 4, true, 0xBE173339, 0x3CDC22B8, 0x3CA147B4, 0},
    {ScaleStorage::kFloat32, CodeKind::kInt, 4, true, 0xBF071E32, 0x3F894BE3, 0x3E127314, 0},
    {ScaleStorage::kFloat32, CodeKind::kInt, 4, true, 0x8003FCF3, 0x00011E1F, 0x00008820, 0},
    {ScaleStorage::kFloat32, CodeKind::kInt, 4, false, 0xB643DF34, 0x3661D213, 0x34E0E715, -1},
    {ScaleStorage::kFloat32, CodeKind::kInt, 4, false, 0xBA7AE1E8, 0x368B2980, 0x38866242, 7},
    {ScaleStorage::kFloat32, CodeKind::kInt, 4, false, 0x8009CC3C, 0x00091EE9, 0x000142E0, 0},
    {ScaleStorage::kFloat32, CodeKind::kInt, 8, true, 0xC02994FA, 0x400D3565, 0x3CAA3F39, 0},
    {ScaleStorage::kFloat32, CodeKind::kInt, 8, true, 0xBB90BA53, 0x3BC5D0EE, 0x38469786, 0},
    {ScaleStorage::kFloat32, CodeKind::kInt, 8, false, 0xB5F00720, 0x377370AA, 0x33894209, -100},
    {ScaleStorage::kFloat32, CodeKind::kInt, 8, false, 0xBC808F1C, 0x3A914940, 0x388A2DDE, 110},
    {ScaleStorage::kFloat32, CodeKind::kFloat8, 8, true, 0xB910CEF2, 0x38C0CDF2, 0x34A57ECB, 0},
    {ScaleStorage::kFloat32, CodeKind::kFloat8, 8, true, 0xBDFA5BF6, 0x3D8EC192, 0x398F0FFA, 0},
    {ScaleStorage::kFloat32, CodeKind::kFloat8, 8, true, 0x80069D9B, 0x00067250, 0x000003C8, 0},
    {ScaleStorage::kFloat32, CodeKind::kFloat4, 4, true, 0xB66913BA, 0x362CA779, 0x351B627C, 0},
    {ScaleStorage::kFloat32, CodeKind::kFloat4, 4, true, 0xBE20C04B, 0x3E4D0BFA, 0x3D08B2A7, 0},
    {ScaleStorage::kE8M0, CodeKind::kFloat4, 4, true, 0xBB7ED868, 0x3C38D454, 0x3B000000, 0},
    {ScaleStorage::kE8M0, CodeKind::kFloat4, 4, true, 0xB635E4ED, 0x3650E415, 0x35000000, 0},
    {ScaleStorage::kE8M0, CodeKind::kFloat4, 4, true, 0x8008FCE7, 0x00053F11, 0x00400000, 0},
    {ScaleStorage::kE8M0, CodeKind::kFloat8, 8, true, 0xC10BA7E6, 0x40AAEA5E, 0x3D000000, 0},
    {ScaleStorage::kE8M0, CodeKind::kFloat8, 8, true, 0xBE88629E, 0x3C200040, 0x3A800000, 0},
    {ScaleStorage::kBFloat16, CodeKind::kInt, 2, true, 0xB7060000, 0x37940000, 0x37450000, 0},
    {ScaleStorage::kBFloat16, CodeKind::kInt, 2, true, 0xBB2D0000, 0x3B210000, 0x3AE70000, 0},
    {ScaleStorage::kBFloat16, CodeKind::kInt, 3, false, 0xB6980000, 0x360B0000, 0x357E0000, 1},
    {ScaleStorage::kBFloat16, CodeKind::kInt, 3, false, 0xBB6A0000, 0x3B0C0000, 0x3A560000, 0},
    {ScaleStorage::kBFloat16, CodeKind::kInt, 4, true, 0xC1FB0000, 0x3F8C0000, 0x40860000, 0},
    {ScaleStorage::kBFloat16, CodeKind::kInt, 4, true, 0xBC120000, 0x3C200000, 0x3AAB0000, 0},
    {ScaleStorage::kBFloat16, CodeKind::kInt, 4, true, 0x800A0000, 0x00020000, 0x00010000, 0},
    {ScaleStorage::kBFloat16, CodeKind::kInt, 4, false, 0xB9660000, 0x39890000, 0x38060000, -1},
    {ScaleStorage::kBFloat16, CodeKind::kInt, 4, false, 0xB6290000, 0x36570000, 0x34CD0000, -1},
    {ScaleStorage::kBFloat16, CodeKind::kInt, 4, false, 0x80050000, 0x00090000, 0x00010000, -3},
    {ScaleStorage::kBFloat16, CodeKind::kInt, 8, true, 0xBF080000, 0x3F890000, 0x3C0A0000, 0},
    {ScaleStorage::kBFloat16, CodeKind::kInt, 8, true, 0xBAC20000, 0x3AEA0000, 0x376B0000, 0},
    {ScaleStorage::kBFloat16, CodeKind::kInt, 8, false, 0xB8450000, 0x3BA70000, 0x37AA0000, -126},
    {ScaleStorage::kBFloat16, CodeKind::kInt, 8, false, 0xBBE90000, 0x3C7C0000, 0x38B90000, -48},
    {ScaleStorage::kBFloat16, CodeKind::kFloat8, 8, true, 0xC0370000, 0x416F0000, 0x3D090000, 0},
    {ScaleStorage::kBFloat16, CodeKind::kFloat8, 8, true, 0xBB4D0000, 0x3AB40000, 0x36EA0000, 0},
    {ScaleStorage::kBFloat16, CodeKind::kFloat8, 8, true, 0x80050000, 0x00040000, 0x3C000000, 0},
    {ScaleStorage::kBFloat16, CodeKind::kFloat4, 4, true, 0xBE440000, 0x3E260000, 0x3D030000, 0},
    {ScaleStorage::kBFloat16, CodeKind::kFloat4, 4, true, 0xBC450000, 0x3B9B0000, 0x3B030000, 0},
    {ScaleStorage::kE8M0, CodeKind::kFloat4, 4, true, 0xBF000000, 0x3EBA0000, 0x3E000000, 0},
    {ScaleStorage::kE8M0, CodeKind::kFloat4, 4, true, 0xC2170000, 0x41E50000, 0x41000000, 0},
    {ScaleStorage::kE8M0, CodeKind::kFloat4, 4, true, 0x80090000, 0x00000000, 0x00400000, 0},
    {ScaleStorage::kE8M0, CodeKind::kFloat8, 8, true, 0xBE320000, 0x3D7B0000, 0x3A000000, 0},
    {ScaleStorage::kE8M0, CodeKind::kFloat8, 8, true, 0xBDE10000, 0x3CF40000, 0x3A000000, 0},
    {ScaleStorage::kFloat16, CodeKind::kInt, 2, true, 0xB5600000, 0x34C00000, 0x35100000, 0},
    {ScaleStorage::kFloat16, CodeKind::kInt, 2, true, 0xC09C0000, 0x40A6A000, 0x405E2000, 0},
    {ScaleStorage::kFloat16, CodeKind::kInt, 3, false, 0xB9518000, 0x3A0A6000, 0x38DA0000, -2},
    {ScaleStorage::kFloat16, CodeKind::kInt, 3, false, 0xB6820000, 0x37D10000, 0x368A0000, -3},
    {ScaleStorage::kFloat16, CodeKind::kInt, 4, true, 0xBD448000, 0x3DCCE000, 0x3C5A8000, 0},
    {ScaleStorage::kFloat16, CodeKind::kInt, 4, true, 0xB949E000, 0x37C48000, 0x37D78000, 0},
    {ScaleStorage::kFloat16, CodeKind::kInt, 4, true, 0xB5000000, 0x34E00000, 0x33800000, 0},
    {ScaleStorage::kFloat16, CodeKind::kInt, 4, false, 0xBFD44000, 0x403BA000, 0x3E9CA000, -3},
    {ScaleStorage::kFloat16, CodeKind::kInt, 4, false, 0xC0B40000, 0x3FEBE000, 0x3EFEE000, 3},
    {ScaleStorage::kFloat16, CodeKind::kInt, 4, false, 0xB4400000, 0x35100000, 0x33800000, -5},
    {ScaleStorage::kFloat16, CodeKind::kInt, 8, true, 0xBA33E000, 0x3A87A000, 0x37080000, 0},
    {ScaleStorage::kFloat16, CodeKind::kInt, 8, true, 0xBDEDC000, 0x3D67A000, 0x3A6EA000, 0},
    {ScaleStorage::kFloat16, CodeKind::kInt, 8, false, 0xB6CA0000, 0x36440000, 0x33800000, -27},
    {ScaleStorage::kFloat16, CodeKind::kInt, 8, false, 0xB6680000, 0x36CA0000, 0x33800000, -70},
    {ScaleStorage::kFloat16, CodeKind::kFloat8, 8, true, 0xBC2FC000, 0x3B012000, 0x37C90000, 0},
    {ScaleStorage::kFloat16, CodeKind::kFloat8, 8, true, 0xB89BA000, 0x39E0A000, 0x35800000, 0},
    {ScaleStorage::kFloat16, CodeKind::kFloat8, 8, true, 0xB4A00000, 0x33800000, 0x3A800000, 0},
    {ScaleStorage::kFloat16, CodeKind::kFloat4, 4, true, 0xBF536000, 0x405AC000, 0x3F11E000, 0},
    {ScaleStorage::kFloat16, CodeKind::kFloat4, 4, true, 0xBD7C0000, 0x3DEB6000, 0x3C9CE000, 0},
};

TEST(RangeToScale, AgreesWithCompressedTensors) {
  for (const Golden& g : kGolden) {
    const MinMax range{std::bit_cast<float>(g.min), std::bit_cast<float>(g.max)};
    const auto q = range_to_scale(range, {g.kind, g.num_bits}, g.symmetric, g.storage);
    EXPECT_EQ(q.scale, std::bit_cast<float>(g.scale)) << range.min << " " << range.max;
    EXPECT_EQ(q.zero_point, g.zero_point) << range.min << " " << range.max;
  }
}

TEST(RangeToScale, ZeroRangeGivesEps) {
  EXPECT_EQ(range_to_scale({0, 0}, {}, true, ScaleStorage::kFloat32).scale, 1.1920929e-07f);
  EXPECT_EQ(range_to_scale({0, 0}, {}, true, ScaleStorage::kBFloat16).scale, 0.0078125f);
  EXPECT_EQ(range_to_scale({0, 0}, {}, false, ScaleStorage::kFloat16).scale, 0.0009765625f);
  EXPECT_EQ(range_to_scale({0, 0}, {}, false, ScaleStorage::kFloat16).zero_point, 0);
  EXPECT_EQ(range_to_scale({-0.0f, 0}, {CodeKind::kFloat4}, true, ScaleStorage::kE8M0).scale, 0x1p-127f);
}

TEST(RangeToScale, MxExponents) {
  struct Row {
    float amax;
    int fp4, fp8;
  };
  for (const Row& row :
       {Row{1, 125, 119}, Row{1.74f, 125, 119}, Row{1.75f, 126, 120}, Row{6, 127, 121}, Row{6.9f, 127, 121},
        Row{7, 128, 122}, Row{448, 134, 128}, Row{0.0123f, 118, 112}, Row{0, 0, 0}, Row{1e-38f, 0, 0}}) {
    EXPECT_EQ(e8m0_exponent(row.amax, CodeKind::kFloat4), row.fp4) << row.amax;
    EXPECT_EQ(e8m0_exponent(row.amax, CodeKind::kFloat8), row.fp8) << row.amax;
  }
}

}  // namespace
}  // namespace tersor
