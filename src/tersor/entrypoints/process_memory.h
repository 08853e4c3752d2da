// Memory of this process. Internal.
#pragma once

#include <cstdint>

namespace tersor {

// The most bytes that were resident at once since the program started; 0 where the system does not say.
uint64_t peak_resident_bytes();

}  // namespace tersor
