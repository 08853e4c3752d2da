#include "tersor/backend/reference/reference_backend.h"

namespace tersor {

std::unique_ptr<Backend> make_reference_backend() { return std::make_unique<ReferenceBackend>(); }

}  // namespace tersor
