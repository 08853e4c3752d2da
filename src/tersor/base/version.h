// The program's version.
#pragma once

namespace tersor {

const char* version();  // "0.1.0"

}  // namespace tersor
