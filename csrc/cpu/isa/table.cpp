#include "cpu/isa/common.h"

namespace clew::cpu::CLEW_ISA {

extern const UnaryTable unary_table;
extern const BinaryTable binary_table;
extern const TernaryTable ternary_table;
extern const CastTable cast_table;
extern const ReduceTable reduce_table;
extern const NormTable norm_table;

extern const LoopTable table;
constinit const LoopTable table = {
    .unary_table = &unary_table,
    .binary_table = &binary_table,
    .ternary_table = &ternary_table,
    .cast_table = &cast_table,
    .reduce_table = &reduce_table,
    .norm_table = &norm_table,
};

}  // namespace clew::cpu::CLEW_ISA
