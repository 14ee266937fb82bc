// What cuBLASLt is asked for, carried out by plain loops in its own column-major terms.
#include <catch2/catch.hpp>
#include <random>
#include <vector>

#include "cuda/matmul_key.h"

using clew::DType;
using clew::cuda::Gemm;
using clew::cuda::library_matmul;
using clew::cuda::LibraryMatmul;
using clew::cuda::MatmulKeyHash;

namespace {

/// D = op(A) op(B) + bias by row, all column-major.
void carry_out(const LibraryMatmul& call, double* d, const double* bias) {
  const auto& k = call.key;
  const auto* a = static_cast<const double*>(call.a);
  const auto* b = static_cast<const double*>(call.b);
  for (int64_t n = 0; n < k.batch; ++n) {
    for (int64_t i = 0; i < k.rows; ++i) {
      for (int64_t j = 0; j < k.columns; ++j) {
        double sum = bias != nullptr ? bias[i] : 0;
        for (int64_t p = 0; p < k.depth; ++p)
          sum += a[n * k.stride_a + (k.transpose_a != 0 ? p + i * k.lda : i + p * k.lda)] *
                 b[n * k.stride_b + (k.transpose_b != 0 ? j + p * k.ldb : p + j * k.ldb)];
        d[n * k.stride_d + i + j * k.ldd] = sum;
      }
    }
  }
}

Gemm gemm_of(int64_t batch, int64_t m, int64_t n, int64_t k, Gemm::Operand a, Gemm::Operand b, void* c) {
  return {a, b, c, n, m * n, batch, m, n, k, 1, 0, 1, 0};
}

}  // namespace

TEST_CASE("products as cuBLASLt takes them", "[cuda]") {
  std::mt19937 random(3);
  std::uniform_int_distribution<int64_t> size(1, 5), coin(0, 1);
  std::uniform_real_distribution<double> value(-1, 1);
  int taken = 0;
  for (int round = 0; round < 500; ++round) {
    const int64_t batch = size(random) % 3 + 1, m = size(random), n = size(random), k = size(random);
    // Rows or columns side by side, with gaps now and then.
    const auto operand = [&](int64_t rows, int64_t columns, const double* data) -> Gemm::Operand {
      const int64_t gap = coin(random) * 2;
      return coin(random) != 0 ? Gemm::Operand{data, columns + gap, 1, 70}
                               : Gemm::Operand{data, 1, rows + gap, coin(random) * 70};
    };
    std::vector<double> x(300), y(300), got(200, 7), want(200, 7), bias(5);
    for (auto* v : {&x, &y, &bias}) {
      for (double& e : *v) e = value(random);
    }
    const Gemm g = gemm_of(batch, m, n, k, operand(m, k, x.data()), operand(k, n, y.data()), got.data());
    const double* b = coin(random) != 0 ? bias.data() : nullptr;
    const auto call = library_matmul(DType::Float64, g, b, true, 0);
    REQUIRE(call);
    ++taken;
    CHECK(call->key.tf32 == 0);
    CHECK((call->key.bias != 0) == (b != nullptr));
    carry_out(*call, got.data(), b);
    for (int64_t z = 0; z < batch; ++z) {
      for (int64_t i = 0; i < m; ++i) {
        for (int64_t j = 0; j < n; ++j) {
          double sum = b != nullptr ? b[j] : 0;
          for (int64_t p = 0; p < k; ++p)
            sum += x[static_cast<size_t>(z * g.a.batch + i * g.a.row + p * g.a.column)] *
                   y[static_cast<size_t>(z * g.b.batch + p * g.b.row + j * g.b.column)];
          want[static_cast<size_t>(z * m * n + i * n + j)] = sum;
        }
      }
    }
    for (size_t i = 0; i < got.size(); ++i) CHECK(got[i] == Approx(want[i]).margin(1e-12));
  }
  CHECK(taken == 500);
}

TEST_CASE("products that cuBLASLt is not asked for", "[cuda]") {
  double x[64] = {};
  const auto ask = [&](DType t, Gemm::Operand a, Gemm::Operand b, int64_t k = 3) {
    return library_matmul(t, gemm_of(1, 2, 4, k, a, b, x), nullptr, true, 1);
  };
  const Gemm::Operand a{x, 3, 1, 0}, b{x, 4, 1, 0};
  REQUIRE(ask(DType::Float32, a, b));
  CHECK(ask(DType::Float32, a, b)->key.tf32 == 1);
  CHECK(ask(DType::Float32, a, b)->key.device == 1);
  CHECK_FALSE(ask(DType::Int64, a, b));
  CHECK_FALSE(ask(DType::Float32, a, b, 0));
  CHECK_FALSE(ask(DType::Float32, {x, 6, 2, 0}, b));   // neither rows nor columns
  CHECK_FALSE(ask(DType::Float32, {x, 0, 1, 0}, b));   // one row for all
  CHECK_FALSE(ask(DType::Float32, {x, -3, 1, 0}, b));  // backwards
  // Keys of other layouts, dtypes and alignments differ, equal ones share their hash.
  const auto key = ask(DType::Float32, a, b)->key;
  CHECK(key == ask(DType::Float32, a, b)->key);
  CHECK(MatmulKeyHash()(key) == MatmulKeyHash()(ask(DType::Float32, a, b)->key));
  CHECK_FALSE(key == ask(DType::BFloat16, a, b)->key);
  CHECK_FALSE(key == ask(DType::Float32, {x, 5, 1, 0}, b)->key);
  CHECK_FALSE(key == ask(DType::Float32, {reinterpret_cast<char*>(x) + 4, 3, 1, 0}, b)->key);
}
