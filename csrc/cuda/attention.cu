// Attention, a square tile of scores at a time: no matrix of weights is ever in memory.
//
// Forward: a block has a tile of queries and walks over the keys with an online softmax (Milakov and
// Gimelshein, 2018; Dao et al., 2022); weights go through shared memory into the product with the values.
// Gradients: weights are made again from the scores and their logsumexp. A block has a tile of queries or of
// keys and walks over the others, so each sum has one owner and one order.
// Results wider than a block's columns are computed by several blocks, each with the scores anew.
#include "cuda/attention.h"

#include "cuda/tile.cuh"
#include "kernels/math.h"
#include "kernels/philox.h"

namespace clew::cuda {
namespace {

using Heads = AttentionPlan::Heads;

/// Rows of one head.
template <class T>
struct Rows {
  const T* data;
  int64_t row, column;
  __device__ __forceinline__ Rows(const Heads& h, int64_t b, int64_t head)
      : data(static_cast<const T*>(h.data) + b * h.batch + head * h.head), row(h.row), column(h.column) {}
  __device__ __forceinline__ product_t<T> at(int64_t r, int64_t c) const {
    return static_cast<product_t<T>>(static_cast<compute_t<T>>(data[r * row + c * column]));
  }
};

/// The factors of dropout; neighbours share a block of words.
template <class P>
struct Keep {
  uint64_t seed = 0, offset = 0, threshold, last = ~uint64_t{0};
  philox::Block words{};
  P kept;
  __device__ __forceinline__ explicit Keep(const AttentionPlan& p)
      : threshold(p.threshold), kept(static_cast<P>(p.kept)) {}
  __device__ __forceinline__ P factor(uint64_t index) {
    if (index >> 2 != last) {
      last = index >> 2;
      words = philox::block(seed, offset, last);
    }
    return words.x[index & 3] >= threshold ? kept : P(0);
  }
};

/// The score of a query and a key that it sees.
template <class T>
__device__ __forceinline__ product_t<T> masked(const AttentionPlan& p, product_t<T> product, int64_t b,
                                               int64_t h, int64_t query, int64_t key) {
  using P = product_t<T>;
  const P score = product * static_cast<P>(p.scale);
  if (p.mask.data == nullptr) return score;
  if (p.mask_is_bool)
    return Rows<uint8_t>(p.mask, b, h).at(query, key) != 0 ? score : -static_cast<P>(math::kInf);
  return score + Rows<T>(p.mask, b, h).at(query, key);
}

__device__ __forceinline__ bool sees(const AttentionPlan& p, int64_t query, int64_t key) {
  return query < p.queries && key < p.keys && (!p.causal || key <= query);
}

/// Stores a thread's square so that the next product finds it by depth: weights[column][row].
template <class P>
__device__ __forceinline__ void put_weights(typename Tile<P>::Vec* weights, const Tile<P>& tile) {
  using C = Tile<P>;
  CLEW_UNROLL
  for (int j = 0; j < C::kEach; ++j) {
    typename C::Vec v;
    CLEW_UNROLL
    for (int i = 0; i < C::kEach; ++i) v.at[i] = tile.sum[i][j];
    weights[(C::column() + j) * C::kRow + C::row() / C::kEach] = v;
  }
}

/// out[c] += weights * columns [left + c * kSize, ...) of `rows`, whose rows start at `first`.
template <class T, int kColumns>
__device__ __forceinline__ void multiply_rows(Tile<product_t<T>> (&out)[kColumns],
                                              const typename Tile<product_t<T>>::Vec* weights,
                                              typename Tile<product_t<T>>::Vec* b_tile, const Rows<T>& rows,
                                              int64_t first, int64_t count, int64_t left, int64_t width) {
  using P = product_t<T>;
  using C = Tile<P>;
  for (int d = 0; d < C::kSize && first + d < count; d += C::kDepth) {
    CLEW_UNROLL
    for (int c = 0; c < kColumns; ++c) {
      C::fetch(
          b_tile,
          [&](int, int x, int64_t k) {
            const int64_t column = left + c * C::kSize + x;
            return column < width && first + k < count ? rows.at(first + k, column) : P(0);
          },
          d, false);
      __syncthreads();
      out[c].multiply(weights + d * C::kRow, b_tile);
      __syncthreads();
    }
  }
}

/// Tiles of a head's rows and blocks of result columns, by number of the block.
struct Unit {
  int64_t b, h, head, top, left;
  __device__ __forceinline__ Unit(const AttentionPlan& p, int64_t unit, int64_t rows, int64_t width, int side,
                                  int columns) {
    const int64_t tiles = (rows + side - 1) / side,
                  across = width > columns ? (width + columns - 1) / columns : 1;
    left = unit % across * columns;
    top = unit / across % tiles * side;
    head = unit / across / tiles;
    b = head / p.heads;
    h = head - b * p.heads;
  }
};

template <class T, int kColumns>
__global__ void __launch_bounds__(kThreads) attention_kernel(const AttentionPlan p, int64_t first) {
  using P = product_t<T>;
  using C = Tile<P>;
  constexpr int kEach = C::kEach;
  CLEW_SHARED(typename C::Vec, a_tile, C::kVectors);
  CLEW_SHARED(typename C::Vec, b_tile, C::kVectors);
  CLEW_SHARED(typename C::Vec, weights, C::kSize * C::kRow);
  const P infinity = static_cast<P>(math::kInf);
  const Unit at(p, first + blockIdx.x, p.queries, p.value_width, C::kSize, kColumns * C::kSize);
  const Rows<T> query(p.query, at.b, at.h), key(p.key, at.b, at.h), value(p.value, at.b, at.h);
  if (first + blockIdx.x == 0 && threadIdx.x == 0) {
    p.rng[0] = static_cast<int64_t>(p.seed);
    p.rng[1] = static_cast<int64_t>(p.offset);
  }
  Keep<P> keep(p);
  keep.seed = p.seed;
  keep.offset = p.offset;
  C out[kColumns];
  P maximum[kEach], sum[kEach];
  for (int i = 0; i < kEach; ++i) {
    maximum[i] = -infinity;
    sum[i] = 0;
  }
  const int64_t bottom = at.top + C::kSize < p.queries ? at.top + C::kSize : p.queries;
  const int64_t last = p.causal && bottom < p.keys ? bottom : p.keys;
  for (int64_t k0 = 0; k0 < last; k0 += C::kSize) {
    C scores;
    scores.run(
        a_tile, b_tile, 0, p.width,
        [&](int, int y, int64_t e) {
          return at.top + y < p.queries && e < p.width ? query.at(at.top + y, e) : P(0);
        },
        p.query.column == 1,
        [&](int, int x, int64_t e) { return k0 + x < p.keys && e < p.width ? key.at(k0 + x, e) : P(0); },
        p.key.column == 1);
    for (int i = 0; i < kEach; ++i) {
      const int64_t q = at.top + C::row() + i;
      P most = maximum[i];
      for (int j = 0; j < kEach; ++j) {
        const int64_t k = k0 + C::column() + j;
        P& s = scores.sum[i][j];
        s = sees(p, q, k) ? masked<T>(p, s, at.b, at.h, q, k) : -infinity;
        most = s > most ? s : most;
      }
      // 16 neighbouring lanes have the row's columns.
      for (int by = 8; by > 0; by /= 2) {
        const P other = __shfl_xor_sync(kAllLanes, most, by);
        most = other > most ? other : most;
      }
      // While nothing is kept, all is compared with 0: exp(-inf) is 0, -inf - -inf would be NaN.
      const P base = most == -infinity ? P(0) : most;
      const P factor = maximum[i] == -infinity ? P(0) : math::exp(maximum[i] - base);
      P more = 0;
      for (int j = 0; j < kEach; ++j) {
        P& s = scores.sum[i][j];
        s = math::exp(s - base);
        more += s;
        if (p.dropout) {
          const int64_t k = k0 + C::column() + j;
          s *= keep.factor(static_cast<uint64_t>((at.head * p.queries + q) * p.keys + k));
        }
      }
      for (int by = 8; by > 0; by /= 2) more += __shfl_xor_sync(kAllLanes, more, by);
      sum[i] = sum[i] * factor + more;
      maximum[i] = most;
      for (int c = 0; c < kColumns; ++c) {
        for (int j = 0; j < kEach; ++j) out[c].sum[i][j] *= factor;
      }
    }
    put_weights<P>(weights, scores);
    __syncthreads();
    multiply_rows<T, kColumns>(out, weights, b_tile, value, k0, p.keys, at.left, p.value_width);
  }
  for (int i = 0; i < kEach; ++i) {
    const int64_t q = at.top + C::row() + i;
    if (q >= p.queries) continue;
    // A query that sees nothing: zeros, and weights exp(s - inf) = 0 on the way back.
    const bool none = sum[i] == P(0);
    const P scale = none ? P(0) : P(1) / sum[i];
    T* to = static_cast<T*>(p.result) + ((at.b * p.queries + q) * p.heads + at.h) * p.value_width;
    for (int c = 0; c < kColumns; ++c) {
      for (int j = 0; j < kEach; ++j) {
        const int64_t column = at.left + c * C::kSize + C::column() + j;
        if (column < p.value_width) to[column] = static_cast<T>(none ? P(0) : out[c].sum[i][j] * scale);
      }
    }
    if (at.left == 0 && C::column() == 0)
      static_cast<P*>(p.logsumexp)[at.head * p.queries + q] =
          none ? infinity : maximum[i] + math::log(sum[i]);
  }
}

/// The sum over keys of weight times its gradient, which is grad_output * output. A warp per query.
template <class T>
__global__ void __launch_bounds__(kThreads) attention_delta(const AttentionPlan p, int64_t rows) {
  using P = product_t<T>;
  const int64_t row = static_cast<int64_t>(blockIdx.x) * (kThreads / kWarp) + threadIdx.x / kWarp;
  const bool live = row < rows;
  const int64_t head = live ? row / p.queries : 0, q = live ? row % p.queries : 0;
  const int64_t b = head / p.heads, h = head % p.heads;
  const Rows<T> grad(p.grad_output, b, h), output(p.output, b, h);
  P sum = 0;
  for (int64_t i = threadIdx.x % kWarp; live && i < p.value_width; i += kWarp)
    sum += grad.at(q, i) * output.at(q, i);
  for (int by = kWarp / 2; by > 0; by /= 2) sum += __shfl_xor_sync(kAllLanes, sum, by);
  if (live && threadIdx.x % kWarp == 0) static_cast<P*>(p.delta)[row] = sum;
}

enum class Wanted : uint8_t { Query, Key, Value };

template <class T, Wanted wanted, int kColumns>
__global__ void __launch_bounds__(kThreads) attention_grad_kernel(const AttentionPlan p, int64_t first) {
  using P = product_t<T>;
  using C = Tile<P>;
  constexpr int kEach = C::kEach;
  constexpr bool kByQuery = wanted == Wanted::Query;
  CLEW_SHARED(typename C::Vec, a_tile, C::kVectors);
  CLEW_SHARED(typename C::Vec, b_tile, C::kVectors);
  CLEW_SHARED(typename C::Vec, weights, C::kSize * C::kRow);
  const int64_t mine = kByQuery ? p.queries : p.keys, others = kByQuery ? p.keys : p.queries;
  const int64_t result_width = wanted == Wanted::Value ? p.value_width : p.width;
  const Unit at(p, first + blockIdx.x, mine, result_width, C::kSize, kColumns * C::kSize);
  const Rows<T> query(p.query, at.b, at.h), key(p.key, at.b, at.h), value(p.value, at.b, at.h),
      grad(p.grad_output, at.b, at.h);
  const Rows<T>&own = kByQuery ? query : key, &other = kByQuery ? key : query;
  const Rows<T>&own_value = kByQuery ? grad : value, &other_value = kByQuery ? value : grad;
  const Rows<T>& factors = wanted == Wanted::Value ? grad : other;
  const bool own_along = (kByQuery ? p.query : p.key).column == 1,
             other_along = (kByQuery ? p.key : p.query).column == 1;
  Keep<P> keep(p);
  if (p.dropout) {
    keep.seed = static_cast<uint64_t>(p.rng[0]);
    keep.offset = static_cast<uint64_t>(p.rng[1]);
  }
  // Of causal attention, the part that has weights.
  const int64_t bottom = at.top + C::kSize < mine ? at.top + C::kSize : mine;
  const int64_t begin = p.causal && !kByQuery ? at.top : 0;
  const int64_t end = p.causal && kByQuery && bottom < others ? bottom : others;
  C out[kColumns];
  for (int64_t o0 = begin; o0 < end; o0 += C::kSize) {
    C scores, grads;
    scores.run(
        a_tile, b_tile, 0, p.width,
        [&](int, int y, int64_t e) {
          return at.top + y < mine && e < p.width ? own.at(at.top + y, e) : P(0);
        },
        own_along,
        [&](int, int x, int64_t e) { return o0 + x < others && e < p.width ? other.at(o0 + x, e) : P(0); },
        other_along);
    if constexpr (wanted != Wanted::Value) {
      grads.run(
          a_tile, b_tile, 0, p.value_width,
          [&](int, int y, int64_t e) {
            return at.top + y < mine && e < p.value_width ? own_value.at(at.top + y, e) : P(0);
          },
          true,
          [&](int, int x, int64_t e) {
            return o0 + x < others && e < p.value_width ? other_value.at(o0 + x, e) : P(0);
          },
          true);
    }
    for (int i = 0; i < kEach; ++i) {
      for (int j = 0; j < kEach; ++j) {
        const int64_t row = at.top + C::row() + i, column = o0 + C::column() + j;
        const int64_t q = kByQuery ? row : column, k = kByQuery ? column : row;
        P& s = scores.sum[i][j];
        if (!sees(p, q, k)) {
          s = 0;
          continue;
        }
        const int64_t index = at.head * p.queries + q;
        s = math::exp(masked<T>(p, s, at.b, at.h, q, k) - static_cast<const P*>(p.logsumexp)[index]);
        const P factor = p.dropout ? keep.factor(static_cast<uint64_t>(index * p.keys + k)) : P(1);
        if constexpr (wanted == Wanted::Value) {
          s *= factor;
        } else {
          s *= grads.sum[i][j] * factor - static_cast<const P*>(p.delta)[index];
        }
        if (kByQuery && p.grad_mask != nullptr && at.left == 0)
          static_cast<T*>(p.grad_mask)[index * p.keys + k] = static_cast<T>(s);
      }
    }
    put_weights<P>(weights, scores);
    __syncthreads();
    multiply_rows<T, kColumns>(out, weights, b_tile, factors, o0, others, at.left, result_width);
  }
  const P scale = wanted == Wanted::Value ? P(1) : static_cast<P>(p.scale);
  void* result = wanted == Wanted::Query ? p.grad_query : wanted == Wanted::Key ? p.grad_key : p.grad_value;
  for (int i = 0; i < kEach; ++i) {
    const int64_t row = at.top + C::row() + i;
    if (row >= mine) continue;
    T* to = static_cast<T*>(result) + ((at.b * mine + row) * p.heads + at.h) * result_width;
    for (int c = 0; c < kColumns; ++c) {
      for (int j = 0; j < kEach; ++j) {
        const int64_t column = at.left + c * C::kSize + C::column() + j;
        if (column < result_width) to[column] = static_cast<T>(out[c].sum[i][j] * scale);
      }
    }
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    attention_dropout_kernel(const AttentionPlan p, T* out, int64_t numel) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i * 4 >= numel) return;
  const philox::Block b = philox::block(static_cast<uint64_t>(p.rng[0]), static_cast<uint64_t>(p.rng[1]),
                                        static_cast<uint64_t>(i));
  const T kept = static_cast<T>(static_cast<product_t<T>>(p.kept)), none = static_cast<T>(product_t<T>(0));
  for (int k = 0; k < 4 && i * 4 + k < numel; ++k) out[i * 4 + k] = b.x[k] >= p.threshold ? kept : none;
}

template <class T>
int64_t units_of(const AttentionPlan& p, int64_t rows, int64_t width, int columns) {
  constexpr int64_t kSide = Tile<product_t<T>>::kSize;
  const int64_t each = columns * kSide, across = width > each ? (width + each - 1) / each : 1;
  return p.batch * p.heads * ((rows + kSide - 1) / kSide) * across;
}

template <class T, int kColumns>
void launch_forward(const AttentionPlan& p, Stream stream) {
  for_launches(units_of<T>(p, p.queries, p.value_width, kColumns), [&](int64_t first, unsigned blocks) {
    CLEW_LAUNCH((attention_kernel<T, kColumns>), blocks, kThreads, 0, stream, p, first);
  });
}

template <class T, Wanted wanted>
void launch_grad(const AttentionPlan& p, Stream stream) {
  const int64_t rows = wanted == Wanted::Query ? p.queries : p.keys,
                width = wanted == Wanted::Value ? p.value_width : p.width;
  const bool wide = width > Tile<product_t<T>>::kSize;
  for_launches(units_of<T>(p, rows, width, wide ? 2 : 1), [&](int64_t first, unsigned blocks) {
    if (wide) {
      CLEW_LAUNCH((attention_grad_kernel<T, wanted, 2>), blocks, kThreads, 0, stream, p, first);
    } else {
      CLEW_LAUNCH((attention_grad_kernel<T, wanted, 1>), blocks, kThreads, 0, stream, p, first);
    }
  });
}

}  // namespace

void run_attention(DType dtype, const AttentionPlan& plan, Stream stream) {
  dispatch<kFloating>(dtype, [&]<class T>() {
    if (plan.value_width > Tile<product_t<T>>::kSize) {
      launch_forward<T, 2>(plan, stream);
    } else {
      launch_forward<T, 1>(plan, stream);
    }
  });
}

void run_attention_grad(DType dtype, const AttentionPlan& plan, Stream stream) {
  const int64_t rows = plan.batch * plan.heads * plan.queries;
  constexpr int64_t kRows = kThreads / kWarp;
  dispatch<kFloating>(dtype, [&]<class T>() {
    if (rows > 0)
      CLEW_LAUNCH((attention_delta<T>), static_cast<unsigned>((rows + kRows - 1) / kRows), kThreads, 0,
                  stream, plan, rows);
    launch_grad<T, Wanted::Query>(plan, stream);
    launch_grad<T, Wanted::Key>(plan, stream);
    launch_grad<T, Wanted::Value>(plan, stream);
  });
}

void run_attention_dropout(DType dtype, const AttentionPlan& plan, void* out, int64_t numel, Stream stream) {
  if (numel == 0) return;
  const auto blocks = static_cast<unsigned>((numel + 4 * kThreads - 1) / (4 * kThreads));
  dispatch<kFloating>(dtype, [&]<class T>() {
    CLEW_LAUNCH((attention_dropout_kernel<T>), blocks, kThreads, 0, stream, plan, static_cast<T*>(out),
                numel);
  });
}

}  // namespace clew::cuda
