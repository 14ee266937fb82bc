#include "cpu/plane_loops.h"

#include "cpu/isa.h"

namespace clew::cpu {

namespace baseline {
extern const PlaneLoops float_plane_loops, double_plane_loops;
}
#ifndef CLEW_ONLY_BASELINE_ISA
namespace avx2 {
extern const PlaneLoops float_plane_loops, double_plane_loops;
}
namespace avx512 {
extern const PlaneLoops float_plane_loops, double_plane_loops;
}
#endif

const PlaneLoops& plane_loops(bool is_double) {
#ifndef CLEW_ONLY_BASELINE_ISA
  switch (active_isa()) {
    case Isa::avx512:
      return is_double ? avx512::double_plane_loops : avx512::float_plane_loops;
    case Isa::avx2:
      return is_double ? avx2::double_plane_loops : avx2::float_plane_loops;
    default:
      break;
  }
#endif
  return is_double ? baseline::double_plane_loops : baseline::float_plane_loops;
}

}  // namespace clew::cpu
