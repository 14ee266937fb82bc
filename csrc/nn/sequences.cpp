// Sequences of different lengths: padded into one tensor, or packed step by step.
#include <algorithm>
#include <numeric>

#include "clew/autograd/grad_mode.h"
#include "clew/nn/utils.h"
#include "clew/ops/ops.h"

namespace clew::nn::utils::rnn {
namespace {

using Integers = std::vector<int64_t>;

Integers values(const Tensor& t) {
  const NoGradGuard guard;
  const Tensor plain = t.detach().to(kInt64, kCPU).contiguous();
  return {plain.data<int64_t>(), plain.data<int64_t>() + plain.numel()};
}

Integers lengths_of(const char* op, const Tensor& lengths, int64_t batch) {
  CLEW_CHECK(lengths.dim() == 1 && lengths.size(0) == batch, ShapeError, op,
             ": expected one length per sequence (", batch, "), got lengths of shape ", lengths.sizes());
  return values(lengths);
}

Tensor indices(const Integers& list, Device device) { return tensor(list, kInt64).to(device); }

// The rest of a shape behind `lead`.
Shape with_rest(std::initializer_list<int64_t> lead, const Tensor& t, size_t skip) {
  Shape out;
  for (const int64_t n : lead) out.push_back(n);
  for (size_t d = skip; d < t.sizes().size(); ++d) out.push_back(t.sizes()[d]);
  return out;
}

Tensor inverse(const Integers& order, Device device) {
  Integers out(order.size());
  for (size_t i = 0; i < order.size(); ++i) out[static_cast<size_t>(order[i])] = static_cast<int64_t>(i);
  return indices(out, device);
}

}  // namespace

PackedSequence pack_padded_sequence(const Tensor& input, const Tensor& lengths, bool batch_first,
                                    bool enforce_sorted) {
  CLEW_CHECK(input.dim() >= 2, ShapeError, "pack_padded_sequence: expected input of shape (T, B, *), got ",
             input.sizes());
  const int64_t batch = input.size(batch_first ? 0 : 1), steps = input.size(batch_first ? 1 : 0);
  Integers length = lengths_of("pack_padded_sequence", lengths, batch);
  CLEW_CHECK(!length.empty() && std::ranges::min(length) > 0 && std::ranges::max(length) <= steps, ShapeError,
             "pack_padded_sequence: expected lengths in [1, ", steps, "], got ", IntArrayRef(length));
  PackedSequence out;
  Tensor x = batch_first ? transpose(input, 0, 1) : input;
  if (!enforce_sorted) {
    Integers order(length.size());
    std::iota(order.begin(), order.end(), int64_t{0});
    // The longest first, equal ones as they came.
    std::ranges::sort(order, [&](int64_t a, int64_t b) {
      const int64_t m = length[static_cast<size_t>(a)], n = length[static_cast<size_t>(b)];
      return m != n ? m > n : a < b;
    });
    std::ranges::sort(length, std::greater());
    out.sorted_indices = indices(order, input.device());
    out.unsorted_indices = inverse(order, input.device());
    x = index_select(x, 1, out.sorted_indices);
  } else {
    CLEW_CHECK(std::ranges::is_sorted(length, std::greater()), ShapeError,
               "pack_padded_sequence: expected lengths that fall, got ", IntArrayRef(length),
               " (enforce_sorted=false sorts the sequences)");
  }
  const int64_t longest = length[0];
  Integers rows, sizes;
  for (int64_t t = 0; t < longest; ++t) {
    int64_t b = 0;
    for (; b < batch && length[static_cast<size_t>(b)] > t; ++b) rows.push_back(t * batch + b);
    sizes.push_back(b);
  }
  const Tensor flat = reshape(narrow(x, 0, 0, longest), with_rest({longest * batch}, x, 2));
  out.data = index_select(flat, 0, indices(rows, input.device()));
  out.batch_sizes = tensor(sizes, kInt64);
  return out;
}

std::pair<Tensor, Tensor> pad_packed_sequence(const PackedSequence& sequence, bool batch_first,
                                              double padding_value, std::optional<int64_t> total_length) {
  const Integers sizes = values(sequence.batch_sizes);
  CLEW_CHECK(!sizes.empty(), ShapeError, "pad_packed_sequence: expected at least one step, got none");
  const auto steps = static_cast<int64_t>(sizes.size());
  const int64_t batch = sizes[0], total = total_length.value_or(steps);
  CLEW_CHECK(total >= steps, ValueError, "pad_packed_sequence: expected total_length >= ", steps,
             ", the longest sequence, got ", total);
  Integers rows, length(static_cast<size_t>(batch), 0);
  for (int64_t t = 0; t < steps; ++t) {
    for (int64_t b = 0; b < std::min(sizes[static_cast<size_t>(t)], batch); ++b) {
      rows.push_back(t * batch + b);
      ++length[static_cast<size_t>(b)];
    }
  }
  const Tensor& data = sequence.data;
  const Tensor blank = full(with_rest({total * batch}, data, 1), padding_value, data.options());
  const Tensor where[] = {indices(rows, data.device())};
  Tensor padded = reshape(index_put(blank, where, data), with_rest({total, batch}, data, 1));
  Tensor lengths = tensor(length, kInt64);
  if (sequence.unsorted_indices.defined()) {
    padded = index_select(padded, 1, sequence.unsorted_indices);
    lengths = index_select(lengths, 0, sequence.unsorted_indices.to(kCPU));
  }
  return {batch_first ? transpose(padded, 0, 1) : padded, lengths};
}

Tensor pad_sequence(const TensorList& sequences, bool batch_first, double padding_value,
                    std::string_view padding_side) {
  CLEW_CHECK(padding_side == "right" || padding_side == "left", ShapeError,
             "pad_sequence: expected padding_side 'right' or 'left', got '", padding_side, "'");
  CLEW_CHECK(!sequences.empty(), ShapeError, "pad_sequence: expected at least one sequence, got none");
  const Tensor& first = sequences[0];
  const auto batch = static_cast<int64_t>(sequences.size());
  int64_t steps = 0;
  for (size_t i = 0; i < sequences.size(); ++i) {
    const Tensor& s = sequences[i];
    CLEW_CHECK(s.dim() > 0 && with_rest({}, s, 1) == with_rest({}, first, 1), ShapeError,
               "pad_sequence: expected sequences alike but for their length, got ", first.sizes(),
               " at index 0 and ", s.sizes(), " at index ", i);
    steps = std::max(steps, s.size(0));
  }
  Integers rows;
  for (int64_t b = 0; b < batch; ++b) {
    const int64_t length = sequences[static_cast<size_t>(b)].size(0);
    const int64_t start = padding_side == "right" ? 0 : steps - length;
    for (int64_t t = start; t < start + length; ++t)
      rows.push_back(batch_first ? b * steps + t : t * batch + b);
  }
  const Tensor blank = full(with_rest({steps * batch}, first, 1), padding_value, first.options());
  const Tensor where[] = {indices(rows, first.device())};
  const Tensor padded = index_put(blank, where, cat(sequences).to(first.dtype()));
  return reshape(padded,
                 batch_first ? with_rest({batch, steps}, first, 1) : with_rest({steps, batch}, first, 1));
}

TensorList unpad_sequence(const Tensor& padded, const Tensor& lengths, bool batch_first) {
  const Tensor x = batch_first ? padded : transpose(padded, 0, 1);
  const Integers length = lengths_of("unpad_sequence", lengths, x.size(0));
  TensorList out = unbind(x);
  for (size_t i = 0; i < out.size(); ++i) out[i] = narrow(out[i], 0, 0, length[i]);
  return out;
}

PackedSequence pack_sequence(const TensorList& sequences, bool enforce_sorted) {
  Integers lengths;
  for (const Tensor& s : sequences) lengths.push_back(s.dim() > 0 ? s.size(0) : 0);
  return pack_padded_sequence(pad_sequence(sequences), tensor(lengths, kInt64), false, enforce_sorted);
}

TensorList unpack_sequence(const PackedSequence& sequence) {
  const auto [padded, lengths] = pad_packed_sequence(sequence);
  return unpad_sequence(padded, lengths);
}

}  // namespace clew::nn::utils::rnn
