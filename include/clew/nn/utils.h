// Gradient clipping, parameters as one vector, sequences of different lengths.
#pragma once

#include <optional>
#include <string_view>
#include <utility>

#include "clew/core/tensor.h"

namespace clew::nn::utils {

/// Scales the gradients of `parameters` so that their norm together is at most `max_norm`:
/// the factor is max_norm / (norm + 1e-6), never above 1. Returns the norm before. With `error_if_nonfinite`
/// raises ValueError for a norm that is not finite.
CLEW_API Tensor clip_grad_norm_(const TensorList& parameters, double max_norm, double norm_type = 2,
                                bool error_if_nonfinite = false);
/// Clamps every gradient to [-clip_value, clip_value].
CLEW_API void clip_grad_value_(const TensorList& parameters, double clip_value);

/// The norm of all tensors together, a 0-dim tensor.
CLEW_API Tensor get_total_norm(const TensorList& tensors, double norm_type = 2,
                               bool error_if_nonfinite = false);
/// What clip_grad_norm_ does once the norm is known.
CLEW_API void clip_grads_with_norm_(const TensorList& parameters, double max_norm, const Tensor& total_norm);

/// All parameters one after the other, flat; gradients flow back.
CLEW_API Tensor parameters_to_vector(const TensorList& parameters);
/// Writes the parts of `vector` into the parameters. Raises ShapeError unless it has as many elements.
CLEW_API void vector_to_parameters(const Tensor& vector, const TensorList& parameters);

namespace rnn {

/// The steps of several sequences without padding, as RNN, LSTM and GRU take them.
struct CLEW_API PackedSequence {
  Tensor data;         // the first step of every sequence, then the second, ...; the longest sequence first
  Tensor batch_sizes;  // how many sequences have a step t; int64 (T,), on the CPU
  Tensor sorted_indices;    // which sequence stands where; undefined when they came sorted
  Tensor unsorted_indices;  // the inverse
};

/// Leaves out the padding of `input` (T, B, *), or (B, T, *) with batch_first. Without `enforce_sorted` the
/// sequences are sorted by length. Raises ShapeError for lengths outside [1, T], another number of them than
/// sequences, or lengths that do not fall where they must.
CLEW_API PackedSequence pack_padded_sequence(const Tensor& input, const Tensor& lengths,
                                             bool batch_first = false, bool enforce_sorted = true);
/// Undoes pack_padded_sequence: (padded, lengths). Raises ValueError for a total_length below the longest.
CLEW_API std::pair<Tensor, Tensor> pad_packed_sequence(const PackedSequence& sequence,
                                                       bool batch_first = false, double padding_value = 0,
                                                       std::optional<int64_t> total_length = std::nullopt);
/// Stacks tensors (T_i, *) into (T, B, *), or (B, T, *) with batch_first. Raises ShapeError for none, or for
/// tensors that differ in more than their length; also unless padding_side is "right" or "left".
CLEW_API Tensor pad_sequence(const TensorList& sequences, bool batch_first = false, double padding_value = 0,
                             std::string_view padding_side = "right");
/// Undoes pad_sequence: views.
CLEW_API TensorList unpad_sequence(const Tensor& padded, const Tensor& lengths, bool batch_first = false);
/// pack_padded_sequence of pad_sequence.
CLEW_API PackedSequence pack_sequence(const TensorList& sequences, bool enforce_sorted = true);
/// Undoes pack_sequence.
CLEW_API TensorList unpack_sequence(const PackedSequence& sequence);

}  // namespace rnn

}  // namespace clew::nn::utils
