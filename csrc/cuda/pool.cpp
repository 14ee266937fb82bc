// Pooling over the last two dimensions, padding, and resampling of one dimension.
#include "cuda/pool.h"

#include "clew/dispatch/apply.h"
#include "core/shapes.h"
#include "cuda/checks.h"
#include "cuda/copy.h"
#include "cuda/index.h"
#include "cuda/kernels.h"
#include "ops/resize_table.h"
#include "ops/window.h"

namespace clew::cuda {
namespace {

PoolPlan pool_plan(const Pool2dShape& s) {
  return {.in = nullptr,
          .out = nullptr,
          .indices = nullptr,
          .planes = s.planes,
          .h = s.h,
          .w = s.w,
          .oh = s.oh,
          .ow = s.ow,
          .kh = s.kh,
          .kw = s.kw,
          .sh = s.sh,
          .sw = s.sw,
          .ph = s.ph,
          .pw = s.pw,
          .dh = s.dh,
          .dw = s.dw};
}

PoolPlan adaptive_plan(IntArrayRef in, IntArrayRef out) {
  const size_t n = in.size();
  PoolPlan plan = pool_plan({});
  plan.adaptive = true;
  plan.planes = numel_of(IntArrayRef(in.data(), n - 2));
  plan.h = in[n - 2];
  plan.w = in[n - 1];
  plan.oh = out[n - 2];
  plan.ow = out[n - 1];
  return plan;
}

void max_pool2d_cuda(Tensor2& out, const Tensor& input, IntArrayRef kernel_size, IntArrayRef stride,
                     IntArrayRef padding, IntArrayRef dilation, bool ceil_mode) {
  const auto& [values, indices] = out;
  if (values.numel() == 0) return;
  const Launch launch(values);
  PoolPlan plan =
      pool_plan(pool2d_shape("max_pool2d", input.sizes(), kernel_size, stride, padding, dilation, ceil_mode));
  plan.in = input.raw_data();
  plan.out = values.raw_data();
  plan.indices = indices.data<int64_t>();
  run_max_pool(input.dtype(), plan, launch.stream());
}

// Indices may name any element of their plane: sorted, each element's gradients are one thread's.
void max_pool2d_grad_cuda(Tensor& out, const Tensor& grad_output, const Tensor& indices,
                          IntArrayRef input_size) {
  if (out.numel() == 0) {
    CLEW_CHECK(indices.numel() == 0, IndexError, "max_pool2d_grad: expected no indices for input_size ",
               input_size, ", got ", indices.numel());
    return;
  }
  fill_tensor("zeros", out, 0);
  if (indices.numel() == 0) return;
  const int64_t plane = input_size[input_size.size() - 1] * input_size[input_size.size() - 2];
  const int64_t planes = out.numel() / plane, windows = indices.numel() / planes;
  const Launch launch(out);
  const BadPosition bad(launch);
  const auto count = static_cast<size_t>(indices.numel());
  const Workspace offsets(launch, count * sizeof(int64_t)), items(launch, count * sizeof(SortItem)),
      spare(launch, count * sizeof(SortItem));
  AddOffsets add{.offsets = offsets.as<int64_t>(),
                 .values = indices.data<int64_t>(),
                 .bad = bad.bad(),
                 .count = indices.numel(),
                 .size = plane,
                 .stride = 1,
                 .first = true,
                 .negative = false,
                 .base = {}};
  add.base.add(windows, 0);
  add.base.add(planes, plane);
  run_add_offsets(add, launch.stream());
  if (const int64_t at = bad.read(); at >= 0)
    detail::raise<IndexError>("max_pool2d_grad: expected indices in [0, ", plane, "), got ",
                              read_value(indices.data<int64_t>() + at, launch), " (input_size ", input_size,
                              ")");
  Places places{};
  places.offsets = offsets.as<int64_t>();
  places.positions = indices.numel();
  run_offset_items(items.as<SortItem>(), places.offsets, places.positions, launch.stream());
  // Planes in order make one row in order.
  const SortItem* sorted =
      run_sort(items.as<SortItem>(), spare.as<SortItem>(), planes, windows, launch.stream());
  run_write_places(
      Write::Add, out.dtype(),
      {.out = out.raw_data(), .values = grad_output.raw_data(), .sorted = sorted, .one_value = false}, places,
      launch.stream());
}

void average(const Tensor& out, const Tensor& input, PoolPlan plan, bool is_grad) {
  const Launch launch(out);
  plan.in = input.raw_data();
  plan.out = out.raw_data();
  (is_grad ? run_average_pool_grad : run_average_pool)(out.dtype(), plan, launch.stream());
}

void avg_pool2d_cuda(Tensor& out, const Tensor& input, IntArrayRef kernel_size, IntArrayRef stride,
                     IntArrayRef padding, bool ceil_mode, bool count_include_pad,
                     std::optional<int64_t> divisor) {
  if (out.numel() == 0) return;
  PoolPlan plan =
      pool_plan(pool2d_shape("avg_pool2d", input.sizes(), kernel_size, stride, padding, {1}, ceil_mode));
  plan.count_padding = count_include_pad;
  plan.divisor = divisor.value_or(0);
  average(out, input, plan, false);
}

void avg_pool2d_grad_cuda(Tensor& out, const Tensor& grad_output, IntArrayRef input_size,
                          IntArrayRef kernel_size, IntArrayRef stride, IntArrayRef padding, bool ceil_mode,
                          bool count_include_pad, std::optional<int64_t> divisor) {
  if (out.numel() == 0) return;
  PoolPlan plan =
      pool_plan(pool2d_shape("avg_pool2d_grad", input_size, kernel_size, stride, padding, {1}, ceil_mode));
  plan.count_padding = count_include_pad;
  plan.divisor = divisor.value_or(0);
  average(out, grad_output, plan, true);
}

void adaptive_avg_pool2d_cuda(Tensor& out, const Tensor& input, IntArrayRef) {
  if (out.numel() == 0) return;
  average(out, input, adaptive_plan(input.sizes(), out.sizes()), false);
}

void adaptive_avg_pool2d_grad_cuda(Tensor& out, const Tensor& grad_output, IntArrayRef input_size) {
  if (out.numel() == 0) return;
  average(out, grad_output, adaptive_plan(input_size, grad_output.sizes()), true);
}

// --- padding and resampling --------------------------------------------------------------------------------

void pad_constant_cuda(Tensor& out, const Tensor& input, IntArrayRef pad, const Scalar& value) {
  fill_tensor("pad", out, value);
  const auto rank = static_cast<size_t>(input.dim());
  Shape sizes = input.sizes().vec();
  int64_t from = input.storage_offset(), to = out.storage_offset();
  for (size_t i = 0; i < pad.size() / 2; ++i) {
    const size_t d = rank - 1 - i;
    const int64_t before = pad[2 * i], after = pad[2 * i + 1];
    sizes[d] = std::max<int64_t>(0, sizes[d] + std::min<int64_t>(before, 0) + std::min<int64_t>(after, 0));
    from += std::max<int64_t>(0, -before) * input.strides()[d];
    to += std::max<int64_t>(0, before) * out.strides()[d];
  }
  if (numel_of(sizes) == 0) return;
  copy_tensor(apply_detail::make_view(out, {sizes, out.strides().vec(), to}),
              apply_detail::make_view(input, {sizes, input.strides().vec(), from}));
}

void resize(const Tensor& out, const Tensor& input, int64_t dim, std::string_view mode, bool align_corners,
            std::optional<double> scale_factor, bool backward) {
  if (out.numel() == 0) return;
  const auto d = static_cast<size_t>(wrap_dim("resize_dim", dim, out.dim()));
  const int64_t in_size = input.sizes()[d], out_size = out.sizes()[d];
  const ResizeMode m = resize_mode("resize_dim", mode);
  const Launch launch(out);
  const auto run = [&]<class C>() {
    const ResizeTable<C> table =
        backward
            ? make_resize_table<C>(out_size, in_size, m, align_corners, scale_factor).transposed(out_size)
            : make_resize_table<C>(in_size, out_size, m, align_corners, scale_factor);
    const auto upload = [&](const Workspace& to, const void* from, size_t nbytes) {
      if (nbytes > 0) driver().copy(to.as<void>(), from, nbytes, launch.stream());
    };
    const size_t starts = table.start.size() * sizeof(int64_t),
                 indices = table.index.size() * sizeof(int64_t), weights = table.weight.size() * sizeof(C);
    const Workspace start(launch, starts), index(launch, indices), weight(launch, weights);
    upload(start, table.start.data(), starts);
    upload(index, table.index.data(), indices);
    upload(weight, table.weight.data(), weights);
    run_resize(out.dtype(),
               {.in = input.raw_data(),
                .out = out.raw_data(),
                .start = start.as<int64_t>(),
                .index = index.as<int64_t>(),
                .weight = weight.as<void>(),
                .outer = numel_of(IntArrayRef(out.sizes().data(), d)),
                .rows = out_size,
                .columns = in_size,
                .inner = out.strides()[d]},
               launch.stream());
  };
  if (out.dtype() == DType::Float64) {
    run.operator()<double>();
  } else {
    run.operator()<float>();
  }
}

void resize_dim_cuda(Tensor& out, const Tensor& input, int64_t dim, int64_t, std::string_view mode,
                     bool align_corners, std::optional<double> scale_factor) {
  resize(out, input, dim, mode, align_corners, scale_factor, false);
}
void resize_dim_grad_cuda(Tensor& out, const Tensor& grad_output, int64_t dim, int64_t, std::string_view mode,
                          bool align_corners, std::optional<double> scale_factor) {
  resize(out, grad_output, dim, mode, align_corners, scale_factor, true);
}

}  // namespace

void register_pool() {
  CLEW_CUDA_KERNEL(max_pool2d_with_indices, max_pool2d_cuda);
  CLEW_CUDA_KERNEL(max_pool2d_grad, max_pool2d_grad_cuda);
  CLEW_CUDA_KERNEL(avg_pool2d, avg_pool2d_cuda);
  CLEW_CUDA_KERNEL(avg_pool2d_grad, avg_pool2d_grad_cuda);
  CLEW_CUDA_KERNEL(adaptive_avg_pool2d, adaptive_avg_pool2d_cuda);
  CLEW_CUDA_KERNEL(adaptive_avg_pool2d_grad, adaptive_avg_pool2d_grad_cuda);
  CLEW_CUDA_KERNEL(pad_constant, pad_constant_cuda);
  CLEW_CUDA_KERNEL(resize_dim, resize_dim_cuda);
  CLEW_CUDA_KERNEL(resize_dim_grad, resize_dim_grad_cuda);
}

}  // namespace clew::cuda
