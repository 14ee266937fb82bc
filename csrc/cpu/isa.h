// Which builds of the loops exist and which the machine can run.
#pragma once

#include <string>

#include "cpu/loops.h"

namespace clew::cpu {

enum class Isa : uint8_t { baseline, avx2, avx512 };
inline constexpr int kIsaCount = 3;

const char* isa_name(Isa isa);

/// The loops built for `isa`, or null where this machine or this build lacks it.
const LoopTable* loops_for(Isa isa);

/// The instruction set behind loops().
Isa active_isa();

/// "baseline", "avx2" or "avx512" to Isa, checked against the machine. Throws std::runtime_error.
Isa parse_isa(const std::string& name);

}  // namespace clew::cpu
