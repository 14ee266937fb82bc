#include "cuda/optim.h"

#include <memory>

#include "cuda/optim_launch.h"
#include "cuda/runtime.h"

namespace clew::cuda {
namespace {

/// Calls `launch(dtype, pack)` for packs that cover all items; a pack's items have one dtype.
template <class Run>
void for_packs(OptimItems items, const Run& launch) {
  const auto pack = std::make_unique<ItemPack>();
  for (const DType dtype : {DType::Float16, DType::BFloat16, DType::Float32, DType::Float64}) {
    pack->count = 0;
    uint32_t blocks = 0;
    const auto flush = [&] {
      if (pack->count == 0) return;
      pack->first_block[pack->count] = blocks;
      launch(dtype, static_cast<const ItemPack&>(*pack));
      pack->count = 0;
      blocks = 0;
    };
    for (const kernels::OptimItem& item : items) {
      if (item.dtype != dtype || item.numel == 0) continue;
      // An item with more blocks than a launch has is cut.
      constexpr int64_t kMost = int64_t{1} << 30;
      const auto width = static_cast<int64_t>(item_size(dtype));
      for (int64_t at = 0; at < item.numel; at += kMost * kItemPiece) {
        const int64_t left = item.numel - at, numel = left < kMost * kItemPiece ? left : kMost * kItemPiece;
        const int64_t own = (numel + kItemPiece - 1) / kItemPiece;
        if (pack->count == kMostItems || blocks + own > kMost) flush();
        ItemPack::Item& to = pack->items[pack->count];
        for (size_t k = 0; k < 5; ++k)
          to.data[k] = item.data[k] == nullptr ? nullptr : static_cast<char*>(item.data[k]) + at * width;
        to.numel = numel;
        to.step_size = item.step_size;
        to.root_bias = item.root_bias;
        pack->fresh[pack->count] = item.fresh;
        pack->first_block[pack->count] = blocks;
        ++pack->count;
        blocks += static_cast<uint32_t>(own);
      }
    }
    flush();
  }
}

}  // namespace

void sgd_step(int device, OptimItems items, const kernels::SgdScalars& s) {
  const Launch launch(device);
  for_packs(items, [&](DType dtype, const ItemPack& pack) { launch_sgd(dtype, pack, s, launch.stream()); });
}

void adam_step(int device, OptimItems items, const kernels::AdamScalars& s) {
  const Launch launch(device);
  const bool amsgrad = !items.empty() && items[0].data[4] != nullptr;
  for_packs(items, [&](DType dtype, const ItemPack& pack) {
    launch_adam(dtype, pack, s, amsgrad, launch.stream());
  });
}

void total_norm(int device, OptimItems items, double p, DType dtype, void* result) {
  const Launch launch(device);
  int64_t count = 0;
  for_packs(items, [&](DType, const ItemPack& pack) { count += pack.first_block[pack.count]; });
  const Workspace partials(launch, static_cast<size_t>(count) * sizeof(double));
  double* next = partials.as<double>();
  for_packs(items, [&](DType of, const ItemPack& pack) {
    launch_norm(of, pack, p, next, launch.stream());
    next += pack.first_block[pack.count];
  });
  launch_norm_end(dtype, partials.as<double>(), count, p, result, launch.stream());
}

void scale_all(int device, OptimItems items, double factor, DType dtype, const void* more, void* found_bad) {
  const Launch launch(device);
  for_packs(items, [&](DType of, const ItemPack& pack) {
    launch_scale(of, pack, factor, dtype, more, static_cast<float*>(found_bad), launch.stream());
  });
}

}  // namespace clew::cuda
