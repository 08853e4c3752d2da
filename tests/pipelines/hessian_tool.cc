// The Hessians of a layer's linears in a source model, for tests that compare with another implementation.
//
//   hessian_tool MODEL SAMPLES.json LAYER OUT_FOLDER
//
// SAMPLES.json: a list of lists of token ids. Writes H = 2/n · XᵀX of every input of the layer, over all
// tokens, as raw f32 to OUT_FOLDER/NAME.f32, where NAME is the first linear that reads it; prints the names,
// a line each.
#include <cstdlib>
#include <fstream>
#include <iostream>

#include "tersor/base/error.h"
#include "tersor/io/file.h"
#include "tersor/io/json.h"
#include "tersor/modeling/model.h"
#include "tersor/pipelines/input_statistics.h"

namespace tersor {
namespace {

std::vector<LayerState> embedded(const Model& model, const std::vector<std::vector<int32_t>>& samples) {
  std::vector<LayerState> states;
  for (const std::vector<int32_t>& ids : samples) {
    states.emplace_back();
    states.back().hidden = model.embed(ids);
    states.back().sequences.push_back({.begin = 0, .rows = ids.size()});
  }
  return states;
}

void write_hessian(Backend& backend, const InputStatistics& statistics, const std::string& path) {
  const DeviceTensor& hessian = statistics.hessian();
  std::vector<float> values(hessian.size());
  backend.copy_out(hessian, values.data());
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(values.data()),
             static_cast<std::streamsize>(values.size() * sizeof(float)));
}

void write_stage(Backend& backend, Layer& layer, Stage stage, const std::vector<LayerState>& states,
                 const std::string& folder) {
  StatisticsNeeds needs;
  needs.hessian = true;
  const size_t inputs = stage_groups(layer, stage, states[0]).size();
  for (size_t i = 0; i < inputs; ++i) {
    std::optional<InputStatistics> statistics;
    std::string name;
    for (const LayerState& state : states) {
      const LinearGroup group = stage_groups(layer, stage, state)[i];
      if (!statistics) {
        statistics.emplace(backend, group.input.cols, needs);
        name = group.linears[0]->name;
      }
      statistics->add(group.input, {group.input.rows}, {});
    }
    statistics->finish();
    write_hessian(backend, *statistics, folder + "/" + name + ".f32");
    std::cout << name << "\n";
  }
}

void run(const std::string& folder, const std::string& samples, size_t wanted, const std::string& out) {
  const auto backend = make_cpu_backend(MatmulPrecision::kF32, 2);
  const Model model(open_checkpoint(folder), *backend);
  const auto ids = parse_json(read_file(samples, 1 << 30), samples).get<std::vector<std::vector<int32_t>>>();
  std::vector<LayerState> states = embedded(model, ids);
  size_t longest = 0;
  for (const auto& sample : ids) longest = std::max(longest, sample.size());
  const std::vector<RopeTable> ropes = model.make_ropes(longest);
  for (size_t l = 0; l < wanted; ++l) {
    const Layer layer = model.load_layer(l);
    for (LayerState& state : states) run_layer(*backend, model.config(), layer, ropes, state);
  }
  Layer layer = model.load_layer(wanted);
  for (LayerState& state : states) begin_layer(*backend, model.config(), layer, state);
  for (const Stage stage : layer_stages(model.config(), layer)) {
    write_stage(*backend, layer, stage, states, out);
    for (LayerState& state : states) run_stage(*backend, model.config(), layer, stage, ropes, state);
  }
}

}  // namespace
}  // namespace tersor

int main(int argc, char** argv) {
  if (argc != 5) {
    std::cerr << "usage: hessian_tool MODEL SAMPLES.json LAYER OUT_FOLDER\n";
    return 2;
  }
  try {
    tersor::run(argv[1], argv[2], std::strtoul(argv[3], nullptr, 10), argv[4]);
  } catch (const tersor::Error& e) {
    std::cerr << "error: " << e.what() << "\n";
    return 1;
  }
  return 0;
}
