// Lists of tensors as plain data that goes along with a launch.
#pragma once

#include <cstdint>

#include "cuda/driver.h"
#include "kernels/optim_math.h"

namespace clew::cuda {

/// Tensors of one launch: what fits into the arguments of a kernel, 32764 bytes.
inline constexpr int kMostItems = 380;
inline constexpr int64_t kItemPiece = 4096;  // elements of one tensor that one block takes

struct ItemPack {
  struct Item {
    void* data[5];
    int64_t numel;
    double step_size, root_bias;
  };
  Item items[kMostItems];
  uint32_t first_block[kMostItems + 1];  // of each item; the last: how many in all
  bool fresh[kMostItems];
  int count;
};

void launch_sgd(DType dtype, const ItemPack& pack, const kernels::SgdScalars& s, Stream stream);
void launch_adam(DType dtype, const ItemPack& pack, const kernels::AdamScalars& s, bool amsgrad,
                 Stream stream);
/// One partial result per block, to be taken together by launch_norm_end.
void launch_norm(DType dtype, const ItemPack& pack, double p, double* partials, Stream stream);
void launch_norm_end(DType dtype, const double* partials, int64_t count, double p, void* result,
                     Stream stream);
void launch_scale(DType dtype, const ItemPack& pack, double factor, DType more_dtype, const void* more,
                  float* found_bad, Stream stream);

}  // namespace clew::cuda
