// How tensors print.
#pragma once

#include <cstdint>
#include <optional>

#include "clew/core/macros.h"

namespace clew {

struct PrintOptions {
  int precision = 4;             // digits behind the point
  int64_t threshold = 1000;      // tensors with more elements are summarised
  int64_t edge_items = 3;        // shown at either end of a summarised dimension
  int line_width = 80;           // characters
  std::optional<bool> sci_mode;  // with exponents or without; none: as the values ask for it
};

/// Those of the process. Change them while no other thread prints.
CLEW_API PrintOptions& print_options();

}  // namespace clew
