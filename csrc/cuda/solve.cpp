// Equations and factorisations, through the host: inputs go to the CPU, its LAPACK does the work, results
// come back. Such ops wait for the device. They are rare beside the products around them, and kernels of our
// own for eigenvalues and singular values would be many; cuSOLVER would be one more library to install.
#include <tuple>

#include "clew/dispatch/apply.h"
#include "cuda/copy.h"
#include "cuda/kernels.h"

namespace clew::cuda {
namespace {

Tensor on_host(const Tensor& t) {
  if (!t.defined() || t.is_cpu()) return t;
  const Tensor here = apply_detail::allocate({t.sizes().vec(), t.dtype()}, kCPU);
  Tensor rows = t;
  if (!t.is_contiguous()) {
    rows = new_tensor(t, t.sizes(), t.dtype());
    copy_tensor(rows, t);
  }
  copy(here.raw_data(), kCPU, rows.raw_data(), t.device(), rows.nbytes(), false);
  return here;
}
template <class T>
const T& on_host(const T& argument) {
  return argument;
}

Tensor room_for(const Tensor& out) { return apply_detail::allocate({out.sizes().vec(), out.dtype()}, kCPU); }
void put_back(const Tensor& out, const Tensor& from) {
  copy(out.raw_data(), out.device(), from.raw_data(), kCPU, out.nbytes(), false);
}
template <class... T>
std::tuple<T...> room_for(const std::tuple<T...>& out) {
  return std::apply([](const auto&... t) { return std::tuple<T...>(room_for(t)...); }, out);
}
template <class... T>
void put_back(const std::tuple<T...>& out, const std::tuple<T...>& from) {
  [&]<size_t... I>(std::index_sequence<I...>) {
    (put_back(std::get<I>(out), std::get<I>(from)), ...);
  }(std::index_sequence_for<T...>());
}

template <auto& kSlot, class Signature>
struct ThroughHost;
template <auto& kSlot, class R, class... A>
struct ThroughHost<kSlot, R(A...)> {
  static void run(R& out, A... args) {
    R here = room_for(out);
    kSlot.column[static_cast<int>(DeviceType::CPU)](here, on_host(args)...);
    put_back(out, here);
  }
};

}  // namespace

void register_solve() {
#define CLEW_THROUGH_HOST(id) (ThroughHost<id##_kernel, decltype(signatures::id)>::run)
  CLEW_CUDA_KERNEL(linalg_cholesky, CLEW_THROUGH_HOST(linalg_cholesky));
  CLEW_CUDA_KERNEL(linalg_det, CLEW_THROUGH_HOST(linalg_det));
  CLEW_CUDA_KERNEL(linalg_eigh, CLEW_THROUGH_HOST(linalg_eigh));
  CLEW_CUDA_KERNEL(linalg_inv, CLEW_THROUGH_HOST(linalg_inv));
  CLEW_CUDA_KERNEL(linalg_qr, CLEW_THROUGH_HOST(linalg_qr));
  CLEW_CUDA_KERNEL(linalg_slogdet, CLEW_THROUGH_HOST(linalg_slogdet));
  CLEW_CUDA_KERNEL(linalg_solve_batch, CLEW_THROUGH_HOST(linalg_solve_batch));
  CLEW_CUDA_KERNEL(linalg_solve_triangular, CLEW_THROUGH_HOST(linalg_solve_triangular));
  CLEW_CUDA_KERNEL(linalg_svd, CLEW_THROUGH_HOST(linalg_svd));
#undef CLEW_THROUGH_HOST
}

}  // namespace clew::cuda
