// Which experts one token goes to, and with what weights.
//
// Softmax of all logits, then the best k (Mixtral, Qwen, OLMoE, DeepSeek-V2); the best k logits, then their
// softmax (Granite); sigmoid, chosen with a bias that the weights do not have (DeepSeek-V3, GLM-4). With
// groups, only the experts of the best groups are candidates (DeepSeek-V2 and -V3).
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "tersor/backend/reference/reference_backend.h"

namespace tersor {
namespace {

// Indices of the k largest, largest first; of equals the first.
std::vector<size_t> largest(const std::vector<double>& values, size_t k) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return values[a] > values[b]; });
  order.resize(k);
  return order;
}

void exclude_groups(const RouteArgs& args, std::vector<double>& scores) {
  const size_t width = scores.size() / args.groups;
  std::vector<double> group_scores(args.groups, 0.0);
  for (size_t g = 0; g < args.groups; ++g) {
    std::vector<double> group(scores.begin() + static_cast<ptrdiff_t>(g * width),
                              scores.begin() + static_cast<ptrdiff_t>((g + 1) * width));
    for (size_t i : largest(group, std::min(args.group_score_top, width))) group_scores[g] += group[i];
  }
  const std::vector<size_t> kept = largest(group_scores, args.top_groups);
  for (size_t g = 0; g < args.groups; ++g) {
    if (std::find(kept.begin(), kept.end(), g) != kept.end()) continue;
    std::fill_n(scores.begin() + static_cast<ptrdiff_t>(g * width), width,
                -std::numeric_limits<double>::infinity());
  }
}

}  // namespace

void route_row(const RouteArgs& args, const float* logits, const float* bias, size_t experts, int32_t* chosen,
               float* weights) {
  std::vector<double> scores(logits, logits + experts);
  if (args.sigmoid) {
    for (double& s : scores) s = 1.0 / (1.0 + std::exp(-s));
  } else {
    const double top = *std::max_element(scores.begin(), scores.end());
    double total = 0;
    for (double& s : scores) total += s = std::exp(s - top);
    for (double& s : scores) s /= total;
  }
  std::vector<double> choice = scores;
  if (bias != nullptr) {
    for (size_t i = 0; i < experts; ++i) choice[i] += bias[i];
  }
  if (args.groups > 1) exclude_groups(args, choice);
  const std::vector<size_t> best = largest(choice, args.top_k);
  double total = 0;
  for (size_t i : best) total += scores[i];
  // A softmax over the chosen logits is the softmax over all of them, renormalized.
  const bool divide = args.renormalize || args.softmax_after;
  for (size_t i = 0; i < args.top_k; ++i) {
    chosen[i] = static_cast<int32_t>(best[i]);
    weights[i] = static_cast<float>(scores[best[i]] / (divide ? total : 1.0) * args.scale);
  }
}

}  // namespace tersor
