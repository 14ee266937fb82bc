// Factorisations of batches of matrices by LAPACK, one matrix at a time, batches over threads.
//
// A row-major matrix read column by column is its transpose. Where the problem allows it the transpose is
// handed over as it is; right-hand sides are transposed in and out.
#include <algorithm>
#include <climits>
#include <cmath>
#include <type_traits>
#include <vector>

#include "clew/core/parallel.h"
#include "cpu/copy.h"
#include "cpu/lapack.h"
#include "registry/slots.h"

namespace clew {
namespace cpu {
namespace {

constexpr DTypeSet kWide = dtype_set(DType::Float32, DType::Float64);

/// Rows and columns of the last two dimensions, and how many matrices there are.
struct Batch {
  int64_t rows, columns, count;
  explicit Batch(const Tensor& t)
      : rows(t.sizes()[t.sizes().size() - 2]), columns(t.sizes().back()), count(1) {
    for (size_t i = 0; i + 2 < t.sizes().size(); ++i) count *= t.sizes()[i];
  }
  int64_t size() const { return rows * columns; }
};

int narrow(const char* op, int64_t n) {
  CLEW_CHECK(n <= INT_MAX, ValueError, op, ": expected sizes that fit in 32 bits, got ", n);
  return static_cast<int>(n);
}

/// Calls `body(i)`, which returns LAPACK's info, for each matrix; raises LinAlgError for the first that
/// failed.
template <class Body>
void for_matrices(const char* op, const char* failure, int64_t count, int64_t cost, Body&& body) {
  [[maybe_unused]] static const bool one_thread = (CLEW_BLAS(openblas_set_num_threads)(1), true);
  std::vector<int> info(static_cast<size_t>(count), 0);
  parallel_for(0, count, std::max<int64_t>(1, kGrainMemory / std::max<int64_t>(cost, 1)),
               [&](int64_t b, int64_t e) {
                 for (int64_t i = b; i < e; ++i) info[static_cast<size_t>(i)] = body(i);
               });
  for (size_t i = 0; i < info.size(); ++i) {
    if (info[i] == 0) continue;
    CLEW_ASSERT(info[i] > 0);
    if (count == 1) detail::raise<LinAlgError>(op, ": expected ", failure, " (at row ", info[i] - 1, ")");
    detail::raise<LinAlgError>(op, ": expected ", failure, " (batch entry ", i, ", at row ", info[i] - 1,
                               ")");
  }
}

/// out (columns, rows) = the transpose of in (rows, columns).
template <class T>
void transpose(T* out, const T* in, int64_t rows, int64_t columns) {
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j) out[j * rows + i] = in[i * columns + j];
}

constexpr const char* kSingular = "an invertible matrix, got a singular one";

void solve_cpu(Tensor& out, const Tensor& input, const Tensor& other) {
  if (out.numel() == 0) return;
  const Batch a(input), b(other);
  const int n = narrow("linalg.solve", a.rows), k = narrow("linalg.solve", b.columns);
  clew::dispatch<kWide>(out.dtype(), [&]<class T>() {
    for_matrices("linalg.solve", kSingular, a.count, a.size() * a.rows, [&](int64_t i) {
      std::vector<T> lu(input.data<T>() + i * a.size(), input.data<T>() + (i + 1) * a.size());
      std::vector<T> x(static_cast<size_t>(b.size()));
      std::vector<int> pivots(static_cast<size_t>(n));
      transpose(x.data(), other.data<T>() + i * b.size(), b.rows, b.columns);
      int info = 0;
      lapack::getrf<T>(&n, &n, lu.data(), &n, pivots.data(), &info);
      if (info != 0) return info;
      lapack::getrs<T>("T", &n, &k, lu.data(), &n, pivots.data(), x.data(), &n, &info, size_t{1});
      transpose(out.data<T>() + i * b.size(), x.data(), b.columns, b.rows);
      return info;
    });
  });
}

void inv_cpu(Tensor& out, const Tensor& input) {
  if (out.numel() == 0) return;
  const Batch a(input);
  const int n = narrow("linalg.inv", a.rows);
  copy_tensor(out, input);
  clew::dispatch<kWide>(out.dtype(), [&]<class T>() {
    for_matrices("linalg.inv", kSingular, a.count, a.size() * a.rows, [&](int64_t i) {
      T* const x = out.data<T>() + i * a.size();
      std::vector<int> pivots(static_cast<size_t>(n));
      int info = 0, room = -1;
      lapack::getrf<T>(&n, &n, x, &n, pivots.data(), &info);
      if (info != 0) return info;
      T best = 0;
      lapack::getri<T>(&n, x, &n, pivots.data(), &best, &room, &info);
      room = std::max(static_cast<int>(best), n);
      std::vector<T> work(static_cast<size_t>(room));
      lapack::getri<T>(&n, x, &n, pivots.data(), work.data(), &room, &info);
      return info;
    });
  });
}

/// Factors a copy of each matrix and hands the diagonal of U, one entry at a time with the sign of its row
/// swap.
template <class T, class Start, class Entry>
void by_pivots(const char* op, const Tensor& input, Start&& start, Entry&& entry) {
  const Batch a(input);
  const int n = narrow(op, a.rows);
  for_matrices(op, "", a.count, a.size() * a.rows, [&](int64_t i) {
    start(i);
    if (n == 0) return 0;
    std::vector<T> lu(input.data<T>() + i * a.size(), input.data<T>() + (i + 1) * a.size());
    std::vector<int> pivots(static_cast<size_t>(n));
    int info = 0;
    lapack::getrf<T>(&n, &n, lu.data(), &n, pivots.data(), &info);
    CLEW_ASSERT(info >= 0);  // > 0: a zero on the diagonal, which is a value like others here
    for (int j = 0; j < n; ++j)
      entry(i, pivots[static_cast<size_t>(j)] == j + 1
                   ? lu[static_cast<size_t>(j) * (static_cast<size_t>(n) + 1)]
                   : -lu[static_cast<size_t>(j) * (static_cast<size_t>(n) + 1)]);
    return 0;
  });
}

void det_cpu(Tensor& out, const Tensor& input) {
  clew::dispatch<kWide>(out.dtype(), [&]<class T>() {
    T* const o = out.data<T>();
    by_pivots<T>("linalg.det", input, [o](int64_t i) { o[i] = 1; }, [o](int64_t i, T u) { o[i] *= u; });
  });
}

void slogdet_cpu(Tensor2& out, const Tensor& input) {
  clew::dispatch<kWide>(input.dtype(), [&]<class T>() {
    T* const sign = std::get<0>(out).template data<T>();
    T* const log = std::get<1>(out).template data<T>();
    by_pivots<T>(
        "linalg.slogdet", input,
        [=](int64_t i) {
          sign[i] = 1;
          log[i] = 0;
        },
        [=](int64_t i, T u) {
          sign[i] *= u > 0 ? T(1) : u < 0 ? T(-1) : u;
          log[i] += std::log(std::abs(u));
        });
  });
}

void cholesky_cpu(Tensor& out, const Tensor& input, bool upper) {
  if (out.numel() == 0) return;
  const Batch a(input);
  const int n = narrow("linalg.cholesky", a.rows);
  copy_tensor(out, input);
  clew::dispatch<kWide>(out.dtype(), [&]<class T>() {
    for_matrices("linalg.cholesky", "a positive definite matrix, got another", a.count, a.size() * a.rows,
                 [&](int64_t i) {
                   T* const x = out.data<T>() + i * a.size();
                   int info = 0;
                   lapack::potrf<T>(upper ? "L" : "U", &n, x, &n, &info, size_t{1});
                   for (int64_t r = 0; r < n; ++r) {
                     for (int64_t c = upper ? 0 : r + 1; c < (upper ? r : n); ++c) x[r * n + c] = 0;
                   }
                   return info;
                 });
  });
}

void solve_triangular_cpu(Tensor& out, const Tensor& input, const Tensor& other, bool upper, bool left,
                          bool unitriangular) {
  if (out.numel() == 0) return;
  const Batch a(input), b(other);
  const int n = narrow("linalg.solve_triangular", a.rows);
  const int k = narrow("linalg.solve_triangular", left ? b.columns : b.rows);
  clew::dispatch<kWide>(out.dtype(), [&]<class T>() {
    for_matrices("linalg.solve_triangular", kSingular, a.count, a.size() * k, [&](int64_t i) {
      const T* const m = input.data<T>() + i * a.size();
      T* const o = out.data<T>() + i * b.size();
      std::vector<T> x(static_cast<size_t>(left ? b.size() : 0));
      T* rhs = left ? x.data() : o;
      if (left) {
        transpose(rhs, other.data<T>() + i * b.size(), b.rows, b.columns);
      } else {
        std::copy_n(other.data<T>() + i * b.size(), b.size(), rhs);
      }
      int info = 0;
      lapack::trtrs<T>(upper ? "L" : "U", left ? "T" : "N", unitriangular ? "U" : "N", &n, &k, m, &n, rhs, &n,
                       &info, size_t{1}, size_t{1}, size_t{1});
      if (left) transpose(o, rhs, b.columns, b.rows);
      return info;
    });
  });
}

void qr_cpu(Tensor2& out, const Tensor& input, std::string_view mode) {
  const Tensor& q = std::get<0>(out);
  const Tensor& r = std::get<1>(out);
  const Batch a(input), of_q(q), of_r(r);
  const int m = narrow("linalg.qr", a.rows), n = narrow("linalg.qr", a.columns), k = std::min(m, n);
  const bool wants_q = mode != "r";
  const int q_columns = mode == "complete" ? m : k;
  clew::dispatch<kWide>(input.dtype(), [&]<class T>() {
    for_matrices("linalg.qr", "", a.count, a.size() * k, [&](int64_t i) {
      std::vector<T> x(static_cast<size_t>(m) * static_cast<size_t>(std::max(n, wants_q ? q_columns : 0)));
      transpose(x.data(), input.data<T>() + i * a.size(), a.rows, a.columns);
      std::vector<T> tau(static_cast<size_t>(std::max(k, 1)));
      int info = 0;
      auto with_room = [&](auto&& call) {
        T best = 0;
        int room = -1;
        call(&best, &room);
        room = std::max(static_cast<int>(best), std::max({m, n, 1}));
        std::vector<T> work(static_cast<size_t>(room));
        call(work.data(), &room);
      };
      if (k > 0)
        with_room([&](T* work, int* room) {
          lapack::geqrf<T>(&m, &n, x.data(), &m, tau.data(), work, room, &info);
        });
      T* const ro = r.data<T>() + i * of_r.size();
      for (int64_t row = 0; row < of_r.rows; ++row)
        for (int64_t c = 0; c < n; ++c)
          ro[row * n + c] = c >= row && row < k ? x[static_cast<size_t>(c * m + row)] : T(0);
      if (!wants_q || of_q.size() == 0) return 0;
      const int reflectors = k;
      if (k > 0) {
        with_room([&](T* work, int* room) {
          lapack::orgqr<T>(&m, &q_columns, &reflectors, x.data(), &m, tau.data(), work, room, &info);
        });
        transpose(q.data<T>() + i * of_q.size(), x.data(), q_columns, m);
      } else {
        T* const qo = q.data<T>() + i * of_q.size();
        for (int64_t row = 0; row < of_q.rows; ++row)
          for (int64_t c = 0; c < of_q.columns; ++c) qo[row * of_q.columns + c] = row == c ? T(1) : T(0);
      }
      return 0;
    });
  });
}

template <class T>
void check_finite(const char* op, const Tensor& input) {
  const T* x = input.data<T>();
  bool finite = true;
  for (int64_t i = 0; i < input.numel(); ++i) finite = finite && std::isfinite(x[i]);
  CLEW_CHECK(finite, LinAlgError, op,
             ": expected finite values, got nan or inf (the algorithm would not converge)");
}

void eigh_cpu(Tensor2& out, const Tensor& input, std::string_view uplo) {
  const Tensor& w = std::get<0>(out);
  const Tensor& v = std::get<1>(out);
  if (v.numel() == 0) return;
  const Batch a(input);
  const int n = narrow("linalg.eigh", a.rows);
  clew::dispatch<kWide>(input.dtype(), [&]<class T>() {
    check_finite<T>("linalg.eigh", input);
    for_matrices("linalg.eigh", "a matrix whose eigenvalues converge, got another", a.count,
                 a.size() * a.rows * 4, [&](int64_t i) {
                   std::vector<T> x(input.data<T>() + i * a.size(), input.data<T>() + (i + 1) * a.size());
                   T best = 0;
                   int best_int = 0, room = -1, room_int = -1, info = 0;
                   auto call = [&](T* work, int* iwork) {
                     lapack::syevd<T>("V", uplo == "L" || uplo == "l" ? "U" : "L", &n, x.data(), &n,
                                      w.data<T>() + i * n, work, &room, iwork, &room_int, &info, size_t{1},
                                      size_t{1});
                   };
                   call(&best, &best_int);
                   room = static_cast<int>(best);
                   room_int = best_int;
                   std::vector<T> work(static_cast<size_t>(room));
                   std::vector<int> iwork(static_cast<size_t>(room_int));
                   call(work.data(), iwork.data());
                   transpose(v.data<T>() + i * a.size(), x.data(), n, n);
                   return info;
                 });
  });
}

void svd_cpu(Tensor3& out, const Tensor& input, bool full_matrices) {
  const Tensor& u = std::get<0>(out);
  const Tensor& s = std::get<1>(out);
  const Tensor& vh = std::get<2>(out);
  const Batch a(input), of_u(u), of_v(vh);
  const int m = narrow("linalg.svd", a.rows), n = narrow("linalg.svd", a.columns), k = std::min(m, n);
  clew::dispatch<kWide>(input.dtype(), [&]<class T>() {
    if (k == 0) {
      auto identity = [](const Tensor& t, const Batch& b) {
        for (int64_t i = 0; i < t.numel(); ++i)
          t.data<T>()[i] = i / b.columns % b.rows == i % b.columns ? T(1) : T(0);
      };
      identity(u, of_u);
      identity(vh, of_v);
      return;
    }
    check_finite<T>("linalg.svd", input);
    // The transpose has the same values and U and V change places, which lands both in rows.
    for_matrices("linalg.svd", "a matrix whose singular values converge, got another", a.count,
                 a.size() * k * 4, [&](int64_t i) {
                   std::vector<T> x(input.data<T>() + i * a.size(), input.data<T>() + (i + 1) * a.size());
                   const int u_columns = static_cast<int>(of_u.columns);
                   std::vector<int> iwork(static_cast<size_t>(8) * static_cast<size_t>(k));
                   T best = 0;
                   int room = -1, info = 0;
                   auto call = [&](T* work) {
                     lapack::gesdd<T>(full_matrices ? "A" : "S", &n, &m, x.data(), &n, s.data<T>() + i * k,
                                      vh.data<T>() + i * of_v.size(), &n, u.data<T>() + i * of_u.size(),
                                      &u_columns, work, &room, iwork.data(), &info, size_t{1});
                   };
                   call(&best);
                   room = static_cast<int>(best) + 1;
                   std::vector<T> work(static_cast<size_t>(room));
                   call(work.data());
                   return info;
                 });
  });
}

}  // namespace
}  // namespace cpu

using namespace cpu;
CLEW_CPU_KERNEL(linalg_solve_batch, solve_cpu);
CLEW_CPU_KERNEL(linalg_inv, inv_cpu);
CLEW_CPU_KERNEL(linalg_det, det_cpu);
CLEW_CPU_KERNEL(linalg_slogdet, slogdet_cpu);
CLEW_CPU_KERNEL(linalg_cholesky, cholesky_cpu);
CLEW_CPU_KERNEL(linalg_solve_triangular, solve_triangular_cpu);
CLEW_CPU_KERNEL(linalg_qr, qr_cpu);
CLEW_CPU_KERNEL(linalg_eigh, eigh_cpu);
CLEW_CPU_KERNEL(linalg_svd, svd_cpu);

}  // namespace clew
