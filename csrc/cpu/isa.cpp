#include "cpu/isa.h"

#include <atomic>
#include <cstdlib>
#include <new>
#include <stdexcept>

namespace clew::cpu {

namespace baseline {
extern const LoopTable table;
}
#ifndef CLEW_ONLY_BASELINE_ISA
namespace avx2 {
extern const LoopTable table;
}
namespace avx512 {
extern const LoopTable table;
}
#endif

const char* isa_name(Isa isa) {
  switch (isa) {
    case Isa::baseline:
      return "baseline";
    case Isa::avx2:
      return "avx2";
    case Isa::avx512:
      return "avx512";
  }
  return "?";
}

const LoopTable* loops_for(Isa isa) {
  if (isa == Isa::baseline) return &baseline::table;
#ifndef CLEW_ONLY_BASELINE_ISA
  __builtin_cpu_init();
  const bool has_avx2 =
      __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
  if (isa == Isa::avx2 && has_avx2) return &avx2::table;
  if (isa == Isa::avx512 && has_avx2 && __builtin_cpu_supports("avx512f") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl")) {
    return &avx512::table;
  }
#endif
  return nullptr;
}

Isa parse_isa(const std::string& name) {
  for (int i = 0; i < kIsaCount; ++i) {
    const Isa isa = static_cast<Isa>(i);
    if (name != isa_name(isa)) continue;
    if (loops_for(isa) == nullptr) {
      throw std::runtime_error("CLEW_CPU_ISA: expected an instruction set of this machine, got " + name);
    }
    return isa;
  }
  throw std::runtime_error("CLEW_CPU_ISA: expected baseline, avx2 or avx512, got '" + name + "'");
}

static Isa choose_isa() {
  if (const char* name = std::getenv("CLEW_CPU_ISA"); name != nullptr && *name != '\0')
    return parse_isa(name);
  for (int i = kIsaCount - 1; i > 0; --i) {
    if (loops_for(static_cast<Isa>(i)) != nullptr) return static_cast<Isa>(i);
  }
  return Isa::baseline;
}

// Two threads may choose at once: they choose the same.
constinit std::atomic<const LoopTable*> active_loops{nullptr};

const LoopTable& choose_loops() {
  const LoopTable* t = loops_for(choose_isa());
  active_loops.store(t, std::memory_order_relaxed);
  return *t;
}

void throw_bad_alloc() { throw std::bad_alloc(); }

Isa active_isa() {
  const LoopTable* t = &loops();
  for (int i = kIsaCount - 1; i > 0; --i) {
    if (loops_for(static_cast<Isa>(i)) == t) return static_cast<Isa>(i);
  }
  return Isa::baseline;
}

}  // namespace clew::cpu
