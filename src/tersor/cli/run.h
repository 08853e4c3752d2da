// The program: parse, call the library, print, exit status.
#pragma once

namespace tersor {

// Everything that main() does. Never throws.
int run(int argc, const char* const* argv);

}  // namespace tersor
