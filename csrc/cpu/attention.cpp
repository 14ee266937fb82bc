// Attention, a block of queries by a block of keys at a time: of the scores no more than one block exists.
//
// Forward: online softmax (Milakov and Gimelshein, 2018; Dao et al., 2022). Backward: the weights are made
// again from the scores and their logsumexp. One head is one thread's, so sums do not depend on threads. Keys
// and values of a head are packed once for the panel products of all blocks of queries.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "clew/core/generator.h"
#include "core/shapes.h"
#include "cpu/copy.h"
#include "cpu/scratch.h"
#include "cpu/sequence_loops.h"
#include "kernels/philox.h"
#include "registry/slots.h"

namespace clew {
namespace cpu {
namespace {

constexpr int64_t kQueries = 64, kKeys = 256;  // kKeys: a multiple of every panel's width
constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// A tensor (B, H, rows, width) of T with contiguous rows, in place where it is that already.
template <class T>
struct Heads {
  Tensor holder;
  const T* data;
  int64_t batch, head, row;  // strides

  explicit Heads(const Tensor& t) : holder(t) {
    const bool rows = t.strides()[3] == 1 || t.sizes()[3] == 1;
    if (t.dtype() != DTypeOf<T>::value || !rows) holder = contiguous_as(t, DTypeOf<T>::value);
    const IntArrayRef s = holder.strides();
    data = holder.data<T>();
    batch = s[0];
    head = s[1];
    row = s[2];
  }
  const T* of(int64_t b, int64_t h) const { return data + b * batch + h * head; }
};

/// Where (b, row, h) of a contiguous (B, rows, H, width) begins, and the step from row to row.
template <class T>
struct ByRow {
  T* data;
  int64_t rows, heads, width;
  T* of(int64_t b, int64_t h) const { return data + (b * rows * heads + h) * width; }
  int64_t row() const { return heads * width; }
};

struct Problem {
  int64_t batch, heads, queries, keys, width, value_width;
  bool causal;
  double scale, dropout;
  Problem(const Tensor& q, const Tensor& v, double dropout_p, bool is_causal, double scale_)
      : batch(q.sizes()[0]),
        heads(q.sizes()[1]),
        queries(q.sizes()[2]),
        keys(v.sizes()[2]),
        width(q.sizes()[3]),
        value_width(v.sizes()[3]),
        causal(is_causal),
        scale(scale_),
        dropout(dropout_p) {}
  int64_t visible(int64_t query) const { return causal ? std::min(keys, query + 1) : keys; }
  /// Runs f(b, h) for every head.
  template <class F>
  void for_heads(F&& f) const {
    const int64_t work = std::max<int64_t>(queries * keys * (width + value_width), 1);
    parallel_for(0, batch * heads, std::max<int64_t>(1, (int64_t{1} << 19) / work),
                 [&](int64_t first, int64_t last) {
                   for (int64_t i = first; i < last; ++i) f(i / heads, i % heads);
                 });
  }
};

/// The mask as the loops read it: rows of one head.
struct Mask {
  Tensor holder;
  bool is_bool = false;
  Mask(const std::optional<Tensor>& mask, DType compute) {
    if (!mask) return;
    is_bool = mask->dtype() == DType::Bool;
    holder = is_bool || mask->dtype() == compute ? *mask : contiguous_as(*mask, compute);
  }
  MaskRow row(int64_t b, int64_t h, int64_t query, int64_t first_key) const {
    if (!holder.defined()) return {nullptr, 0, false};
    const IntArrayRef s = holder.strides();
    const int64_t at = b * s[0] + h * s[1] + query * s[2] + first_key * s[3];
    return {
        static_cast<const char*>(holder.raw_data()) + at * static_cast<int64_t>(item_size(holder.dtype())),
        s[3], is_bool};
  }
};

/// Dropout's factor of score (b, h, query, key) is that of its index in (B, H, L, S).
struct Dropout {
  uint64_t seed = 0, offset = 0, threshold = 0;
  double kept = 1;
  explicit Dropout(const Tensor& rng, double p)
      : seed(static_cast<uint64_t>(rng.data<int64_t>()[0])),
        offset(static_cast<uint64_t>(rng.data<int64_t>()[1])),
        threshold(static_cast<uint64_t>(std::llround(p * 0x1p32))),
        kept(p < 1 ? 1 / (1 - p) : 0) {}
  template <class T>
  void factors(T* out, int64_t first, int64_t n) const {
    const T one(static_cast<acc_t<T>>(kept)), zero(0.0f);
    for (int64_t i = 0; i < n;) {
      const int64_t at = first + i, lane = at & 3;
      const philox::Block b = philox::block(seed, offset, static_cast<uint64_t>(at) >> 2);
      for (int64_t k = lane; k < 4 && i < n; ++k, ++i) out[i] = b.x[k] >= threshold ? one : zero;
    }
  }
};

/// A packed matrix (k, n) whose rows and columns can be used in part.
template <class T>
struct Panels {
  const SequenceLoops& loops = sequence_loops<T>();
  int64_t k, n;
  Scratch<T> data;
  Panels(int64_t k_, int64_t n_) : k(k_), n(n_), data(loops.packed_size(k_, n_)) {}
  void pack(const T* b, int64_t rows, int64_t row, int64_t col) {
    k = rows;
    loops.pack(data.data(), b, k, n, row, col);
  }
  /// C = alpha * A B[k0 : k0 + depth, j0 : j0 + cols] (+ C); j0 is a multiple of the panels' width.
  void product(T* c, int64_t ld_c, const T* a, int64_t row_a, int64_t col_a, int64_t rows, int64_t j0,
               int64_t cols, int64_t k0, int64_t depth, double alpha, bool accumulate) const {
    const int64_t stride = k * loops.panel_width;
    loops.product(c, a, data.data() + j0 / loops.panel_width * stride + k0 * loops.panel_width,
                  {rows, cols, depth, row_a, col_a, ld_c, stride, alpha, accumulate});
  }
};

template <class T>
void zero_rows(T* out, int64_t rows, int64_t width, int64_t step) {
  for (int64_t i = 0; i < rows; ++i) std::fill_n(out + i * step, width, T(0));
}

/// What one thread needs for the heads that it computes.
template <class T>
struct ForwardRoom {
  Panels<T> keys, values;
  Scratch<T> scores, keep;
  explicit ForwardRoom(const Problem& p)
      : keys(p.width, p.keys),
        values(p.keys, p.value_width),
        scores(kQueries * std::min(p.keys, kKeys)),
        keep(p.dropout > 0 ? std::min(p.keys, kKeys) : 0) {}
};

template <class T>
void forward(const Problem& p, const ByRow<T>& out, T* logsumexp, const Heads<T>& query, const Heads<T>& key,
             const Heads<T>& value, const Mask& mask, const Dropout& dropout) {
  const SequenceLoops& loop = sequence_loops<T>();
  const int64_t block = std::min(p.keys, kKeys);
  p.for_heads([&](int64_t b, int64_t h) {
    ForwardRoom<T> room(p);
    if (p.keys > 0) {
      room.keys.pack(key.of(b, h), p.width, 1, key.row);
      room.values.pack(value.of(b, h), p.keys, value.row, 1);
    }
    const int64_t head = b * p.heads + h;
    for (int64_t q0 = 0; q0 < p.queries; q0 += kQueries) {
      const int64_t rows = std::min(kQueries, p.queries - q0);
      const T* q = query.of(b, h) + q0 * query.row;
      T* y = out.of(b, h) + q0 * out.row();
      double maximum[kQueries], sum[kQueries];
      std::fill_n(maximum, rows, -kInfinity);
      std::fill_n(sum, rows, 0.0);
      if (p.keys == 0) zero_rows(y, rows, p.value_width, out.row());
      for (int64_t k0 = 0; k0 < p.visible(q0 + rows - 1); k0 += kKeys) {
        const int64_t cols = std::min(kKeys, p.visible(q0 + rows - 1) - k0);
        T* s = room.scores.data();
        room.keys.product(s, block, q, query.row, 1, rows, k0, cols, 0, p.width, p.scale, false);
        for (int64_t i = 0; i < rows; ++i) {
          T* row = s + i * block;
          const int64_t seen = std::clamp<int64_t>(p.visible(q0 + i) - k0, 0, cols);
          const double factor =
              loop.attention_row(row, seen, mask.row(b, h, q0 + i, k0), &maximum[i], &sum[i]);
          std::fill(row + seen, row + cols, T(0));
          if (k0 > 0 && factor != 1) loop.scale(y + i * out.row(), p.value_width, factor);
          if (p.dropout > 0) {
            dropout.factors(room.keep.data(), (head * p.queries + q0 + i) * p.keys + k0, cols);
            loop.multiply(row, room.keep.data(), cols);
          }
        }
        room.values.product(y, out.row(), s, block, 1, rows, 0, p.value_width, k0, cols, 1, k0 > 0);
      }
      for (int64_t i = 0; i < rows; ++i) {
        // A query that sees nothing: zeros, and weights exp(s - inf) = 0 on the way back.
        const bool none = sum[i] == 0;
        if (!none) loop.scale(y + i * out.row(), p.value_width, 1 / sum[i]);
        logsumexp[head * p.queries + q0 + i] =
            static_cast<T>(none ? kInfinity : maximum[i] + std::log(sum[i]));
      }
    }
  });
}

void attention_cpu(Tensor3& results, const Tensor& query, const Tensor& key, const Tensor& value,
                   const std::optional<Tensor>& attn_mask, double dropout_p, bool is_causal, double scale) {
  auto& [out, logsumexp, rng] = results;
  const Problem p(query, value, dropout_p, is_causal, scale);
  const int64_t scores = p.batch * p.heads * p.queries * p.keys;
  const Generator::State state =
      dropout_p > 0 ? default_generator().advance(static_cast<uint64_t>(scores) / 4 + 1) : Generator::State{};
  rng.data<int64_t>()[0] = static_cast<int64_t>(state.seed);
  rng.data<int64_t>()[1] = static_cast<int64_t>(state.offset);
  dispatch_wide(out.dtype(), [&]<class T>() {
    const ResultAs<T> y(out);
    forward<T>(p, {y.data(), p.queries, p.heads, p.value_width}, logsumexp.data<T>(), Heads<T>(query),
               Heads<T>(key), Heads<T>(value), Mask(attn_mask, DTypeOf<T>::value), Dropout(rng, dropout_p));
    y.store();
  });
}

template <class T>
struct BackwardRoom {
  Panels<T> keys, keys_by_row, values, queries, grads;
  Scratch<T> weights, scores, keep;
  explicit BackwardRoom(const Problem& p)
      : keys(p.width, p.keys),
        keys_by_row(p.keys, p.width),
        values(p.value_width, p.keys),
        queries(kQueries, p.width),
        grads(kQueries, p.value_width),
        weights(kQueries * std::min(p.keys, kKeys)),
        scores(kQueries * std::min(p.keys, kKeys)),
        keep(p.dropout > 0 ? std::min(p.keys, kKeys) : 0) {}
};

template <class T>
void backward(const Problem& p, const ByRow<T>& dq, const ByRow<T>& dk, const ByRow<T>& dv, T* dmask,
              const T* grad_output, const T* output, const T* logsumexp, const Heads<T>& query,
              const Heads<T>& key, const Heads<T>& value, const Mask& mask, const Dropout& dropout) {
  const SequenceLoops& loop = sequence_loops<T>();
  const int64_t block = std::min(p.keys, kKeys);
  const ByRow<const T> go{grad_output, p.queries, p.heads, p.value_width};
  const ByRow<const T> yo{output, p.queries, p.heads, p.value_width};
  p.for_heads([&](int64_t b, int64_t h) {
    BackwardRoom<T> room(p);
    const int64_t head = b * p.heads + h;
    zero_rows(dk.of(b, h), p.keys, p.width, dk.row());
    zero_rows(dv.of(b, h), p.keys, p.value_width, dv.row());
    if (p.keys == 0) {
      zero_rows(dq.of(b, h), p.queries, p.width, dq.row());
      return;
    }
    room.keys.pack(key.of(b, h), p.width, 1, key.row);
    room.keys_by_row.pack(key.of(b, h), p.keys, key.row, 1);
    room.values.pack(value.of(b, h), p.value_width, 1, value.row);
    for (int64_t q0 = 0; q0 < p.queries; q0 += kQueries) {
      const int64_t rows = std::min(kQueries, p.queries - q0);
      const T* q = query.of(b, h) + q0 * query.row;
      const T* g = go.of(b, h) + q0 * go.row();
      const T* y = yo.of(b, h) + q0 * yo.row();
      room.queries.pack(q, rows, query.row, 1);
      room.grads.pack(g, rows, go.row(), 1);
      // delta: the sum over keys of weight * its gradient, which is grad_output * output.
      const bool whole = p.visible(q0 + rows - 1) <= kKeys;
      double delta[kQueries];
      for (int64_t i = 0; i < rows && !whole; ++i)
        delta[i] = loop.dot(g + i * go.row(), y + i * yo.row(), p.value_width);
      for (int64_t k0 = 0; k0 < p.visible(q0 + rows - 1); k0 += kKeys) {
        const int64_t cols = std::min(kKeys, p.visible(q0 + rows - 1) - k0);
        T *w = room.weights.data(), *d = room.scores.data();
        room.keys.product(w, block, q, query.row, 1, rows, k0, cols, 0, p.width, p.scale, false);
        room.values.product(d, block, g, go.row(), 1, rows, k0, cols, 0, p.value_width, 1, false);
        for (int64_t i = 0; i < rows; ++i) {
          T *wi = w + i * block, *di = d + i * block;
          const int64_t at = head * p.queries + q0 + i,
                        seen = std::clamp<int64_t>(p.visible(q0 + i) - k0, 0, cols);
          if (p.dropout > 0) dropout.factors(room.keep.data(), at * p.keys + k0, seen);
          loop.attention_backward_row(wi, di, seen, mask.row(b, h, q0 + i, k0),
                                      static_cast<double>(logsumexp[at]), whole ? nullptr : &delta[i],
                                      p.dropout > 0 ? room.keep.data() : nullptr);
          std::fill(wi + seen, wi + cols, T(0));
          std::fill(di + seen, di + cols, T(0));
          if (dmask != nullptr) std::copy_n(di, cols, dmask + at * p.keys + k0);
        }
        room.keys_by_row.product(dq.of(b, h) + q0 * dq.row(), dq.row(), d, block, 1, rows, 0, p.width, k0,
                                 cols, p.scale, k0 > 0);
        room.queries.product(dk.of(b, h) + k0 * dk.row(), dk.row(), d, 1, block, cols, 0, p.width, 0, rows,
                             p.scale, true);
        room.grads.product(dv.of(b, h) + k0 * dv.row(), dv.row(), w, 1, block, cols, 0, p.value_width, 0,
                           rows, 1, true);
      }
    }
  });
}

void attention_grad_cpu(TensorList& results, const Tensor& grad_output, const Tensor& query,
                        const Tensor& key, const Tensor& value, const std::optional<Tensor>& attn_mask,
                        const Tensor& output, const Tensor& logsumexp, const Tensor& rng, double dropout_p,
                        bool is_causal, double scale, bool) {
  const Problem p(query, value, dropout_p, is_causal, scale);
  dispatch_wide(query.dtype(), [&]<class T>() {
    constexpr DType t = DTypeOf<T>::value;
    const ResultAs<T> dq(results[0]), dk(results[1]), dv(results[2]), dm(results[3]);
    // Keys that a query does not see have no gradient.
    if (results[3].numel() > 0) std::fill_n(dm.data(), results[3].numel(), T(0));
    const Tensor g = contiguous_as(grad_output, t), y = contiguous_as(output, t),
                 lse = contiguous_as(logsumexp, t), state = contiguous_as(rng, DType::Int64);
    backward<T>(p, {dq.data(), p.queries, p.heads, p.width}, {dk.data(), p.keys, p.heads, p.width},
                {dv.data(), p.keys, p.heads, p.value_width}, results[3].numel() > 0 ? dm.data() : nullptr,
                g.data<T>(), y.data<T>(), lse.data<T>(), Heads<T>(query), Heads<T>(key), Heads<T>(value),
                Mask(attn_mask, t), Dropout(state, dropout_p));
    dq.store();
    dk.store();
    dv.store();
    dm.store();
  });
}

void attention_dropout_cpu(Tensor& out, const Tensor& rng, IntArrayRef, double p, DType) {
  const Dropout dropout(rng, p);
  clew::dispatch<kFloating>(out.dtype(), [&]<class T>() {
    T* x = out.data<T>();
    parallel_for(0, out.numel(), kGrainCompute,
                 [&](int64_t b, int64_t e) { dropout.factors(x + b, b, e - b); });
  });
}

}  // namespace
}  // namespace cpu

using namespace cpu;
CLEW_CPU_KERNEL(attention, attention_cpu);
CLEW_CPU_KERNEL(attention_grad, attention_grad_cpu);
CLEW_CPU_KERNEL(attention_dropout, attention_dropout_cpu);

}  // namespace clew
