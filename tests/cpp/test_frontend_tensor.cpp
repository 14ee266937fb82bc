// The C++ frontend of tensors: numbers beside tensors, operators, memory from outside, accessors, printing.
#include <catch2/catch.hpp>
#include <numeric>
#include <sstream>

#include "clew/clew.h"

using namespace clew;

namespace {
std::vector<double> values(const Tensor& t) {
  const Tensor d = t.detach().to(kDouble).contiguous();
  return {d.data<double>(), d.data<double>() + d.numel()};
}
using Values = std::vector<double>;
}  // namespace

TEST_CASE("numbers stand for tensors", "[frontend]") {
  const Tensor x = tensor({1.0, 2.0, 4.0}), y = ones({3});
  x.mul_(2);
  CHECK(values(x) == Values{2, 4, 8});
  x.add_(y, 0.5);
  CHECK(values(x) == Values{2.5, 4.5, 8.5});
  x.add_(1, 2).sub_(0.5);
  CHECK(values(x) == Values{4, 6, 10});
  CHECK(values(x.div(4, "floor")) == Values{1, 1, 2});
  CHECK(values(pow(x, 2)) == Values{16, 36, 100});
  CHECK(values(pow(2, tensor({1.0, 3.0}))) == Values{2, 8});
  CHECK(values(maximum(x, 5)) == Values{5, 6, 10});
  CHECK(values(where(x > 5, x, 0.0)) == Values{0, 6, 10});
  CHECK(values(x.lerp(y, 0.5)) == Values{2.5, 3.5, 5.5});
  CHECK(values(x.masked_fill(x > 5, -1)) == Values{4, -1, -1});
  CHECK(values(x.eq(6)) == Values{0, 1, 0});
  // A number does not widen its category; a floating one makes integers floating.
  const Tensor whole = tensor({1, 2}).to(kInt32);
  CHECK(mul(whole, 2).dtype() == kInt32);
  CHECK(mul(whole, 2.0).dtype() == kFloat);
  CHECK(mul(y.to(kHalf), 2.0).dtype() == kHalf);
  CHECK_THROWS_AS(whole.mul_(0.5), DTypeError);
  // Gradients pass, as for a number in an operator.
  const Tensor w = ones({2}).set_requires_grad(true);
  mul(w, 3).pow(2).sum().backward();
  CHECK(values(w.grad()) == Values{18, 18});
}

TEST_CASE("an integer stands for a list of one", "[frontend]") {
  const Tensor x = arange(24).to(kFloat).reshape({2, 3, 4});
  CHECK(x.sum(1).sizes() == IntArrayRef({2, 4}));
  CHECK(x.mean(-1, true).sizes() == IntArrayRef({2, 3, 1}));
  CHECK(sum(x, 0).sizes() == IntArrayRef({3, 4}));
  CHECK(x.view(-1).sizes() == IntArrayRef({24}));
  CHECK(x.amax(0).sizes() == IntArrayRef({3, 4}));
  CHECK(x.squeeze(0).sizes() == x.sizes());
  // Not mistaken for "unbiased".
  CHECK(x.std(1).sizes() == IntArrayRef({2, 4}));
  CHECK(x.std(true).dim() == 0);
  const Tensor image = x.reshape({1, 2, 3, 4});
  CHECK(max_pool2d(image, 2).sizes() == IntArrayRef({1, 2, 1, 2}));
  CHECK(conv2d(image, ones({1, 2, 3, 3}), std::nullopt, 1, 1).sizes() == IntArrayRef({1, 1, 3, 4}));
}

TEST_CASE("operators", "[frontend]") {
  Tensor x = tensor({1.0, 2.0});
  const Tensor same = x;
  x += 1;
  x -= tensor({0.5, 0.5});
  x *= 2;
  x /= 1.5;
  CHECK(values(same) == Values{2, values(same)[1]});
  CHECK(x.is_same(same));
  CHECK(values(1 - tensor({1.0, 3.0})) == Values{0, -2});
  CHECK(values(6 / tensor({2.0, 3.0})) == Values{3, 2});
  CHECK(values(7 % tensor({4, 5})) == Values{3, 2});
  CHECK(values(3 > tensor({2, 3})) == Values{1, 0});
  CHECK(values(~(tensor({1, 2}) == 1)) == Values{0, 1});
  Tensor bits = tensor({6, 3});
  bits &= 5;
  bits |= 8;
  bits ^= 1;
  CHECK(values(bits) == Values{13, 8});
  const Tensor w = ones({1}).set_requires_grad(true);
  CHECK_THROWS_AS(w += 1, AutogradError);
}

TEST_CASE("tensors from numbers", "[frontend]") {
  CHECK(tensor({{1, 2, 3}, {4, 5, 6}}).sizes() == IntArrayRef({2, 3}));
  CHECK(tensor({{1, 2}, {3, 4}}).dtype() == kInt64);
  CHECK(tensor(std::vector<double>{1, 2}, kDouble).dtype() == kDouble);
  CHECK_THROWS_AS(tensor({{1, 2}, {3}}), ShapeError);
  const Tensor x = tensor({1.0}, kDouble);
  CHECK(x.new_zeros({2, 2}).dtype() == kDouble);
  CHECK(values(x.new_full({2}, 3)) == Values{3, 3});
  CHECK(x.new_ones({2}, kLong).dtype() == kInt64);
  CHECK(x.to(kCPU).is_same(x));
  CHECK(x.element_size() == 8);
}

TEST_CASE("memory from outside", "[frontend]") {
  std::vector<float> memory(6);
  std::iota(memory.begin(), memory.end(), 0.0f);
  void* freed = nullptr;
  {
    Tensor part;
    {
      const Tensor x = from_blob(memory.data(), {2, 3}, [&](void* p) { freed = p; });
      x.mul_(2);
      part = x.select(0, 1);
    }
    CHECK(freed == nullptr);  // a view still holds it
    CHECK(values(part) == Values{6, 8, 10});
  }
  CHECK(freed == memory.data());
  CHECK(memory[5] == 10);
  CHECK(values(from_blob(memory.data(), {3, 2}, {1, 3})) == Values{0, 6, 2, 8, 4, 10});
  const Tensor leaf = from_blob(memory.data(), {6}, TensorOptions(kFloat).requires_grad());
  CHECK(leaf.is_leaf());
  CHECK(leaf.requires_grad());
  std::vector<int64_t> whole{1, 2};
  CHECK(sum(from_blob(whole.data(), {2}, kInt64)).item<int64_t>() == 3);
  CHECK(from_blob(nullptr, {0, 3}).numel() == 0);
  CHECK_THROWS_AS(from_blob(nullptr, {1}), ShapeError);
  CHECK_THROWS_AS(from_blob(memory.data(), {-1}), ShapeError);
  CHECK_THROWS_AS(from_blob(memory.data(), {2, 3}, {1}), ShapeError);
}

TEST_CASE("accessors", "[frontend]") {
  const Tensor x = arange(12).to(kFloat).reshape({3, 4}).t();
  const auto a = x.accessor<float, 2>();
  CHECK(a.size(0) == 4);
  CHECK(a[3][2] == 11);
  a[0][1] = -4;
  CHECK(x.index({0, 1}).item<double>() == -4);
  const auto row = a[1];
  CHECK(row[2] == 9);
  CHECK_THROWS_AS((x.accessor<float, 1>()), ShapeError);
  CHECK_THROWS_AS((x.accessor<double, 2>()), DTypeError);
}

TEST_CASE("guards and printing", "[frontend]") {
  const Tensor w = ones({2}).set_requires_grad(true);
  {
    const NoGradGuard guard;
    CHECK_FALSE((w * 2).requires_grad());
    const AutoGradMode on(true);
    CHECK((w * 2).requires_grad());
  }
  {
    const InferenceMode guard;
    CHECK_FALSE((w * 2).requires_grad());
  }
  CHECK((w * 2).requires_grad());
  std::ostringstream out;
  out << tensor({{1.0, 2.5}, {3.0, 4.0}}) << " " << kFloat << " " << Device("cuda:1") << " " << Scalar(2);
  CHECK(
      out.str() ==
      "tensor([[1.0000, 2.5000],\n        [3.0000, 4.0000]], shape=(2, 2), dtype=float32) float32 cuda:1 2");
}
