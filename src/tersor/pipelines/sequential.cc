#include "tersor/pipelines/sequential.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "tersor/base/clock.h"
#include "tersor/base/error.h"
#include "tersor/pipelines/calibration_clock.h"
#include "tersor/pipelines/calibration_streams.h"
#include "tersor/pipelines/kv_statistics.h"
#include "tersor/pipelines/rounding.h"
#include "tersor/pipelines/solve_input.h"

namespace tersor {
namespace {

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

Activations read_hidden(LayerState& state) { return {&state.hidden}; }

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
        items_(list_.items.size(), plan),
        modules_(calibrated_modules(plan)),
        pool_(options.threads),
        meter_(options, source_bytes(plan, list_)),
        output_(model.checkpoint(), plan, folder),
        module_solver_(model.checkpoint(), plan, backend_, pool_, output_),
        solver_(backend_, plan, items_, module_solver_, calibration.least_expert_tokens,
                calibration.hessians_in_file ? std::optional(folder.staging()) : std::nullopt),
        streams_(model, make_batches(calibration.samples, calibration.batch_tokens),
                 plan.calibration->source_stream, calibration.state_budget, calibration.state_dtype,
                 folder.staging()),
        ropes_(model.make_ropes(streams_.longest_sample())),
        clock_(meter_, streams_.tokens(), costs()) {
    summary_.tokens = streams_.tokens();
  }

  CalibrationSummary run() {
    meter_.enter(Progress::Phase::kCheck);
    const std::vector<JournalRecord> records = output_.open(items_.count(), options_.overwrite, pool_);
    round_uncalibrated(records);
    const size_t first = take_up(records);
    clock_.begin(first);
    if (first == 0) streams_.embed();
    for (size_t l = first; l < plan_.calibration->layers; ++l) run_layer(l);
    if (plan_.calibration->head && !head_done_) calibrate_head();
    meter_.enter(Progress::Phase::kFinish);
    output_.finish();
    sum_up();
    return std::move(summary_);
  }

 private:
  std::vector<LayerCost> costs() const {
    const auto tokens = static_cast<double>(streams_.tokens());
    return calibration_cost(
        plan_, model_.config(),
        {.tokens = tokens,
         .sample_tokens = tokens / static_cast<double>(std::max<size_t>(1, calibration_.samples.size())),
         .forward_passes = calibration_.forward_passes(),
         .all_experts = calibration_.all_experts});
  }

  void sum_up() {
    summary_.run.resumed_bytes = meter_.resumed();
    summary_.run.seconds = seconds_since(start_);
    summary_.seconds = clock_.seconds();
  }

  void round_uncalibrated(const std::vector<JournalRecord>& records) {
    std::vector<JournalRecord> rounded;
    for (const JournalRecord& record : records) {
      if (items_.is_work(record.item)) rounded.push_back(record);
    }
    clock_.time("copies and rounding", [&] {
      summary_.run.modules =
          round_to_nearest(model_.checkpoint(), plan_, list_, rounded, output_, pool_, meter_);
    });
  }

  // Takes up what an earlier run has finished; returns the layer to go on with.
  size_t take_up(const std::vector<JournalRecord>& records) {
    RecordsByItem by_item;
    for (const JournalRecord& record : records) by_item[record.item] = &record;
    for (const auto& [name, m] : modules_) {
      if (const auto record = by_item.find(items_.module(m)); record != by_item.end())
        summary_.run.modules[m] = record->second->statistics;
    }
    head_done_ = by_item.contains(items_.head());
    const size_t layers = plan_.calibration->layers;
    for (size_t next = finished_layers(plan_, model_.config(), modules_, items_, by_item); next > 0; --next) {
      const JournalRecord& record = *by_item[items_.layer(next - 1)];
      const bool last = next == layers && (!plan_.calibration->head || head_done_);
      if (!last && !streams_.load(next - 1, record.state)) continue;
      summary_.resumed_layers = next;
      return next;
    }
    return 0;
  }

  // f(state) of every batch, which may change it. `reads`: what it reads, which is all that is f32.
  template <typename F>
  void forward_batches(const CalibrationStreams::Reads& reads, F&& f, Stream stream = Stream::kQuantized) {
    clock_.time("forward", [&] {
      for (size_t i = 0; i < streams_.batches(); ++i) {
        LayerState state = streams_.get(i, reads, stream);
        f(state);
        streams_.put(i, std::move(state), stream);
      }
    });
  }

  // f(state, the same batch in the source model) of every batch, the latter where it is `compared`; else
  // null.
  template <typename F>
  void look_at_batches(const char* phase, const CalibrationStreams::Reads& reads, bool compared, F&& f) {
    clock_.time(phase, [&] {
      for (size_t i = 0; i < streams_.batches(); ++i) {
        const LayerState state = streams_.get(i, reads);
        std::optional<LayerState> source;
        if (compared) source = streams_.get(i, reads, Stream::kSource);
        f(state, source ? &*source : nullptr);
      }
    });
  }

  CalibrationStreams::Reads reads_of(Stage stage) const {
    return [this, stage](LayerState& state) { return read_by_stage(model_.config(), stage, state); };
  }

  void run_layer(size_t l) {
    clock_.begin_layer();
    Layer layer;
    clock_.time("loading", [&] { layer = model_.load_layer(l); });
    if (l + 1 < plan_.calibration->layers) model_.expect_layer(l + 1);
    run_stages(l, layer);
    look_at_batches("check", read_hidden, false,
                    [&](const LayerState& state, const LayerState*) { check_finite(l, state.hidden); });
    clock_.time("saving", [&] {
      JournalRecord record{.item = items_.layer(l), .statistics = {}, .extents = {}};
      record.state = streams_.save(l);
      output_.record(record);
    });
    model_.done_with_layer(l);
    clock_.end_layer();
    if (!calibration_.layer_done) return;
    sum_up();
    calibration_.layer_done(summary_, l + 1);
  }

  // Where statistics are taken with the source's weights, the batches pass the layer with those, and once
  // more with what the solves gave, unless errors do not go on.
  void run_stages(size_t l, Layer& layer) {
    const ModelConfig& config = model_.config();
    const bool source_weights = calibration_.takes_source_weights();
    const double passes = calibration_.forward_passes();
    Layer source;  // with the weights that it has now
    if (source_weights || streams_.has_source()) source = layer;
    Layer& passed = source_weights ? source : layer;
    const auto begin = [&](LayerState& state) { begin_layer(backend_, config, passed, state); };
    forward_batches(read_hidden, begin);
    if (streams_.has_source()) forward_batches(read_hidden, begin, Stream::kSource);
    for (const Stage stage : layer_stages(config, layer)) {
      const WorkCost& cost = clock_.cost(l).at(stage);
      at(l, stage);
      solve_stage(l, layer, passed, source, stage);
      clock_.spend(WorkKind::kStatistics, cost.statistics);
      clock_.spend(WorkKind::kSolve, cost.solve);
      run(passed, l, stage);
      if (streams_.has_source()) {
        forward_batches(
            reads_of(stage),
            [&](LayerState& state) { run_stage(backend_, config, source, stage, ropes_, state); },
            Stream::kSource);
      }
      clock_.spend(WorkKind::kForward, cost.forward / passes);
    }
    if (passes > 1) run_again(l, layer);
  }

  // The whole layer, from what came into it.
  void run_again(size_t l, const Layer& layer) {
    clock_.time("forward", [&] {
      for (size_t i = 0; i < streams_.batches(); ++i) {
        LayerState state = streams_.input(l, i);
        tersor::run_layer(backend_, model_.config(), layer, ropes_, state);
        streams_.put(i, std::move(state));
      }
    });
    clock_.spend(WorkKind::kForward, clock_.cost(l).sum().forward / calibration_.forward_passes());
  }

  // The stage's inputs, as many at a time as there is memory for their Hessians. `passed`: the layer with the
  // weights that the batches pass; `source`: as the source model has it, where its stream runs beside.
  void solve_stage(size_t l, Layer& layer, Layer& passed, Layer& source, Stage stage) {
    std::vector<StageInput> all = stage_inputs(plan_, modules_, layer, stage, calibration_.all_experts),
                            waiting;
    ActivationStatistics of_experts;
    for (size_t begin = 0; begin < all.size();) {
      std::vector<StageInput> some;
      uint64_t bytes = 0;
      for (; begin < all.size(); ++begin) {
        const uint64_t more = all[begin].bytes();
        if (!some.empty() && bytes + more > calibration_.hessian_bytes) break;
        bytes += more;
        some.push_back(std::move(all[begin]));
      }
      gather(l, passed, source, stage, some);
      for (StageInput& input : some) {
        const ActivationStatistics& seen = input.statistics->activations();
        if (input.expert >= 0) of_experts.add(seen);
        if (input.needs.activations.ranges && seen.empty()) {
          waiting.push_back(std::move(input));
        } else {
          solve(input);
        }
      }
    }
    lend_activations(of_experts, waiting);
    for (StageInput& input : waiting) solve(input);
  }

  void at(size_t l, Stage stage) {
    meter_.at(fmt::format("layer {} of {}, {}", l + 1, plan_.calibration->layers, name_of(stage)));
  }

  void run(const Layer& layer, size_t l, Stage stage) {
    KvStatistics kv(backend_, model_.config().attention, plan_.calibration->kv_cache_scheme);
    const bool observes =
        kv.wanted() && stage == (model_.config().attention.mla ? Stage::kLatentUp : Stage::kAttentionIn);
    forward_batches(reads_of(stage), [&](LayerState& state) {
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

  void gather(size_t l, Layer& passed, Layer& source, Stage stage, std::span<StageInput> inputs) {
    begin_statistics(backend_, inputs);
    const bool compared = std::ranges::any_of(inputs, [](const StageInput& i) { return i.needs.cross; });
    const auto reads = [&](LayerState& state) { return inputs_of_stage(stage, state); };
    look_at_batches("statistics", reads, compared, [&](const LayerState& state, const LayerState* of_source) {
      std::optional<LayerAndState> beside;
      if (of_source != nullptr) beside.emplace(source, *of_source);
      add_statistics(backend_, model_.config(), stage, {passed, state}, beside ? &*beside : nullptr, inputs);
    });
    finish_statistics(l, inputs);
  }

  void solve(StageInput& input) {
    clock_.time("solving", [&] { solver_.solve(input, summary_.run.modules, summary_.notes); });
  }

  void calibrate_head() {
    clock_.begin_layer();
    meter_.at("head");
    const size_t m = modules_.at(model_.config().head_name);
    Linear head;
    head.name = model_.config().head_name;
    StageInput input;
    input.linears.emplace_back(&head, m);
    input.needs = needs_of(plan_, m);
    input.statistics.emplace(backend_, model_.config().hidden, input.needs);
    look_at_batches("statistics", read_hidden, input.needs.cross,
                    [&](const LayerState& state, const LayerState* of_source) {
                      input.statistics->add(
                          model_.final_norm(state.hidden), sequence_rows(state, -1),
                          of_source != nullptr ? model_.final_norm(of_source->hidden) : DeviceTensor{});
                    });
    input.statistics->finish();
    solve(input);
    output_.record({.item = items_.head(), .statistics = {}, .extents = {}});
    const WorkCost cost = clock_.cost(plan_.calibration->layers).sum();
    clock_.spend(WorkKind::kStatistics, cost.statistics);
    clock_.spend(WorkKind::kSolve, cost.solve);
  }

  void write_kv_scales(size_t l, const KvStatistics& kv) {
    const PlannedKvCache& place = plan_.calibration->kv_cache[l];
    const PlannedShard& shard = plan_.shards[place.shard];
    JournalRecord record{.item = items_.kv(l), .statistics = {}, .extents = {}};
    for (const bool keys : {true, false}) {
      const TensorInfo& tensor = shard.tensors[keys ? place.key_scale : place.value_scale];
      record.extents.push_back(
          output_.write(static_cast<uint32_t>(place.shard), tensor.begin, kv.scales(keys, tensor.dtype)));
    }
    output_.record(record);
  }

  void check_finite(size_t l, const DeviceTensor& hidden) const {
    if (all_finite(backend_, hidden)) return;
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
  const CalibrationItems items_;
  const CalibratedModules modules_;
  ThreadPool pool_;
  ProgressMeter meter_;
  RunOutput output_;
  ModuleSolver module_solver_;
  InputSolver solver_;
  CalibrationStreams streams_;
  const std::vector<RopeTable> ropes_;
  CalibrationClock clock_;
  const Clock::time_point start_ = Clock::now();
  bool head_done_ = false;
  CalibrationSummary summary_;
};

}  // namespace

CalibrationSummary run_sequential(const Model& model, const CompressionPlan& plan, OutputFolder& output,
                                  const RunOptions& options, const CalibrationOptions& calibration) {
  return SequentialRun(model, plan, output, options, calibration).run();
}

}  // namespace tersor
