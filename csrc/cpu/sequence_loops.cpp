#include "cpu/sequence_loops.h"

#include "cpu/isa.h"

namespace clew::cpu {

namespace baseline {
extern const SequenceLoops float_sequence_loops, double_sequence_loops;
}
#ifndef CLEW_ONLY_BASELINE_ISA
namespace avx2 {
extern const SequenceLoops float_sequence_loops, double_sequence_loops;
}
namespace avx512 {
extern const SequenceLoops float_sequence_loops, double_sequence_loops;
}
#endif

const SequenceLoops& sequence_loops(bool is_double) {
#ifndef CLEW_ONLY_BASELINE_ISA
  switch (active_isa()) {
    case Isa::avx512:
      return is_double ? avx512::double_sequence_loops : avx512::float_sequence_loops;
    case Isa::avx2:
      return is_double ? avx2::double_sequence_loops : avx2::float_sequence_loops;
    default:
      break;
  }
#endif
  return is_double ? baseline::double_sequence_loops : baseline::float_sequence_loops;
}

}  // namespace clew::cpu
