// Custom functions in C++: what Function<T> promises.
#include <stdexcept>

#include <catch2/catch.hpp>

#include "clew/autograd/autograd.h"
#include "clew/autograd/function.h"
#include "clew/core/memory.h"
#include "clew/ops/ops.h"

using namespace clew;
using autograd::Function;

namespace {

Tensor leaf(IntArrayRef sizes, uint64_t seed = 1) {
  Generator g(seed);
  return randn(sizes, g, TensorOptions(kDouble)).set_requires_grad(true);
}

std::string check(const autograd::TensorFunction& f, const TensorList& inputs, bool second = true) {
  return autograd::gradcheck(f, inputs, {.check_second = second});
}

struct Cube : Function<Cube> {
  static Tensor forward(Context& ctx, const Tensor& x) {
    ctx.save_for_backward({x});
    return x * x * x;
  }
  static TensorList backward(Context& ctx, const TensorList& g) {
    const Tensor x = ctx.saved_tensors()[0];
    return {g[0] * 3 * x * x};
  }
};

// Keeps its result instead of its argument.
struct Exp : Function<Exp> {
  static Tensor forward(Context& ctx, const Tensor& x) {
    const Tensor y = exp(x);
    ctx.save_for_backward({y});
    return y;
  }
  static TensorList backward(Context& ctx, const TensorList& g) { return {g[0] * ctx.saved_tensors()[0]}; }
};

// Tensors, an optional one, a list and plain values in one call; two results.
struct Mixed : Function<Mixed> {
  static Tensor2 forward(Context& ctx, double scale, const Tensor& x, const std::optional<Tensor>& bias,
                         TensorListRef terms, const std::string& mode) {
    ctx.saved_data["scale"] = scale;
    ctx.saved_data["terms"] = static_cast<int64_t>(terms.size());
    ctx.saved_data["mode"] = std::string_view(mode);
    Tensor y = x * scale;
    if (bias) y = y + *bias;
    Tensor sum = zeros_like(x);
    for (const Tensor& t : terms) sum = sum + t;
    ctx.save_for_backward({x, bias.value_or(Tensor())});
    return {y, sum * x};
  }
  static TensorList backward(Context& ctx, const TensorList& g) {
    REQUIRE(ctx.saved_data["mode"].to<std::string_view>() == "both");
    const TensorList saved = ctx.saved_tensors();
    const double scale = ctx.saved_data["scale"].to<double>();
    const auto terms = static_cast<size_t>(ctx.saved_data["terms"].to<int64_t>());
    // The sum of the terms is the second result divided by x; here it is enough that each gets g * x.
    TensorList out{Tensor(), g[0] * scale, saved[1].defined() ? g[0] : Tensor()};
    for (size_t i = 0; i < terms; ++i) out.push_back(g[1] * saved[0]);
    out.emplace_back();
    return out;
  }
};

struct Broken : Function<Broken> {
  static Tensor forward(Context& ctx, const Tensor& x, const Tensor& y, int64_t mode) {
    ctx.saved_data["mode"] = mode;
    return x * y;
  }
  static TensorList backward(Context& ctx, const TensorList& g) {
    switch (ctx.saved_data["mode"].to<int64_t>()) {
      case 0:
        return {g[0]};
      case 1:
        return {g[0], ones({7}, TensorOptions(kDouble)), Tensor()};
      case 2:
        return {g[0], g[0], g[0]};
      case 3:
        throw std::domain_error("of my own");
      default:
        return {g[0] * 2, g[0], Tensor()};
    }
  }
};

struct DoubleInPlace : Function<DoubleInPlace> {
  static Tensor2 forward(Context& ctx, const Tensor& other, const Tensor& x) {
    x.mul_(weak_scalar_tensor(2));
    ctx.mark_dirty({x});
    return {other * 3, x};
  }
  static TensorList backward(Context&, const TensorList& g) { return {g[0] * 3, g[1] * 2}; }
};

struct Parts : Function<Parts> {
  static TensorList forward(Context& ctx, const Tensor& x, bool materialize) {
    const Tensor sign_of_x = sign(x), y = x * 2, z = x * 3;
    ctx.mark_non_differentiable({sign_of_x});
    ctx.set_materialize_grads(materialize);
    ctx.saved_data["materialize"] = materialize;
    return {y, sign_of_x, z};
  }
  static TensorList backward(Context& ctx, const TensorList& g) {
    REQUIRE(g[2].defined() == ctx.saved_data["materialize"].to<bool>());
    return {g[2].defined() ? g[0] * 2 + g[2] * 3 : g[0] * 2, Tensor()};
  }
};

struct Once : Function<Once> {
  static constexpr bool once_differentiable = true;
  static Tensor forward(Context& ctx, const Tensor& x) {
    ctx.save_for_backward({x});
    return x * x;
  }
  static TensorList backward(Context& ctx, const TensorList& g) {
    REQUIRE(!is_grad_enabled());
    return {g[0] * 2 * ctx.saved_tensors()[0]};
  }
};

// Keeps tensors by name: an argument, its result, and a list.
struct Named : Function<Named> {
  static Tensor forward(Context& ctx, const Tensor& x, const Tensor& y) {
    const Tensor z = exp(x) * y;
    ctx.save_for_backward({y});
    ctx.saved_data["x"] = x;
    ctx.saved_data["result"] = z;
    ctx.saved_data["both"] = TensorList{x, y};
    return z;
  }
  static TensorList backward(Context& ctx, const TensorList& g) {
    REQUIRE(ctx.saved_tensors().size() == 1);
    const TensorList both = ctx.saved_data["both"].to<TensorList>();
    return {g[0] * ctx.saved_data["result"].tensor(),
            g[0] * exp(ctx.saved_data["x"].tensor()) * both[1] / both[1]};
  }
};

struct HandsBack : Function<HandsBack> {
  static Tensor forward(Context&, const Tensor& x) { return x; }
  static TensorList backward(Context&, const TensorList& g) { return {g[0] * 5}; }
};

template <class E, class F>
std::string message(F&& f) {
  try {
    f();
  } catch (const E& e) {
    return e.what();
  }
  return "nothing was thrown";
}

}  // namespace

TEST_CASE("function: derivatives of first and second order") {
  const auto cube = [](const TensorList& x) { return TensorList{Cube::apply(x[0])}; };
  CHECK(check(cube, {leaf({3, 2})}).empty());
  const auto exponential = [](const TensorList& x) { return TensorList{Exp::apply(x[0])}; };
  CHECK(check(exponential, {leaf({3})}).empty());
}

TEST_CASE("function: tensors, optional tensors, lists and values in any order") {
  const Tensor x = leaf({3}), b = leaf({3}, 2), t = leaf({3}, 3), u = leaf({3}, 4);
  const auto [y, z] = Mixed::apply(2.0, x, std::optional<Tensor>(b), TensorList{t, u}, std::string("both"));
  sum(y + z).backward();
  CHECK(equal(x.grad(), full({3}, 2.0, TensorOptions(kDouble))));
  CHECK(equal(b.grad(), ones({3}, TensorOptions(kDouble))));
  CHECK(equal(t.grad(), x.detach()));
  CHECK(equal(u.grad(), x.detach()));
  const auto [only, rest] = Mixed::apply(2.0, x, std::optional<Tensor>(), TensorList{}, std::string("both"));
  CHECK(autograd::grad({sum(only)}, {x}).size() == 1);
  CHECK(rest.requires_grad());
}

TEST_CASE("function: what backward returns is checked, and the message names function and argument") {
  const Tensor x = leaf({3}), y = leaf({3}, 2);
  const auto run = [&](int64_t mode) { sum(Broken::apply(x, y, mode)).backward(); };
  CHECK_THAT(message<AutogradError>([&] { run(0); }),
             Catch::Contains("Broken.backward: expected 3 gradients, one per argument of forward, got 1"));
  CHECK_THAT(message<ShapeError>([&] { run(1); }),
             Catch::Contains(
                 "Broken.backward: expected a gradient of shape (3,) for argument 1 of forward, got (7,)"));
  CHECK_THAT(
      message<AutogradError>([&] { run(2); }),
      Catch::Contains("Broken.backward: expected no gradient for argument 2 of forward, which is no tensor"));
  const auto wrong = [](const TensorList& in) { return TensorList{Broken::apply(in[0], in[1], int64_t{4})}; };
  CHECK_THAT(check(wrong, {x, y}, false), Catch::Contains("for input 0 of shape (3,), element 0"));
}

TEST_CASE("function: an exception reaches the caller, and the tape is released") {
  const int64_t before = static_cast<int64_t>(cpu_memory_stats().allocated_bytes);
  {
    const Tensor x = leaf({3}), y = leaf({3}, 2);
    CHECK(message<std::domain_error>([&] { sum(Broken::apply(x, y, int64_t{3})).backward(); }) ==
          "of my own");
    CHECK(is_grad_enabled());
    CHECK(!x.grad().defined());
    sum(Cube::apply(x)).backward();
    CHECK(x.grad().defined());
  }
  CHECK(static_cast<int64_t>(cpu_memory_stats().allocated_bytes) == before);
}

TEST_CASE("function: writing in place") {
  const Tensor x = leaf({3}), other = leaf({3}, 2);
  const Tensor h = x * 1;
  const auto [a, b] = DoubleInPlace::apply(other, h);
  CHECK(b.is_same(h));
  sum(a + b * b).backward();
  CHECK(equal(x.grad(), x.detach() * 8));
  CHECK(equal(other.grad(), full({3}, 3.0, TensorOptions(kDouble))));
  CHECK_THAT(message<AutogradError>([&] { DoubleInPlace::apply(other, x); }), Catch::Contains("leaf"));
  // A view: what was written is part of the base's history.
  const Tensor z = leaf({2, 3}, 5);
  const Tensor base = z * 1;
  DoubleInPlace::apply(other, base.select(0, 1));
  sum(base).backward();
  CHECK(equal(z.grad(), tensor({1.0, 1.0, 1.0, 2.0, 2.0, 2.0}, TensorOptions(kDouble)).reshape({2, 3})));
}

TEST_CASE("function: results without gradient, and gradients that did not come") {
  const Tensor x = leaf({3});
  for (const bool materialize : {true, false}) {
    const TensorList out = Parts::apply(x, materialize);
    CHECK(!out[1].requires_grad());
    CHECK(equal(autograd::grad({sum(out[0])}, {x})[0], full({3}, 2.0, TensorOptions(kDouble))));
  }
}

TEST_CASE("function: once differentiable") {
  const Tensor x = leaf({3});
  const Tensor g = autograd::grad({sum(Once::apply(x))}, {x}, {}, false, true)[0];
  CHECK(equal(g.detach(), x.detach() * 2));
  CHECK_THAT(message<AutogradError>([&] { autograd::grad({sum(g)}, {x}); }),
             Catch::Contains("Once.backward: expected to be differentiated once"));
}

TEST_CASE("function: saved tensors that changed, or are gone") {
  const Tensor x = leaf({3});
  const Tensor h = x * 1;
  const Tensor y = sum(Cube::apply(h));
  h.add_(weak_scalar_tensor(1));
  CHECK_THAT(message<AutogradError>([&] { y.backward(); }), Catch::Contains("at version 0, got version 1"));
  const Tensor z = sum(Cube::apply(x));
  z.backward();
  CHECK_THAT(message<AutogradError>([&] { z.backward(); }), Catch::Contains("retain_graph"));
}

TEST_CASE("function: tensors kept by name are checked, differentiated and freed") {
  const auto f = [](const TensorList& in) { return TensorList{Named::apply(in[0], in[1])}; };
  CHECK(check(f, {leaf({3}), leaf({3}, 2)}).empty());
  const auto before = cpu_memory_stats().allocated_bytes;
  {
    const Tensor x = leaf({3}), y = leaf({3}, 2);
    const Tensor h = x * 1;
    const Tensor z = sum(Named::apply(h, y));
    h.add_(1);
    CHECK_THAT(message<AutogradError>([&] { z.backward(); }), Catch::Contains("at version 0, got version 1"));
    const Tensor again = sum(Named::apply(x, y));
    again.backward();
    CHECK_THAT(message<AutogradError>([&] { again.backward(); }), Catch::Contains("retain_graph"));
    Named::apply(x, y);
  }
  CHECK(cpu_memory_stats().allocated_bytes == before);
}

TEST_CASE("function: an argument that is handed back, hooks, no_grad") {
  const Tensor x = leaf({3});
  const Tensor y = HandsBack::apply(x);
  CHECK(!y.is_same(x));
  autograd::register_hook(y, [](const Tensor& g) { return g * 2; });
  sum(y).backward();
  CHECK(equal(x.grad(), full({3}, 10.0, TensorOptions(kDouble))));
  const NoGradGuard guard;
  CHECK(!Cube::apply(x).requires_grad());
}

TEST_CASE("function: a saved result does not keep its node alive") {
  const auto before = cpu_memory_stats().allocated_bytes;
  { const Tensor y = Exp::apply(leaf({100})); }
  CHECK(cpu_memory_stats().allocated_bytes == before);
}
