// Padding, and resampling along one dimension; all sampling of interpolate() is made of the latter.
#include "ops/resize.h"

#include <algorithm>
#include <iterator>

#include "clew/dispatch/apply.h"
#include "core/shapes.h"
#include "registry/slots.h"

namespace clew {

// --- padding ---------------------------------------------------------------------------------------

/// Keeps sums of sizes and padding within 64 bits.
static void check_amounts(IntArrayRef pad, const Tensor& input) {
  for (int64_t n : pad) {
    CLEW_CHECK(n >= -INT64_MAX / 4 && n <= INT64_MAX / 4, ShapeError,
               "pad: expected amounts that a tensor can have, got ", pad, " for input ", input.sizes());
  }
}

static TensorMeta pad_constant_meta(const Tensor& input, IntArrayRef pad, const Scalar&) {
  const auto rank = static_cast<size_t>(input.dim());
  CLEW_CHECK(pad.size() % 2 == 0 && pad.size() <= 2 * rank, ValueError,
             "pad: expected pairs for at most the ", rank, " dimensions of the input, got ", pad.size(),
             " values (input ", input.sizes(), ")");
  check_amounts(pad, input);
  Shape out = input.sizes().vec();
  for (size_t i = 0; i < pad.size(); i += 2) {
    int64_t& n = out[rank - 1 - i / 2];
    const __int128 size = static_cast<__int128>(n) + pad[i] + pad[i + 1];
    CLEW_CHECK(size >= 0 && size <= INT64_MAX, ShapeError,
               "pad: expected padding that leaves no negative size, got ", pad, " for input ", input.sizes());
    n = static_cast<int64_t>(size);
  }
  return {out, input.dtype()};
}

CLEW_OP_PAGE(pad_constant) = {{
    .name = "pad_constant",
    .doc = R"(Adds elements of one value before and after; negative numbers take elements away.

Args:
    input: any shape.
    pad: pairs (before, after), from the last dimension backwards.
    value: the added elements.
Returns:
    Tensor of the padded shape.
Raises:
    clew.ValueError: an odd number of values, or more pairs than dimensions.
    clew.ShapeError: more is taken away than there is.
Example:
    >>> clew.ops.pad_constant(clew.ones(2), (1, -1), 7).tolist()
    [7.0, 1.0]
)",
    .meta = pad_constant_meta,
    .kernel = &pad_constant_kernel,
    .grad = [](const Backward& ctx, const Tensor& g) -> GradList {
      Shape back;
      for (int64_t n : ctx.arg<IntArrayRef>(1)) back.push_back(-n);
      return {pad_constant(g, back, Scalar(0))};
    },
}};
Tensor pad_constant(const Tensor& input, IntArrayRef pad, const Scalar& value) {
  return apply(pad_constant_op, input, pad, value);
}

/// Which element of a dimension stands at each position of the padded one.
static Tensor padded_index(const Tensor& input, std::string_view mode, int64_t size, int64_t before,
                           int64_t after) {
  const TensorOptions options = TensorOptions(DType::Int64).device(input.device());
  if (mode == "circular") {  // what is left after cutting goes round
    const int64_t cut = std::max<int64_t>(-before, 0), left = size - cut - std::max<int64_t>(-after, 0);
    const Tensor at = arange(Scalar(-std::max<int64_t>(before, 0)),
                             Scalar(left + std::max<int64_t>(after, 0)), Scalar(1), options);
    return remainder(at, weak_scalar_tensor(left)) + cut;
  }
  const Tensor at = arange(Scalar(-before), Scalar(size + after), Scalar(1), options);
  if (mode == "reflect") return (size - 1) - abs((size - 1) - abs(at));
  return clamp(at, Scalar(0), Scalar(size - 1));
}

CLEW_OP_PAGE(pad) = {{
    .name = "pad",
    .doc = R"(Pads the last dimensions.

Modes: "constant" adds `value`; "reflect" mirrors at the border element, which is not repeated; "replicate"
repeats the border element; "circular" goes on at the other end. Negative numbers take elements away.

Args:
    input: any shape; for the modes other than "constant" with one or two more dimensions than are padded.
    pad: pairs (before, after), from the last dimension backwards.
    mode: "constant", "reflect", "replicate" or "circular".
    value: for "constant"; None means 0.
Returns:
    Tensor of the padded shape.
Raises:
    clew.ValueError: an unknown mode, an odd number of values, or a value for another mode.
    clew.ShapeError: more pairs than dimensions, or more padding than there is to mirror.
Example:
    >>> clew.nn.functional.pad(clew.tensor([1.0, 2.0]), (1, 2), value=9.0).tolist()
    [9.0, 1.0, 2.0, 9.0, 9.0]
    >>> clew.nn.functional.pad(clew.tensor([[1.0, 2.0, 3.0]]), (2, 0), mode="reflect").tolist()
    [[3.0, 2.0, 1.0, 2.0, 3.0]]
)",
    .composite = [](const Tensor& input, IntArrayRef pad, std::string_view mode,
                    std::optional<Scalar> value) -> Tensor {
      if (mode == "constant") return pad_constant(input, pad, value.value_or(Scalar(0)));
      CLEW_CHECK(mode == "reflect" || mode == "replicate" || mode == "circular", ValueError,
                 "pad: expected mode \"constant\", \"reflect\", \"replicate\" or \"circular\", got \"", mode,
                 "\"");
      CLEW_CHECK(!value || value->to_double() == 0, ValueError, "pad: expected no value with mode \"", mode,
                 "\", got ", value->to_double());
      const auto rank = static_cast<size_t>(input.dim());
      const size_t pairs = pad.size() / 2;
      CLEW_CHECK(pad.size() % 2 == 0 && pairs >= 1 && pairs <= 3 && (rank == pairs + 1 || rank == pairs + 2),
                 ShapeError,
                 "pad: expected 1 to 3 pairs and an input of one or two more dimensions for mode \"", mode,
                 "\", got ", pad, " for input ", input.sizes());
      check_amounts(pad, input);
      Tensor out = input;
      for (size_t i = 0; i < pairs; ++i) {
        const int64_t before = pad[2 * i], after = pad[2 * i + 1], dim = static_cast<int64_t>(rank - 1 - i);
        if (before == 0 && after == 0) continue;
        const int64_t size = input.size(dim), most = mode == "reflect" ? size - 1 : size;
        CLEW_CHECK(size > 0, ShapeError, "pad: expected sizes > 0 where it pads, got input ", input.sizes());
        CLEW_CHECK(mode == "replicate" || (before <= most && after <= most), ShapeError,
                   "pad: expected padding of at most ", most, " for mode \"", mode, "\" at size ", size,
                   ", got ", pad, " (input ", input.sizes(), ")");
        // Only a border that is repeated may be the one element that is left of nothing.
        const int64_t cut = std::max<int64_t>(-before, 0), end_cut = std::max<int64_t>(-after, 0);
        CLEW_CHECK(before >= -size && after >= -size && size + before + after > 0 &&
                       (mode == "replicate" || cut + end_cut < size),
                   ShapeError, "pad: expected padding that leaves a size > 0, got ", pad, " for input ",
                   input.sizes());
        out = index_select(out, dim, padded_index(input, mode, size, before, after));
      }
      return out;
    },
}};
Tensor pad(const Tensor& input, IntArrayRef pad, std::string_view mode, std::optional<Scalar> value) {
  return apply(pad_op, input, pad, mode, value);
}

// --- resampling ------------------------------------------------------------------------------------

ResizeMode resize_mode(const char* op, std::string_view mode) {
  if (mode == "nearest") return ResizeMode::Nearest;
  if (mode == "nearest-exact") return ResizeMode::NearestExact;
  if (mode == "linear") return ResizeMode::Linear;
  if (mode == "cubic") return ResizeMode::Cubic;
  CLEW_CHECK(mode == "area", ValueError, op,
             ": expected mode nearest, nearest-exact, linear, cubic or area, got \"", mode, "\"");
  return ResizeMode::Area;
}

static void check_resize(const char* op, int64_t in, int64_t out, std::string_view mode,
                         std::optional<double> scale_factor) {
  resize_mode(op, mode);
  CLEW_CHECK(in > 0 && out > 0, ShapeError, op, ": expected sizes > 0, got ", in, " to ", out);
  CLEW_CHECK(!scale_factor || *scale_factor > 0, ValueError, op, ": expected scale_factor > 0, got ",
             scale_factor.value_or(0));
}

static TensorMeta resize_dim_meta(const Tensor& input, int64_t dim, int64_t size, std::string_view mode, bool,
                                  std::optional<double> scale_factor) {
  const auto d = static_cast<size_t>(wrap_dim("resize_dim", dim, input.dim()));
  CLEW_CHECK(input.dim() > 0, ShapeError, "resize_dim: expected at least one dimension, got a scalar");
  check_resize("resize_dim", input.sizes()[d], size, mode, scale_factor);
  Shape out = input.sizes().vec();
  out[d] = size;
  return {out, input.dtype()};
}

CLEW_OP_PAGE(resize_dim) = {{
    .name = "resize_dim",
    .doc = R"(Resamples one dimension to another size.

    out[..., i, ...] = sum_k weight[i, k] * input[..., index[i, k], ...]

"nearest" and "nearest-exact" take the element at i * s or (i + 0.5) * s, s being the ratio of the sizes;
"linear" and "cubic" (a = -0.75) weigh 2 or 4 neighbours; "area" averages all elements that i covers.

Args:
    input: any shape with at least one dimension, floating point.
    dim: the dimension.
    size: its new size.
    mode: "nearest", "nearest-exact", "linear", "cubic" or "area".
    align_corners: the first and last elements stand in the corners; for "linear" and "cubic".
    scale_factor: taken for the ratio of sizes where given.
Returns:
    Tensor of the input's shape, but for `size` at `dim`.
Raises:
    clew.ShapeError: an empty dimension.
    clew.ValueError: an unknown mode.
Example:
    >>> clew.ops.resize_dim(clew.tensor([0.0, 2.0]), 0, 3, "linear", True).tolist()
    [0.0, 1.0, 2.0]
)",
    .dtypes = kFloating,
    .layout = Layout::Contiguous,
    .meta = resize_dim_meta,
    .kernel = &resize_dim_kernel,
    .grad = [](const Backward& ctx, const Tensor& g) -> GradList {
      const auto dim = ctx.arg<int64_t>(1);
      const IntArrayRef sizes = ctx.input_sizes(0);
      const auto d = static_cast<size_t>(dim < 0 ? dim + static_cast<int64_t>(sizes.size()) : dim);
      return {resize_dim_grad(g, dim, sizes[d], ctx.arg<std::string_view>(3), ctx.arg<bool>(4),
                              ctx.arg<std::optional<double>>(5))};
    },
}};
Tensor resize_dim(const Tensor& input, int64_t dim, int64_t size, std::string_view mode, bool align_corners,
                  std::optional<double> scale_factor) {
  return apply(resize_dim_op, input, dim, size, mode, align_corners, scale_factor);
}

static TensorMeta resize_dim_grad_meta(const Tensor& grad_output, int64_t dim, int64_t input_size,
                                       std::string_view mode, bool, std::optional<double> scale_factor) {
  const auto d = static_cast<size_t>(wrap_dim("resize_dim_grad", dim, grad_output.dim()));
  CLEW_CHECK(grad_output.dim() > 0, ShapeError,
             "resize_dim_grad: expected at least one dimension, got a scalar");
  check_resize("resize_dim_grad", input_size, grad_output.sizes()[d], mode, scale_factor);
  Shape out = grad_output.sizes().vec();
  out[d] = input_size;
  return {out, grad_output.dtype()};
}

CLEW_OP_PAGE(resize_dim_grad) = {{
    .name = "resize_dim_grad",
    .doc = R"(Gradient of resize_dim: adds each element to where it was sampled from.

Args:
    grad_output: shape of resize_dim's result.
    dim, mode, align_corners, scale_factor: as in resize_dim.
    input_size: size of `dim` before.
Returns:
    Tensor of the input's shape.
Raises:
    clew.ShapeError: an empty dimension.
Example:
    >>> clew.ops.resize_dim_grad(clew.ones(4), 0, 2, "nearest").tolist()
    [2.0, 2.0]
)",
    .dtypes = kFloating,
    .layout = Layout::Contiguous,
    .meta = resize_dim_grad_meta,
    .kernel = &resize_dim_grad_kernel,
    .grad = [](const Backward& ctx, const Tensor& g) -> GradList {
      const auto dim = ctx.arg<int64_t>(1);
      const IntArrayRef sizes = ctx.input_sizes(0);
      const auto d = static_cast<size_t>(dim < 0 ? dim + static_cast<int64_t>(sizes.size()) : dim);
      return {resize_dim(g, dim, sizes[d], ctx.arg<std::string_view>(3), ctx.arg<bool>(4),
                         ctx.arg<std::optional<double>>(5))};
    },
}};
Tensor resize_dim_grad(const Tensor& grad_output, int64_t dim, int64_t input_size, std::string_view mode,
                       bool align_corners, std::optional<double> scale_factor) {
  return apply(resize_dim_grad_op, grad_output, dim, input_size, mode, align_corners, scale_factor);
}

// The ranks that a mode of interpolate is for, and what it is along one dimension.
struct SampleMode {
  std::string_view name, along;
  int64_t low, high;
  bool takes_corners;
};
static constexpr SampleMode kSampleModes[] = {
    {"nearest", "nearest", 3, 5, false}, {"nearest-exact", "nearest-exact", 3, 5, false},
    {"linear", "linear", 3, 3, true},    {"bilinear", "linear", 4, 4, true},
    {"bicubic", "cubic", 4, 4, true},    {"trilinear", "linear", 5, 5, true},
    {"area", "area", 3, 5, false}};

static Tensor area_means(const Tensor& input, IntArrayRef size) {
  if (size.size() == 1) return squeeze(adaptive_avg_pool2d(unsqueeze(input, -2), {1, size[0]}), -2);
  if (size.size() == 2) return adaptive_avg_pool2d(input, size);
  Tensor x = input.dtype() == kHalf || input.dtype() == kBFloat16 ? input.to(kFloat) : input;
  for (int64_t d = 3; d-- > 0;) x = resize_dim(x, d + 2, size[static_cast<size_t>(d)], "area");
  return x.to(input.dtype());
}

CLEW_OP_PAGE(resample) = {{
    .name = "resample",
    .doc = R"(Resamples signals, images or volumes to another size: what interpolate calls.

Args:
    input: shape (N, C, L), (N, C, H, W) or (N, C, D, H, W), floating point or uint8.
    size: the new sizes, one per dimension after the second.
    mode: nearest, nearest-exact, linear (3-d), bilinear, bicubic (4-d), trilinear (5-d) or area.
    align_corners: the centres of corner elements stay in place, for the linear and cubic modes.
    scale0, scale1, scale2: taken for the ratio of sizes of a dimension where given.
Returns:
    Tensor of shape (N, C, *size), dtype of `input`.
Raises:
    clew.ValueError: align_corners with another mode, or another number of sizes.
    clew.ShapeError: an empty dimension.
    clew.NotImplementedError: an unknown mode, or one for another rank.
Example:
    >>> clew.ops.resample(clew.tensor([[[1.0, 3.0]]]), [3], "linear", True).tolist()
    [[[1.0, 2.0, 3.0]]]
)",
    .dtypes = kFloating | dtype_set(DType::UInt8),
    .composite = [](const Tensor& input, IntArrayRef size, std::string_view mode,
                    std::optional<bool> align_corners, std::optional<double> scale0,
                    std::optional<double> scale1, std::optional<double> scale2) -> Tensor {
      CLEW_CHECK(is_floating(input.dtype()) || input.dtype() == kUInt8, DTypeError,
                 "interpolate: expected a floating dtype or uint8, got ", input.dtype());
      const auto* m = std::ranges::find(kSampleModes, mode, &SampleMode::name);
      CLEW_CHECK(m != std::end(kSampleModes), NotImplementedError,
                 "interpolate: expected mode nearest, nearest-exact, linear, bilinear, bicubic, trilinear or "
                 "area, got '",
                 mode, "'");
      CLEW_CHECK(m->takes_corners || !align_corners, ValueError,
                 "interpolate: expected align_corners=None with mode ", mode, ", got ",
                 align_corners.value_or(false) ? "True" : "False");
      CLEW_CHECK(input.dim() >= m->low && input.dim() <= m->high, NotImplementedError,
                 "interpolate: expected input of ", m->low, m->low == m->high ? "" : " to 5",
                 " dimensions for mode ", mode, ", got shape ", input.sizes());
      CLEW_CHECK(static_cast<int64_t>(size.size()) == input.dim() - 2, ValueError, "interpolate: expected ",
                 input.dim() - 2, " sizes, got ", size.size(), " (input ", input.sizes(), ")");
      bool empty = false;
      for (const int64_t n : size) empty = empty || n <= 0;
      for (size_t d = 1; d < input.sizes().size(); ++d) empty = empty || input.sizes()[d] == 0;
      CLEW_CHECK(!empty, ShapeError, "interpolate: expected sizes > 0, got input ", input.sizes(),
                 " and output ", size);
      if (mode == "area") return area_means(input, size);
      // One rounding at the end instead of one per dimension.
      const bool wide = input.dtype() != kFloat && input.dtype() != kDouble;
      Tensor x = wide ? input.to(kFloat) : input;
      const std::optional<double> scales[] = {scale0, scale1, scale2};
      for (size_t i = size.size(); i-- > 0;) {
        x = resize_dim(x, static_cast<int64_t>(i) + 2, size[i], m->along, align_corners.value_or(false),
                       scales[i]);
      }
      if (input.dtype() == kUInt8 && m->takes_corners) x = clamp(floor(x + 0.5), Scalar(0), Scalar(255));
      return wide ? x.to(input.dtype()) : x;
    },
}};
Tensor resample(const Tensor& input, IntArrayRef size, std::string_view mode,
                std::optional<bool> align_corners, std::optional<double> scale0, std::optional<double> scale1,
                std::optional<double> scale2) {
  return apply(resample_op, input, size, mode, align_corners, scale0, scale1, scale2);
}

}  // namespace clew
