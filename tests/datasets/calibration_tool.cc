// Loads calibration data, for tests that compare with another implementation.
//
//   calibration_tool MODEL REQUEST
//
// REQUEST: a JSON object with the fields of CalibrationRequest that differ from the default. Prints a JSON
// object with the fields of CalibrationData, or {"error", "help"}.
#include <iostream>

#include "tersor/base/error.h"
#include "tersor/datasets/calibration_data.h"
#include "tersor/io/json.h"

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: calibration_tool MODEL REQUEST\n";
    return 2;
  }
  tersor::Json out;
  try {
    const tersor::Json json = tersor::parse_json(argv[2], "request");
    tersor::CalibrationRequest request;
    request.dataset = json.value("dataset", request.dataset);
    request.text_column = json.value("text_column", request.text_column);
    request.split = json.value("split", request.split);
    request.samples = json.value("samples", request.samples);
    request.max_seq_length = json.value("max_seq_length", request.max_seq_length);
    request.seed = json.value("seed", request.seed);
    request.shuffle = json.value("shuffle", request.shuffle);
    if (json.contains("packing")) request.packing = json["packing"].get<bool>();
    request.cache = json.value("cache", false);
    const auto data = tersor::load_calibration(request, tersor::Tokenizer::load(argv[1]));
    out = {{"samples", data.samples},
           {"documents", data.documents},
           {"description", data.description},
           {"packed", data.packed},
           {"notes", data.notes}};
  } catch (const tersor::Error& e) {
    out = {{"error", e.what()}, {"help", e.help()}};
  }
  std::cout << out.dump() << "\n";
  return 0;
}
