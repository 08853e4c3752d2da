// The parts of a decoder block, row by row from their formulas.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "tersor/backend/operation_shapes.h"
#include "tersor/backend/reference/reference_backend.h"
#include "tersor/base/float_types.h"
#include "tersor/tensor/matrix_view.h"

namespace tersor {
namespace {

constexpr double kInverseSqrt2 = 0.70710678118654752440;
constexpr double kSqrt2OverPi = 0.79788456080286535588;

// y[i] = f(x[i]).
template <typename F>
void each(const DeviceTensor& x, const DeviceTensor& y, F&& f) {
  require_shapes(is_f32(x) && is_f32(y) && x.rows == y.rows && x.cols == y.cols, "elementwise");
  for (size_t i = 0; i < x.size(); ++i) y.data<float>()[i] = static_cast<float>(f(i, x.data<float>()[i]));
}

}  // namespace

double activation_value(Activation activation, double x) {
  switch (activation) {
    case Activation::kSilu:
      return x / (1.0 + std::exp(-x));
    case Activation::kGelu:
      return 0.5 * x * (1.0 + std::erf(x * kInverseSqrt2));
    case Activation::kGeluTanh:
      return 0.5 * x * (1.0 + std::tanh(kSqrt2OverPi * (x + 0.044715 * x * x * x)));
    case Activation::kRelu:
      return std::max(x, 0.0);
    case Activation::kRelu2:
      return x > 0 ? x * x : 0.0;
  }
  return x;
}

void ReferenceBackend::convert(const DeviceTensor& from, const DeviceTensor& to) {
  require_convert_shapes(from, to);
  for (size_t i = 0; i < from.size(); ++i) {
    if (to.dtype == DType::kBF16) {
      to.data<BFloat16>()[i] = bfloat16_from(from.data<float>()[i]);
    } else {
      to.data<float>()[i] = to_float(from.data<BFloat16>()[i]);
    }
  }
}

void ReferenceBackend::norm(const NormArgs& args, const DeviceTensor& x, const DeviceTensor& weight,
                            const DeviceTensor& bias, const DeviceTensor& y) {
  const size_t n = x.cols;
  require_norm_shapes(x, weight, bias, y);
  for (size_t r = 0; r < x.rows; ++r) {
    const float* in = x.data<float>() + r * n;
    double mean = 0, square = 0;
    if (args.layer_norm) {
      for (size_t i = 0; i < n; ++i) mean += in[i];
      mean /= static_cast<double>(n);
    }
    for (size_t i = 0; i < n; ++i) square += (in[i] - mean) * (in[i] - mean);
    const double inverse = 1.0 / std::sqrt(square / static_cast<double>(n) + args.epsilon);
    for (size_t i = 0; i < n; ++i) {
      const double factor = (weight ? weight.data<float>()[i] : 1.0) + (args.offset_one ? 1.0 : 0.0);
      y.data<float>()[r * n + i] =
          static_cast<float>((in[i] - mean) * inverse * factor + (bias ? bias.data<float>()[i] : 0.0));
    }
  }
}

void ReferenceBackend::rotary(const RotaryArgs& args, const DeviceTensor& cos, const DeviceTensor& sin,
                              const DeviceTensor& x) {
  const size_t half = args.rotary_dim / 2;
  require_rotary_shapes(args, cos, sin, x);
  for (size_t r = 0; r < x.rows; ++r) {
    const float* c = cos.data<float>() + (args.first_position + r) * half;
    const float* s = sin.data<float>() + (args.first_position + r) * half;
    for (size_t h = 0; h < args.heads; ++h) {
      float* head = x.data<float>() + r * x.cols + h * args.head_dim + args.first_dim;
      for (size_t i = 0; i < half; ++i) {
        float& first = head[args.interleaved ? 2 * i : i];
        float& second = head[args.interleaved ? 2 * i + 1 : i + half];
        const double a = first, b = second;
        first = static_cast<float>(a * c[i] - b * s[i]);
        second = static_cast<float>(b * c[i] + a * s[i]);
      }
    }
  }
}

void ReferenceBackend::attention(const AttentionArgs& args, const DeviceTensor& q, const DeviceTensor& k,
                                 const DeviceTensor& v, const DeviceTensor& out) {
  require_attention_shapes(args, q, k, v, out);
  const size_t share = args.heads / args.kv_heads;
  std::vector<double> scores(k.rows), sums(args.value_dim);
  for (size_t r = 0; r < q.rows; ++r) {
    const size_t end = k.rows - q.rows + r + 1;
    const size_t begin = args.window > 0 && end > args.window ? end - args.window : 0;
    for (size_t h = 0; h < args.heads; ++h) {
      const float* query = q.data<float>() + r * q.cols + h * args.head_dim;
      double largest = -std::numeric_limits<double>::infinity();
      for (size_t t = begin; t < end; ++t) {
        const float* key = k.data<float>() + t * k.cols + h / share * args.head_dim;
        double score = 0;
        for (size_t i = 0; i < args.head_dim; ++i) score += double{query[i]} * key[i];
        score *= args.scale;
        if (args.soft_cap > 0) score = args.soft_cap * std::tanh(score / args.soft_cap);
        scores[t] = score;
        largest = std::max(largest, score);
      }
      double total = 0;
      std::fill(sums.begin(), sums.end(), 0.0);
      for (size_t t = begin; t < end; ++t) {
        const double p = std::exp(scores[t] - largest);
        total += p;
        const float* value = v.data<float>() + t * v.cols + h / share * args.value_dim;
        for (size_t i = 0; i < args.value_dim; ++i) sums[i] += p * value[i];
      }
      float* to = out.data<float>() + r * out.cols + h * args.value_dim;
      for (size_t i = 0; i < args.value_dim; ++i) to[i] = static_cast<float>(sums[i] / total);
    }
  }
}

void ReferenceBackend::softmax(const DeviceTensor& x, const DeviceTensor& y) {
  require_shapes(x.rows == y.rows && x.cols == y.cols, "softmax");
  std::vector<double> p(x.cols);
  for (size_t r = 0; r < x.rows; ++r) {
    const float* in = x.data<float>() + r * x.cols;
    const double largest = *std::max_element(in, in + x.cols);
    double total = 0;
    for (size_t i = 0; i < x.cols; ++i) total += p[i] = std::exp(in[i] - largest);
    for (size_t i = 0; i < x.cols; ++i) y.data<float>()[r * x.cols + i] = static_cast<float>(p[i] / total);
  }
}

void ReferenceBackend::fold_softmax(const DeviceTensor& x, size_t first_column, const DeviceTensor& other,
                                    const DeviceTensor& targets, const DeviceTensor& state) {
  require_fold_softmax_shapes(x, other, targets, state);
  for (size_t r = 0; r < x.rows; ++r) {
    const float* row = x.data<float>() + r * x.cols;
    auto& sums = state.data<SoftmaxSums>()[r];
    const float* best = std::max_element(row, row + x.cols);
    const float before = sums.largest;
    if (*best > sums.largest) {
      sums.largest = *best;
      sums.column = static_cast<float>(first_column + static_cast<size_t>(best - row));
    }
    const double shrink = std::exp(double{before} - sums.largest);
    double sum = sums.sum * shrink, difference = sums.difference * shrink;
    for (size_t i = 0; i < x.cols; ++i) {
      const double e = std::exp(double{row[i]} - sums.largest);
      sum += e;
      if (other) difference += e * (double{row[i]} - other.data<float>()[r * x.cols + i]);
    }
    sums.sum = static_cast<float>(sum);
    sums.difference = static_cast<float>(difference);
    const auto target = static_cast<size_t>(targets.data<int32_t>()[r]);
    if (target >= first_column && target - first_column < x.cols) sums.target = row[target - first_column];
  }
}

void ReferenceBackend::activate(Activation activation, const DeviceTensor& x, const DeviceTensor& y) {
  each(x, y, [&](size_t, float value) { return activation_value(activation, value); });
}

void ReferenceBackend::gated(Activation activation, const DeviceTensor& gate, const DeviceTensor& up,
                             const DeviceTensor& y) {
  require_shapes(is_f32(up) && up.size() == gate.size(), "gated");
  each(gate, y, [&](size_t i, float g) { return activation_value(activation, g) * up.data<float>()[i]; });
}

void ReferenceBackend::add(const DeviceTensor& a, float factor, const DeviceTensor& b,
                           const DeviceTensor& y) {
  require_shapes(is_f32(b) && a.size() == b.size(), "add");
  each(a, y, [&](size_t i, float value) { return value + double{factor} * b.data<float>()[i]; });
}

void ReferenceBackend::multiply(const DeviceTensor& a, const DeviceTensor& b, const DeviceTensor& y) {
  require_shapes(a.size() == b.size(), "multiply");
  each(a, y, [&](size_t i, float value) { return value * b.data<float>()[i]; });
}

void ReferenceBackend::scale(float factor, const DeviceTensor& x, const DeviceTensor& y) {
  each(x, y, [&](size_t, float value) { return factor * value; });
}

void ReferenceBackend::soft_cap(float cap, const DeviceTensor& x, const DeviceTensor& y) {
  each(x, y, [&](size_t, float value) { return cap * std::tanh(double{value} / cap); });
}

void ReferenceBackend::sigmoid_scale_rows(const DeviceTensor& gate, const DeviceTensor& x) {
  require_shapes(gate.rows == x.rows && gate.cols == 1, "sigmoid_scale_rows");
  each(x, x, [&](size_t i, float value) {
    return value / (1.0 + std::exp(-double{gate.data<float>()[i / x.cols]}));
  });
}

void ReferenceBackend::embed(const DeviceTensor& table, const DeviceTensor& ids, const DeviceTensor& y) {
  require_shapes(ids.dtype == DType::kI32 && ids.size() == y.rows && table.cols == y.cols, "embed");
  visit_weight({table.data<std::byte>(), table.dtype, table.rows, table.cols}, [&](const auto& view) {
    for (size_t r = 0; r < y.rows; ++r) {
      const auto id = static_cast<size_t>(ids.data<int32_t>()[r]);
      require_shapes(id < table.rows, "embed: id beyond the table");
      for (size_t i = 0; i < y.cols; ++i) y.data<float>()[r * y.cols + i] = to_float(view.row(id)[i]);
    }
  });
}

void ReferenceBackend::fake_quantize(const ActivationQuantArgs& args, const DeviceTensor& x,
                                     const DeviceTensor& y) {
  require_shapes(is_f32(x) && x.rows == y.rows && x.cols == y.cols, "fake_quantize");
  for (size_t r = 0; r < x.rows; ++r) {
    fake_quantize_row(args, x.data<float>() + r * x.cols, x.cols, y.data<float>() + r * x.cols);
  }
}

void ReferenceBackend::route(const RouteArgs& args, const DeviceTensor& logits, const DeviceTensor& bias,
                             const DeviceTensor& experts, const DeviceTensor& weights) {
  require_shapes(experts.rows == logits.rows && weights.rows == logits.rows && experts.cols == args.top_k &&
                     weights.cols == args.top_k && args.top_k <= logits.cols &&
                     logits.cols % args.groups == 0 && (!bias || bias.size() == logits.cols),
                 "route");
  for (size_t r = 0; r < logits.rows; ++r) {
    route_row(args, logits.data<float>() + r * logits.cols, bias.data<float>(), logits.cols,
              experts.data<int32_t>() + r * args.top_k, weights.data<float>() + r * args.top_k);
  }
}

void ReferenceBackend::gather_rows(const DeviceTensor& x, const DeviceTensor& rows, const DeviceTensor& y) {
  require_shapes(is_f32(x) && rows.size() == y.rows && x.cols == y.cols, "gather_rows");
  for (size_t r = 0; r < y.rows; ++r) {
    const auto from = static_cast<size_t>(rows.data<int32_t>()[r]);
    std::memcpy(y.data<float>() + r * y.cols, x.data<float>() + from * x.cols, y.cols * sizeof(float));
  }
}

void ReferenceBackend::scatter_add_rows(const DeviceTensor& x, const DeviceTensor& rows,
                                        const DeviceTensor& weights, const DeviceTensor& y) {
  require_shapes(
      is_f32(x) && is_f32(y) && rows.size() == x.rows && weights.size() == x.rows && x.cols == y.cols,
      "scatter_add_rows");
  for (size_t r = 0; r < x.rows; ++r) {
    float* to = y.data<float>() + static_cast<size_t>(rows.data<int32_t>()[r]) * y.cols;
    for (size_t i = 0; i < x.cols; ++i) to[i] += weights.data<float>()[r] * x.data<float>()[r * x.cols + i];
  }
}

}  // namespace tersor
