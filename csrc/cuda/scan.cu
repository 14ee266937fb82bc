// Scans along one dimension.
//
// Rows: a block takes a run, or a chunk of one, in tiles of 1024 elements: each thread folds four neighbours,
// the threads' results are scanned over warp shuffles and shared memory, and what came before a tile is
// carried along. Columns: a thread takes a run, neighbouring threads neighbouring runs. The order of merging
// depends on shapes only.
//
// An operation Op on elements of type T has: State; init(), make(value, index), merge(earlier, later), and
// put(state, out, places, at).
#include "cuda/scan.h"

#include "cuda/logsumexp.cuh"
#include "cuda/share.cuh"
#include "kernels/ordering.h"

namespace clew::cuda {
namespace {

constexpr int kEach = 4;

template <class T>
CLEW_HD T from_running(uint64_t x) {
  if constexpr (std::is_same_v<T, bool>) return x != 0;
  return static_cast<T>(x);
}

/// Integers wrap in 64 bits, floating sums and products run in double.
template <class T, bool is_product>
struct Running {
  using State = std::conditional_t<std::is_integral_v<T>, uint64_t, double>;
  CLEW_HD State init() const { return is_product ? 1 : 0; }
  CLEW_HD State make(T x, int64_t) const { return static_cast<State>(static_cast<compute_t<T>>(x)); }
  CLEW_HD State merge(State a, State b) const { return is_product ? a * b : a + b; }
  CLEW_HD void put(State s, T* out, int64_t*, int64_t at) const {
    if constexpr (std::is_integral_v<T>) {
      out[at] = from_running<T>(s);
    } else {
      out[at] = static_cast<T>(static_cast<compute_t<T>>(s));
    }
  }
};

/// The greatest (smallest) so far, the last of equals; the first NaN stays.
template <class T, bool greatest>
struct Extremum {
  struct State {
    compute_t<T> best;
    int64_t at;  // -1: nothing yet
  };
  CLEW_HD State init() const { return {compute_t<T>(0), -1}; }
  CLEW_HD State make(T x, int64_t i) const { return {static_cast<compute_t<T>>(x), i}; }
  CLEW_HD State merge(const State& a, const State& b) const {
    if (b.at < 0) return a;
    if (a.at < 0) return b;
    if (a.best != a.best) return a;
    return b.best != b.best || (greatest ? b.best >= a.best : b.best <= a.best) ? b : a;
  }
  CLEW_HD void put(const State& s, T* out, int64_t* places, int64_t at) const {
    out[at] = static_cast<T>(s.best);
    places[at] = s.at;
  }
};

template <class T>
struct RunningLogSumExp {
  using Wide = LogSumExp<double>;
  using State = Wide::Acc;
  CLEW_HD State init() const { return Wide().init(); }
  CLEW_HD State make(T x, int64_t) const { return {static_cast<double>(static_cast<compute_t<T>>(x)), 1}; }
  CLEW_HD State merge(const State& a, const State& b) const { return Wide().merge(a, b); }
  CLEW_HD void put(const State& s, T* out, int64_t*, int64_t at) const {
    out[at] = static_cast<T>(static_cast<compute_t<T>>(Wide().finish(s, 0)));
  }
};

template <class State>
__device__ __forceinline__ State shuffle_up(const State& value, unsigned by) {
  constexpr int kWords = (sizeof(State) + 3) / 4;
  uint32_t words[kWords] = {};
  __builtin_memcpy(words, &value, sizeof(State));
  CLEW_UNROLL
  for (int i = 0; i < kWords; ++i) words[i] = __shfl_up_sync(kAllLanes, words[i], by);
  State other;
  __builtin_memcpy(&other, words, sizeof(State));
  return other;
}

enum class Pass : uint8_t { Totals, Write };

template <class Op, class T, Pass pass>
__global__ void __launch_bounds__(kThreads) scan_rows(const ScanPlan p, typename Op::State* partials) {
  using State = typename Op::State;
  constexpr int kWarps = kThreads / kWarp;
  CLEW_SHARED(State, warps, kWarps);
  const Op op;
  const int64_t run = blockIdx.x / p.chunks, chunk = blockIdx.x % p.chunks;
  const int64_t base = run / p.inner * p.n * p.inner + run % p.inner;
  const T* in = static_cast<const T*>(p.in);
  const unsigned warp = threadIdx.x / kWarp, lane = threadIdx.x % kWarp;
  const int64_t first = chunk * p.chunk, last = first + p.chunk < p.n ? first + p.chunk : p.n;
  State carry = pass == Pass::Write && p.chunks > 1 ? partials[blockIdx.x] : op.init();
  for (int64_t tile = first; tile < last; tile += kThreads * kEach) {
    const int64_t mine = tile + static_cast<int64_t>(threadIdx.x) * kEach;
    State states[kEach];
    State total = op.init();
    CLEW_UNROLL
    for (int i = 0; i < kEach; ++i) {
      if (mine + i < last) total = op.merge(total, op.make(in[base + (mine + i) * p.inner], mine + i));
      states[i] = total;
    }
    State up = total;  // of this lane and those before
    for (unsigned by = 1; by < kWarp; by *= 2) {
      const State other = shuffle_up(up, by);
      if (lane >= by) up = op.merge(other, up);
    }
    if (lane == kWarp - 1) warps[warp] = up;
    State before = shuffle_up(up, 1);
    __syncthreads();
    State start = carry;
    for (unsigned w = 0; w < kWarps; ++w) {
      if (w < warp) start = op.merge(start, warps[w]);
      carry = op.merge(carry, warps[w]);
    }
    if (lane > 0) start = op.merge(start, before);
    if constexpr (pass == Pass::Write) {
      for (int i = 0; i < kEach; ++i) {
        if (mine + i < last)
          op.put(op.merge(start, states[i]), static_cast<T*>(p.out), p.places, base + (mine + i) * p.inner);
      }
    }
    __syncthreads();
  }
  if (pass == Pass::Totals && threadIdx.x == 0) partials[blockIdx.x] = carry;
}

template <class Op, class T, Pass pass>
__global__ void __launch_bounds__(kThreads) scan_columns(const ScanPlan p, typename Op::State* partials) {
  using State = typename Op::State;
  const Op op;
  const int64_t unit = thread_index(), runs = p.outer * p.inner;
  if (unit >= runs * p.chunks) return;
  const int64_t run = unit % runs, chunk = unit / runs;
  const int64_t base = run / p.inner * p.n * p.inner + run % p.inner;
  const int64_t first = chunk * p.chunk, last = first + p.chunk < p.n ? first + p.chunk : p.n;
  const T* in = static_cast<const T*>(p.in);
  State state = pass == Pass::Write && p.chunks > 1 ? partials[run * p.chunks + chunk] : op.init();
  for (int64_t i = first; i < last; ++i) {
    const int64_t at = base + i * p.inner;
    state = op.merge(state, op.make(in[at], i));
    if constexpr (pass == Pass::Write) op.put(state, static_cast<T*>(p.out), p.places, at);
  }
  if constexpr (pass == Pass::Totals) partials[run * p.chunks + chunk] = state;
}

/// Of each chunk's result makes what comes before the chunk.
template <class Op>
__global__ void __launch_bounds__(kThreads)
    scan_partials(typename Op::State* partials, int64_t runs, int64_t chunks) {
  const Op op;
  const int64_t run = thread_index();
  if (run >= runs) return;
  typename Op::State state = op.init();
  for (int64_t i = run * chunks; i < (run + 1) * chunks; ++i) {
    const typename Op::State next = op.merge(state, partials[i]);
    partials[i] = state;
    state = next;
  }
}

template <class Op, class T, Pass pass>
void launch_pass(const ScanPlan& p, typename Op::State* partials, Stream stream) {
  const int64_t units = p.outer * p.inner * p.chunks;
  if (p.inner >= 8) {
    const unsigned blocks = blocks_of_threads(units);
    CLEW_LAUNCH((scan_columns<Op, T, pass>), blocks, kThreads, 0, stream, p, partials);
  } else {
    CLEW_LAUNCH((scan_rows<Op, T, pass>), static_cast<unsigned>(units), kThreads, 0, stream, p, partials);
  }
}

template <class Op, class T>
void launch_scan(const ScanPlan& p, void* workspace, Stream stream) {
  auto* partials = static_cast<typename Op::State*>(workspace);
  if (p.chunks > 1) {
    const int64_t runs = p.outer * p.inner;
    const unsigned blocks = blocks_of_threads(runs);
    launch_pass<Op, T, Pass::Totals>(p, partials, stream);
    CLEW_LAUNCH((scan_partials<Op>), blocks, kThreads, 0, stream, partials, runs, p.chunks);
  }
  launch_pass<Op, T, Pass::Write>(p, partials, stream);
}

template <class Op, class T>
constexpr void set(ScanTable& t, Scan scan) {
  t.at[static_cast<int>(scan)][column<T>()] = {sizeof(typename Op::State), &launch_scan<Op, T>};
}
template <class... T>
constexpr void set_all(ScanTable& t) {
  (set<Running<T, false>, T>(t, Scan::sum), ...);
  (set<Running<T, true>, T>(t, Scan::product), ...);
  (set<Extremum<T, true>, T>(t, Scan::max), ...);
  (set<Extremum<T, false>, T>(t, Scan::min), ...);
}
template <class... T>
constexpr void set_floating(ScanTable& t) {
  (set<RunningLogSumExp<T>, T>(t, Scan::logsumexp), ...);
}

constexpr ScanTable make_table() {
  ScanTable t{};
  set_all<bool, uint8_t, int8_t, int16_t, int32_t, int64_t, Half, BFloat16, float, double>(t);
  set_floating<Half, BFloat16, float, double>(t);
  return t;
}

// One value a thread.
template <class T>
__global__ void __launch_bounds__(kThreads) search_kernel(const Search s) {
  using V = compute_t<T>;
  const int64_t i = thread_index();
  if (i >= s.count) return;
  const T* row = static_cast<const T*>(s.sorted) + i / s.per_row * s.n;
  const auto v = static_cast<V>(static_cast<const T*>(s.values)[i]);
  int64_t first = 0, length = s.n;
  while (length > 0) {
    const int64_t half = length / 2;
    const auto x = static_cast<V>(row[first + half]);
    if (s.right ? !kernels::before(v, x) : kernels::before(x, v)) {
      first += half + 1;
      length -= half + 1;
    } else {
      length = half;
    }
  }
  if (s.narrow) {
    static_cast<int32_t*>(s.out)[i] = static_cast<int32_t>(first);
  } else {
    static_cast<int64_t*>(s.out)[i] = first;
  }
}

}  // namespace

constinit const ScanTable scan_table = make_table();

void run_search(DType dtype, const Search& search, Stream stream) {
  if (search.count == 0) return;
  const unsigned blocks = blocks_of_threads(search.count);
  dispatch<kAllDTypes>(
      dtype, [&]<class T>() { CLEW_LAUNCH((search_kernel<T>), blocks, kThreads, 0, stream, search); });
}

}  // namespace clew::cuda
