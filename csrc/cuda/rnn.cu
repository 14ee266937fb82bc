// Cells of recurrent layers, one unit of one sequence a thread.
#include "cuda/rnn.h"

#include "cuda/elementwise.cuh"
#include "kernels/cells.h"

namespace clew::cuda {
namespace {

template <class T>
CLEW_HD const T* in(const void* p) {
  return static_cast<const T*>(p);
}

template <class T, CellKind kind>
__global__ void __launch_bounds__(kThreads) cell_kernel(const CellPlan p) {
  const int64_t unit = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x, n = p.hidden;
  if (unit >= p.rows * n) return;
  const int64_t row = unit / n, j = unit - row * n;
  T* h = static_cast<T*>(p.h) + unit;
  T* gates = static_cast<T*>(p.gates) + row * 4 * n + j;
  if constexpr (kind == CellKind::LstmForward) {
    kernels::lstm_forward(gates[0], gates[n], gates[2 * n], gates[3 * n], in<T>(p.c_prev)[unit],
                          static_cast<T*>(p.c)[unit], *h);
  } else if constexpr (kind == CellKind::LstmOutput) {
    *h = kernels::lstm_output(gates[3 * n], in<T>(p.c)[unit]);
  } else if constexpr (kind == CellKind::LstmBackward) {
    T* d = static_cast<T*>(p.dgates) + row * 4 * n + j;
    kernels::lstm_backward(d[0], d[n], d[2 * n], d[3 * n], static_cast<T*>(p.dc)[unit], *h, gates[0],
                           gates[n], gates[2 * n], gates[3 * n], in<T>(p.c_prev)[unit], in<T>(p.c)[unit]);
  } else if constexpr (kind == CellKind::GruForward) {
    const T* x = in<T>(p.x) + row * 3 * n + j;
    const T* y = in<T>(p.y) + row * 3 * n + j;
    const T* bias = in<T>(p.bias) + j;
    const bool biased = p.bias != nullptr;
    T r = y[0], z = y[n], hn = y[2 * n], sum;
    if (biased) {
      r += bias[0];
      z += bias[n];
      hn += bias[2 * n];
    }
    kernels::gru_forward(r, z, sum, hn, x[0], x[n], x[2 * n], in<T>(p.h_prev)[unit], *h);
    gates[0] = r;
    gates[n] = z;
    gates[2 * n] = sum;
    gates[3 * n] = hn;
  } else if constexpr (kind == CellKind::GruBackward) {
    T* dx = static_cast<T*>(p.dgates) + row * 3 * n + j;
    T* dy = static_cast<T*>(p.dgates_h) + row * 3 * n + j;
    kernels::gru_backward(dx[0], dx[n], dx[2 * n], dy[2 * n], *h, gates[0], gates[n], gates[2 * n],
                          gates[3 * n], in<T>(p.h_prev)[unit]);
    dy[0] = dx[0];
    dy[n] = dx[n];
  } else if constexpr (kind == CellKind::Relu) {
    *h = kernels::rnn_relu(*h);
  } else if constexpr (kind == CellKind::Tanh) {
    *h = math::tanh(*h);
  } else if constexpr (kind == CellKind::ReluBackward) {
    static_cast<T*>(p.dgates)[unit] = kernels::rnn_relu_backward(*h, in<T>(p.y)[unit]);
  } else {
    static_cast<T*>(p.dgates)[unit] = kernels::rnn_tanh_backward(*h, in<T>(p.y)[unit]);
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    bias_rows_kernel(T* rows, int64_t numel, int64_t width, const T* a, const T* b) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= numel) return;
  const int64_t j = i % width;
  rows[i] = (a != nullptr ? a[j] : T(0)) + (b != nullptr ? b[j] : T(0));
}

template <class T>
__global__ void __launch_bounds__(kThreads) add_kernel(T* to, const T* from, int64_t numel) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i < numel) to[i] += from[i];
}

unsigned blocks_for(int64_t n) { return static_cast<unsigned>((n + kThreads - 1) / kThreads); }

constexpr DTypeSet kWide = dtype_set(DType::Float32, DType::Float64);

}  // namespace

void run_cell(CellKind kind, DType dtype, const CellPlan& plan, Stream stream) {
  const int64_t units = plan.rows * plan.hidden;
  if (units == 0) return;
  dispatch<kWide>(dtype, [&]<class T>() {
    const auto go = [&]<CellKind k>() {
      CLEW_LAUNCH((cell_kernel<T, k>), blocks_for(units), kThreads, 0, stream, plan);
    };
    switch (kind) {
      case CellKind::LstmForward:
        return go.template operator()<CellKind::LstmForward>();
      case CellKind::LstmOutput:
        return go.template operator()<CellKind::LstmOutput>();
      case CellKind::LstmBackward:
        return go.template operator()<CellKind::LstmBackward>();
      case CellKind::GruForward:
        return go.template operator()<CellKind::GruForward>();
      case CellKind::GruBackward:
        return go.template operator()<CellKind::GruBackward>();
      case CellKind::Relu:
        return go.template operator()<CellKind::Relu>();
      case CellKind::ReluBackward:
        return go.template operator()<CellKind::ReluBackward>();
      case CellKind::Tanh:
        return go.template operator()<CellKind::Tanh>();
      case CellKind::TanhBackward:
        return go.template operator()<CellKind::TanhBackward>();
    }
  });
}

void run_bias_rows(DType dtype, void* rows, int64_t count, int64_t width, const void* a, const void* b,
                   Stream stream) {
  if (count * width == 0) return;
  dispatch<kWide>(dtype, [&]<class T>() {
    CLEW_LAUNCH((bias_rows_kernel<T>), blocks_for(count * width), kThreads, 0, stream, static_cast<T*>(rows),
                count * width, width, in<T>(a), in<T>(b));
  });
}

void run_add(DType dtype, void* to, const void* from, int64_t numel, Stream stream) {
  if (numel == 0) return;
  dispatch<kWide>(dtype, [&]<class T>() {
    CLEW_LAUNCH((add_kernel<T>), blocks_for(numel), kThreads, 0, stream, static_cast<T*>(to), in<T>(from),
                numel);
  });
}

}  // namespace clew::cuda
