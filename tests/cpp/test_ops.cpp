// Ops from C++: braced lists, overloads, names that have no `.def` line.
#include <catch2/catch.hpp>

#include "clew/ops/ops.h"

using namespace clew;  // NOLINT(google-build-using-namespace)

TEST_CASE("a braced list of dims is enough", "[ops]") {
  const Tensor x = reshape(arange(6, TensorOptions(kFloat64)), {2, 3});
  CHECK(equal(clew::sum(x, {0}), tensor({3.0, 5.0, 7.0}, TensorOptions(kFloat64))));
  CHECK(clew::sum(x, {0, 1}).item<double>() == 15);
  CHECK(clew::mean(x, {1}, true).shape() == IntArrayRef{2, 1});
  CHECK(x.sum({1}).shape() == IntArrayRef{2});
  CHECK(permute(x, {1, 0}).shape() == IntArrayRef{3, 2});
  CHECK(clew::var(x, {0}, 0).shape() == IntArrayRef{3});
  CHECK(all(x >= 0, {0, 1}).item<bool>());
}

TEST_CASE("aliases, overloads and view ops in place", "[ops]") {
  Tensor x = tensor({-1.0, 5.0});
  CHECK(equal(clip(x, 0, 2), clamp(x, 0, 2)));
  CHECK(equal(clamp(x, tensor({0.0, 0.0}), tensor({2.0, 2.0})), clamp(x, 0, 2)));
  CHECK(norm(tensor({3.0, 4.0})).item<double>() == 5);
  CHECK(norm(tensor({3.0, -4.0}), 1).item<double>() == 7);
  CHECK(allclose(x, x + 1e-9));
  unsqueeze_(x, 0);
  CHECK(x.shape() == IntArrayRef{1, 2});
  t_(x);
  CHECK(x.shape() == IntArrayRef{2, 1});
  squeeze_(x);
  CHECK(x.shape() == IntArrayRef{2});
  bernoulli_(x, 1.0);
  CHECK(equal(x, ones({2})));
  CHECK(equal(normal(tensor({1.0, 2.0}), zeros({2})), tensor({1.0, 2.0})));
  CHECK(equal(einsum("ij,j->i", TensorList{ones({2, 3}), ones({3})}), full({2}, 3.0)));
  CHECK_THROWS_AS(linalg_inv(zeros({2, 2})), LinAlgError);
}
