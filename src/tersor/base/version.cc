#include "tersor/base/version.h"

namespace tersor {

const char* version() { return TERSOR_VERSION; }

}  // namespace tersor
