#include "cpu/winograd_loops.h"

#include "cpu/isa.h"

namespace clew::cpu {

namespace baseline {
extern const WinogradLoops winograd_loops;
}
#ifndef CLEW_ONLY_BASELINE_ISA
namespace avx2 {
extern const WinogradLoops winograd_loops;
}
namespace avx512 {
extern const WinogradLoops winograd_loops;
}
#endif

const WinogradLoops& winograd_loops() {
#ifndef CLEW_ONLY_BASELINE_ISA
  switch (active_isa()) {
    case Isa::avx512:
      return avx512::winograd_loops;
    case Isa::avx2:
      return avx2::winograd_loops;
    default:
      break;
  }
#endif
  return baseline::winograd_loops;
}

}  // namespace clew::cpu
