#include "tersor/pipelines/sequential.h"

#include <algorithm>
#include <cmath>
#include <map>

#include <fmt/format.h>

#include "tersor/base/clock.h"
#include "tersor/base/error.h"
#include "tersor/modeling/layer_linears.h"
#include "tersor/pipelines/calibration_cost.h"
#include "tersor/pipelines/hidden_file.h"
#include "tersor/pipelines/kv_statistics.h"
#include "tersor/pipelines/rounding.h"
#include "tersor/pipelines/solve_module.h"

namespace tersor {
namespace {

constexpr double kMega = 1e6;

// What seconds are counted under, in the order of a layer.
constexpr const char* kPhases[] = {
    "copies and rounding", "loading", "statistics", "solving", "forward", "check", "saving"};

const char* name_of(Stage stage) {
  switch (stage) {
    case Stage::kAttentionIn:
      return "queries, keys, values";
    case Stage::kLatentUp:
      return "latents";
    case Stage::kAttentionOut:
      return "attention output";
    case Stage::kMlpIn:
      return "gate, up";
    case Stage::kMlpOut:
      return "down";
  }
  return "";
}

// Samples that run together.
struct Batch {
  std::vector<int32_t> ids;
  std::vector<SequenceSpan> sequences;
};

std::vector<Batch> make_batches(const std::vector<std::vector<int32_t>>& samples, size_t batch_tokens) {
  std::vector<Batch> batches;
  for (const std::vector<int32_t>& sample : samples) {
    if (sample.empty()) continue;
    if (batches.empty() || batches.back().ids.size() + sample.size() > batch_tokens) batches.emplace_back();
    Batch& batch = batches.back();
    batch.sequences.push_back({.begin = batch.ids.size(), .rows = sample.size()});
    batch.ids.insert(batch.ids.end(), sample.begin(), sample.end());
  }
  return batches;
}

// Rows of each sequence of a batch among the rows that reach an input: all of them, or those routed to an
// expert.
std::vector<size_t> sequence_rows(const LayerState& state, int expert) {
  std::vector<size_t> rows;
  const LayerState::ExpertRows* routed = nullptr;
  for (const auto& r : state.routed) {
    if (expert >= 0 && r.expert == static_cast<size_t>(expert)) routed = &r;
  }
  for (const SequenceSpan& span : state.sequences) {
    if (routed == nullptr) {
      rows.push_back(span.rows);
      continue;
    }
    rows.push_back(static_cast<size_t>(std::ranges::count_if(routed->rows, [&](int32_t row) {
      const auto r = static_cast<size_t>(row);
      return r >= span.begin && r < span.begin + span.rows;
    })));
  }
  return rows;
}

// Linears that read one input, and what is learnt of it.
struct Input {
  std::vector<std::pair<Linear*, size_t>> linears;  // those that are calibrated, with their modules
  int expert = -1;
  StatisticsNeeds needs;
  std::optional<InputStatistics> statistics;

  const std::string& name() const { return linears[0].first->name; }
};

class SequentialRun {
 public:
  SequentialRun(const Model& model, const CompressionPlan& plan, OutputFolder& folder,
                const RunOptions& options, const CalibrationOptions& calibration)
      : model_(model),
        backend_(model.backend()),
        plan_(plan),
        options_(options),
        calibration_(calibration),
        list_(make_work_list(plan)),
        pool_(options.threads),
        meter_(options, source_bytes(plan, list_)),
        output_(model.checkpoint(), plan, folder),
        solver_(model.checkpoint(), plan, backend_, pool_, output_),
        hidden_(folder.staging()),
        batches_(make_batches(calibration.samples, calibration.batch_tokens)),
        store_(backend_, batches_.size(), calibration.state_budget) {
    for (size_t m = 0; m < plan.decisions.size(); ++m) {
      if (plan.decisions[m].calibrated) modules_[plan.inventory.modules[m].name.name] = m;
    }
    size_t longest = 0;
    for (const Batch& batch : batches_) {
      rows_.push_back(batch.ids.size());
      summary_.tokens += batch.ids.size();
      for (const SequenceSpan& span : batch.sequences) longest = std::max(longest, span.rows);
    }
    ropes_ = model.make_ropes(longest);
    costs_ = calibration_cost(plan, model.config(), static_cast<double>(summary_.tokens),
                              static_cast<double>(summary_.tokens) /
                                  static_cast<double>(std::max<size_t>(1, calibration.samples.size())));
  }

  CalibrationSummary run() {
    meter_.enter(Progress::Phase::kCheck);
    const std::vector<JournalRecord> records = output_.open(head_item() + 1, options_.overwrite, pool_);
    round_uncalibrated(records);
    const size_t first = take_up(records);
    double done = 0, total = 0;
    for (size_t l = 0; l < costs_.size(); ++l) (l < first ? done : total) += costs_[l].total() / kMega;
    meter_.enter(Progress::Phase::kCalibrate, static_cast<uint64_t>(done),
                 static_cast<uint64_t>(done + total));
    if (first == 0) embed();
    for (size_t l = first; l < plan_.calibration->layers; ++l) run_layer(l);
    if (plan_.calibration->head && !head_done_) calibrate_head();
    meter_.enter(Progress::Phase::kFinish);
    output_.finish();
    sum_up();
    return std::move(summary_);
  }

 private:
  void sum_up() {
    summary_.run.resumed_bytes = meter_.resumed();
    summary_.run.seconds = seconds_since(start_);
    summary_.seconds.clear();
    for (const char* phase : kPhases) {
      if (const auto found = seconds_.find(phase); found != seconds_.end())
        summary_.seconds.emplace_back(phase, found->second);
    }
  }

  // Items of the journal: those of the work list, then modules, layers, the layers' cache scales, the head.
  uint32_t module_item(size_t m) const { return static_cast<uint32_t>(list_.items.size() + m); }
  uint32_t layer_item(size_t l) const {
    return module_item(plan_.decisions.size()) + static_cast<uint32_t>(l);
  }
  uint32_t kv_item(size_t l) const {
    return layer_item(plan_.calibration->layers) + static_cast<uint32_t>(l);
  }
  uint32_t head_item() const { return kv_item(plan_.calibration->layers); }

  void round_uncalibrated(const std::vector<JournalRecord>& records) {
    std::vector<JournalRecord> rounded;
    for (const JournalRecord& record : records) {
      if (record.item < list_.items.size()) rounded.push_back(record);
    }
    const Clock::time_point start = Clock::now();
    summary_.run.modules =
        round_to_nearest(model_.checkpoint(), plan_, list_, rounded, output_, pool_, meter_);
    seconds_["copies and rounding"] += seconds_since(start);
  }

  // Takes up what an earlier run has finished; returns the layer to go on with.
  size_t take_up(const std::vector<JournalRecord>& records) {
    std::map<uint32_t, const JournalRecord*> by_item;
    for (const JournalRecord& record : records) by_item[record.item] = &record;
    for (const auto& [name, m] : modules_) {
      if (const auto record = by_item.find(module_item(m)); record != by_item.end())
        summary_.run.modules[m] = record->second->statistics;
    }
    head_done_ = by_item.contains(head_item());
    const size_t layers = plan_.calibration->layers;
    size_t whole = 0;  // layers from the first on whose every module is there
    while (whole < layers && by_item.contains(layer_item(whole)) && modules_are_there(whole, by_item))
      ++whole;
    for (size_t next = whole; next > 0; --next) {
      const JournalRecord& record = *by_item[layer_item(next - 1)];
      const bool last = next == layers && (!plan_.calibration->head || head_done_);
      if (!last && !hidden_.holds(next - 1, record.state, rows_, model_.config().hidden)) continue;
      if (!last) {
        for (size_t i = 0; i < batches_.size(); ++i) store_.put(i, fresh_state(i));
        hidden_.load(next - 1, backend_, rows_, model_.config().hidden, store_);
      }
      summary_.resumed_layers = next;
      return next;
    }
    return 0;
  }

  bool modules_are_there(size_t layer, const std::map<uint32_t, const JournalRecord*>& by_item) const {
    if (plan_.calibration->kv_cache_scheme && !by_item.contains(kv_item(layer))) return false;
    const std::vector<LayerLinear> linears = layer_linears(model_.config(), layer);
    return std::ranges::all_of(linears, [&](const LayerLinear& linear) {
      const auto m = modules_.find(linear.name);
      return m == modules_.end() || by_item.contains(module_item(m->second));
    });
  }

  LayerState fresh_state(size_t batch) const {
    LayerState state;
    state.sequences = batches_[batch].sequences;
    return state;
  }

  void embed() {
    for (size_t i = 0; i < batches_.size(); ++i) {
      LayerState state = fresh_state(i);
      state.hidden = model_.embed(batches_[i].ids);
      store_.put(i, std::move(state));
    }
  }

  // f(state) of every batch, which may change it.
  template <typename F>
  void each_batch(const char* phase, F&& f) {
    const Clock::time_point start = Clock::now();
    for (size_t i = 0; i < batches_.size(); ++i) {
      LayerState state = store_.get(i);
      f(state);
      store_.put(i, std::move(state));
    }
    seconds_[phase] += seconds_since(start);
  }

  void run_layer(size_t l) {
    const Clock::time_point start = Clock::now();
    Layer layer = model_.load_layer(l);
    seconds_["loading"] += seconds_since(start);
    if (calibration_.scope == CalibrationOptions::Scope::kStage && calibration_.propagate_error) {
      run_by_stages(l, layer);
    } else {
      run_twice(l, layer);
    }
    each_batch("check", [&](LayerState& state) { check_finite(l, state.hidden); });
    const Clock::time_point saving = Clock::now();
    JournalRecord record{.item = layer_item(l), .statistics = {}, .extents = {}};
    record.state = hidden_.save(l, backend_, store_);
    output_.record(record);
    seconds_["saving"] += seconds_since(saving);
    if (!calibration_.layer_done) return;
    sum_up();
    calibration_.layer_done(summary_, l + 1);
  }

  void run_by_stages(size_t l, Layer& layer) {
    const ModelConfig& config = model_.config();
    each_batch("forward", [&](LayerState& state) { begin_layer(backend_, config, layer, state); });
    const std::vector<Stage> stages = layer_stages(config, layer);
    const auto share = 1.0 / static_cast<double>(stages.size());
    for (const Stage stage : stages) {
      at(l, stage);
      solve_stage(l, layer, stage);
      meter_.add(mega((costs_[l].statistics + costs_[l].solve) * share));
      run(layer, l, stage);
      meter_.add(mega(costs_[l].forward * share));
    }
  }

  // The stage's inputs, as many at a time as there is memory for their Hessians.
  void solve_stage(size_t l, Layer& layer, Stage stage) {
    std::vector<Input> all = inputs_of(layer, stage), waiting;
    ActivationStatistics of_experts;
    for (size_t begin = 0; begin < all.size();) {
      std::vector<Input> some;
      uint64_t bytes = 0;
      for (; begin < all.size(); ++begin) {
        const uint64_t more =
            InputStatistics::bytes(all[begin].linears[0].first->weight->in, all[begin].needs);
        if (!some.empty() && bytes + more > calibration_.hessian_bytes) break;
        bytes += more;
        some.push_back(std::move(all[begin]));
      }
      gather(l, layer, stage, some);
      for (Input& input : some) {
        const ActivationStatistics& seen = input.statistics->activations();
        if (input.expert >= 0) of_experts.add(seen);
        if (input.needs.activations.ranges && seen.empty()) {
          waiting.push_back(std::move(input));
        } else {
          solve(input);
        }
      }
    }
    // An expert that no token reached takes the range of all the others: its scales must be finite all the
    // same.
    for (Input& input : waiting) {
      input.statistics->lend(of_experts);
      solve(input);
    }
  }

  // Statistics of all stages with the source's weights, then the solves, then the layer again with what they
  // gave.
  void run_twice(size_t l, Layer& layer) {
    const ModelConfig& config = model_.config();
    std::vector<LayerState> before(batches_.size());
    for (size_t i = 0; i < batches_.size(); ++i) {
      LayerState state = store_.get(i);
      before[i] = state;
      before[i].hidden = copy_of(state.hidden);
      begin_layer(backend_, config, layer, state);
      store_.put(i, std::move(state));
    }
    const std::vector<Stage> stages = layer_stages(config, layer);
    std::vector<std::pair<Stage, std::vector<Input>>> all;
    for (const Stage stage : stages) {
      at(l, stage);
      all.emplace_back(stage, inputs_of(layer, stage));
      gather(l, layer, stage, all.back().second);
      lend_activations(all.back().second);
      run(layer, l, stage);
    }
    meter_.add(mega(costs_[l].statistics));
    for (auto& [stage, inputs] : all) {
      for (Input& input : inputs) solve(input);
    }
    meter_.add(mega(costs_[l].solve));
    if (calibration_.propagate_error) {
      for (size_t i = 0; i < batches_.size(); ++i) store_.put(i, std::move(before[i]));
      each_batch("forward",
                 [&](LayerState& state) { tersor::run_layer(backend_, config, layer, ropes_, state); });
    }
    meter_.add(mega(costs_[l].forward));
  }

  static uint64_t mega(double operations) { return static_cast<uint64_t>(operations / kMega); }

  void at(size_t l, Stage stage) {
    meter_.at(fmt::format("layer {} of {}, {}", l + 1, plan_.calibration->layers, name_of(stage)));
  }

  DeviceTensor copy_of(const DeviceTensor& x) const {
    const DeviceTensor copy = backend_.allocate(x.dtype, x.rows, x.cols);
    backend_.copy_block(x, 0, 0, x.rows, x.cols, copy, 0, 0);
    return copy;
  }

  void run(const Layer& layer, size_t l, Stage stage) {
    KvStatistics kv(backend_, model_.config().attention, plan_.calibration->kv_cache_scheme);
    const bool observes =
        kv.wanted() && stage == (model_.config().attention.mla ? Stage::kLatentUp : Stage::kAttentionIn);
    each_batch("forward", [&](LayerState& state) {
      if (observes) {
        state.on_keys_values = [&](const DeviceTensor& k, const DeviceTensor& v) {
          kv.add(state.sequences, k, v);
        };
      }
      run_stage(backend_, model_.config(), layer, stage, ropes_, state);
      state.on_keys_values = {};
    });
    if (observes) write_kv_scales(l, kv);
  }

  // The inputs of a stage that something calibrated reads.
  std::vector<Input> inputs_of(Layer& layer, Stage stage) {
    // Of a mixture, all experts: an expert that no batch reaches is rounded all the same.
    LayerState all;
    for (size_t e = 0; e < layer.experts.size(); ++e) {
      all.routed.emplace_back();
      all.routed.back().expert = e;
    }
    std::vector<Input> inputs;
    for (const LinearGroup& group : stage_groups(layer, stage, all)) {
      Input input;
      input.expert = group.expert;
      for (Linear* linear : group.linears) {
        const auto m = modules_.find(linear->name);
        if (m == modules_.end()) continue;
        input.linears.emplace_back(linear, m->second);
        const StatisticsNeeds needs = needs_of(m->second);
        input.needs.hessian |= needs.hessian;
        input.needs.squares |= needs.squares;
        input.needs.activations.add(needs.activations);
      }
      if (!input.linears.empty()) inputs.push_back(std::move(input));
    }
    return inputs;
  }

  StatisticsNeeds needs_of(size_t m) const {
    const ModuleDecision& decision = plan_.decisions[m];
    return statistics_needs(plan_.schemes[*decision.scheme], decision.gptq.has_value());
  }

  void gather(size_t l, Layer& layer, Stage stage, std::vector<Input>& inputs) {
    if (inputs.empty()) return;
    std::map<std::string, Input*> by_name;
    for (Input& input : inputs) {
      input.statistics.emplace(backend_, input.linears[0].first->weight->in, input.needs);
      by_name[input.name()] = &input;
    }
    each_batch("statistics", [&](LayerState& state) {
      for (const LinearGroup& group : stage_groups(layer, stage, state)) {
        const auto first = std::ranges::find_if(
            group.linears, [&](const Linear* linear) { return by_name.contains(linear->name); });
        if (first == group.linears.end()) continue;
        by_name[(*first)->name]->statistics->add(group.input, sequence_rows(state, group.expert));
      }
    });
    for (Input& input : inputs) {
      input.statistics->finish();
      if (!input.statistics->finite()) {
        throw input_error(
            fmt::format("the input of `{}` (layer {}) holds a NaN or an infinity on the calibration data",
                        input.name(), l),
            "the checkpoint's weights are damaged, or its activations overflow; what is finished is kept, "
            "and "
            "`--overwrite` starts afresh");
      }
    }
  }

  // As solve_stage() does it, where all inputs of a stage were gathered together.
  static void lend_activations(std::vector<Input>& inputs) {
    ActivationStatistics all;
    for (const Input& input : inputs) {
      if (input.expert >= 0) all.add(input.statistics->activations());
    }
    for (Input& input : inputs) {
      if (input.needs.activations.ranges && input.statistics->activations().empty())
        input.statistics->lend(all);
    }
  }

  void solve(Input& input) {
    const Clock::time_point start = Clock::now();
    const InputStatistics& statistics = *input.statistics;
    const bool starved = input.expert >= 0 && statistics.tokens() < calibration_.least_expert_tokens;
    if (starved && input.needs.hessian) {
      summary_.notes.push_back(fmt::format(
          "`{}` and its siblings of expert {} were rounded to nearest: {} calibration tokens reached it",
          input.name(), input.expert, statistics.tokens()));
    }
    std::map<std::pair<ColumnOrder, double>, std::optional<HessianFactor>> factors;
    for (const auto& [linear, m] : input.linears) {
      const ModuleDecision& decision = plan_.decisions[m];
      const HessianFactor* factor = nullptr;
      if (decision.gptq && !starved) {
        const auto order = plan_.schemes[*decision.scheme].weights->actorder ? ColumnOrder::kDescending
                                                                             : ColumnOrder::kNatural;
        const std::pair key{order, decision.gptq->dampening_frac};
        auto found = factors.find(key);
        if (found == factors.end()) {
          found =
              factors.emplace(key, factor_hessian(backend_, statistics.hessian(), order, key.second)).first;
          if (found->second && found->second->dampening_frac != key.second) {
            summary_.notes.push_back(
                fmt::format("the Hessian of `{}` had no factor at dampening_frac {}: {} was used",
                            input.name(), key.second, found->second->dampening_frac));
          }
        }
        factor = found->second ? &*found->second : nullptr;
      }
      const SolvedModule solved = solver_.solve(m, module_item(m), statistics, factor);
      if (solved.fell_back && !starved) {
        summary_.notes.push_back(fmt::format(
            "`{}` was rounded to nearest: its Hessian has no factor even at 1000 times its damping",
            linear->name));
      }
      summary_.run.modules[m] = solved.statistics;
      linear->weight = backend_.pack(solved.weight);
    }
    input.statistics.reset();
    seconds_["solving"] += seconds_since(start);
  }

  void calibrate_head() {
    meter_.at("head");
    const size_t m = modules_.at(model_.config().head_name);
    Linear head;
    head.name = model_.config().head_name;
    Input input;
    input.linears.emplace_back(&head, m);
    input.needs = needs_of(m);
    input.statistics.emplace(backend_, model_.config().hidden, input.needs);
    each_batch("statistics", [&](LayerState& state) {
      input.statistics->add(model_.final_norm(state.hidden), sequence_rows(state, -1));
    });
    input.statistics->finish();
    solve(input);
    output_.record({.item = head_item(), .statistics = {}, .extents = {}});
    meter_.add(mega(costs_.back().total()));
  }

  void write_kv_scales(size_t l, const KvStatistics& kv) {
    const PlannedKvCache& place = plan_.calibration->kv_cache[l];
    const PlannedShard& shard = plan_.shards[place.shard];
    JournalRecord record{.item = kv_item(l), .statistics = {}, .extents = {}};
    for (const bool keys : {true, false}) {
      const TensorInfo& tensor = shard.tensors[keys ? place.key_scale : place.value_scale];
      record.extents.push_back(
          output_.write(static_cast<uint32_t>(place.shard), tensor.begin, kv.scales(keys, tensor.dtype)));
    }
    output_.record(record);
  }

  void check_finite(size_t l, const DeviceTensor& hidden) const {
    const auto is_finite = [](const MinMax& row) { return std::isfinite(row.min) && std::isfinite(row.max); };
    if (std::ranges::all_of(ranges_of_rows(backend_, hidden), is_finite)) return;
    throw input_error(
        fmt::format("after layer {} the hidden states of the calibration data hold a NaN or an infinity", l),
        "the checkpoint's weights are damaged, or its activations overflow");
  }

  const Model& model_;
  Backend& backend_;
  const CompressionPlan& plan_;
  const RunOptions& options_;
  const CalibrationOptions& calibration_;
  const WorkList list_;
  ThreadPool pool_;
  ProgressMeter meter_;
  RunOutput output_;
  ModuleSolver solver_;
  HiddenFile hidden_;
  const std::vector<Batch> batches_;
  std::vector<size_t> rows_;  // of each batch
  StateStore store_;
  std::map<std::string, size_t> modules_;  // those that are calibrated
  std::vector<RopeTable> ropes_;
  std::vector<LayerCost> costs_;
  const Clock::time_point start_ = Clock::now();
  std::map<std::string, double> seconds_;
  bool head_done_ = false;
  CalibrationSummary summary_;
};

}  // namespace

CalibrationSummary run_sequential(const Model& model, const CompressionPlan& plan, OutputFolder& output,
                                  const RunOptions& options, const CalibrationOptions& calibration) {
  return SequentialRun(model, plan, output, options, calibration).run();
}

}  // namespace tersor
