// A differentiable function of your own in C++: a fused linear layer with its backward, checked against
// finite differences and against the tape's own gradient.
#include <cstdio>
#include <cstdlib>
#include <optional>

#include <clew/autograd/autograd.h>
#include <clew/autograd/function.h>
#include <clew/ops/ops.h>

using clew::Tensor;
using clew::TensorList;

namespace {

/// y = scale * (x w^T + b). The gradient of `scale`, which is no tensor, is undefined.
struct ScaledLinear : clew::autograd::Function<ScaledLinear> {
  static Tensor forward(Context& ctx, const Tensor& x, const Tensor& weight,
                        const std::optional<Tensor>& bias, double scale) {
    ctx.save_for_backward({x, weight});
    ctx.saved_data["scale"] = scale;
    const Tensor y = clew::matmul(x, weight.t());
    return (bias ? y + *bias : y) * scale;
  }

  static TensorList backward(Context& ctx, const TensorList& grads) {
    const TensorList saved = ctx.saved_tensors();
    const Tensor g = grads[0] * ctx.saved_data["scale"].to<double>();
    TensorList out(4);  // one per argument of forward; undefined means none
    if (ctx.needs_input_grad(0)) out[0] = clew::matmul(g, saved[1]);
    if (ctx.needs_input_grad(1)) out[1] = clew::matmul(g.t(), saved[0]);
    if (ctx.needs_input_grad(2)) out[2] = g.sum({0});
    return out;
  }
};

void require(bool ok, const char* what) {
  if (ok) return;
  std::fprintf(stderr, "expected %s\n", what);
  std::exit(1);
}

}  // namespace

int main() {
  clew::manual_seed(0);
  const auto options = clew::TensorOptions(clew::kDouble).requires_grad(true);
  const Tensor x = clew::randn({4, 3}, std::nullopt, options), w = clew::randn({2, 3}, std::nullopt, options),
               b = clew::randn({2}, std::nullopt, options);

  // What the tape finds by itself...
  const Tensor plain = (clew::matmul(x, w.t()) + b) * 2.0;
  const TensorList want = clew::autograd::grad({clew::sum(plain * plain)}, {x, w, b});
  // ... and by the function's own backward.
  const Tensor y = ScaledLinear::apply(x, w, std::optional<Tensor>(b), 2.0);
  const TensorList got = clew::autograd::grad({clew::sum(y * y)}, {x, w, b});
  for (size_t i = 0; i < want.size(); ++i)
    require(clew::max(clew::abs(want[i] - got[i])).item<double>() < 1e-12, "the gradient of the plain ops");

  // First and second derivatives against finite differences; an empty string means that all agree.
  const auto f = [](const TensorList& in) {
    return TensorList{ScaledLinear::apply(in[0], in[1], std::optional<Tensor>(in[2]), 2.0)};
  };
  const std::string found = clew::autograd::gradcheck(f, {x, w, b}, {.check_second = true});
  require(found.empty(), found.c_str());

  std::puts("all agree");
}
