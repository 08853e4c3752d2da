// Renders chat templates, for tests that compare with another implementation.
//
//   chat_tool CASES OUT
//
// CASES: a JSON list of {"template", "messages", "tools", "documents", "variables", "add_generation_prompt",
// "now"}, each of messages … variables being JSON text. OUT: a JSON list of {"text", "generated"} or
// {"error"}.
#include <fstream>
#include <iostream>

#include "tersor/base/error.h"
#include "tersor/io/json.h"
#include "tersor/tokenizer/chat_template.h"

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: chat_tool CASES OUT\n";
    return 2;
  }
  tersor::Json out = tersor::Json::array();
  try {
    for (const tersor::Json& c : tersor::read_json_file(argv[1])) {
      try {
        const tersor::ChatTemplate chat(c["template"].get<std::string>(), "case");
        tersor::ChatTemplate::Options options;
        options.add_generation_prompt = c["add_generation_prompt"].get<bool>();
        options.tools = c["tools"].get<std::string>();
        options.documents = c["documents"].get<std::string>();
        options.variables = c["variables"].get<std::string>();
        options.now = c["now"].get<std::time_t>();
        const auto rendered = chat.render(c["messages"].get<std::string>(), options);
        out.push_back({{"text", rendered.text}, {"generated", rendered.generated}});
      } catch (const tersor::Error& e) {
        out.push_back({{"error", e.what()}});
      }
    }
  } catch (const tersor::Error& e) {
    std::cerr << "error: " << e.what() << "\n";
    return static_cast<int>(e.code());
  }
  std::ofstream(argv[2]) << out.dump();
  return 0;
}
