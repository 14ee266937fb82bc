// Datasets: anything with `get(i)` and `size()`; examples of tensors are stacked into batches.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "clew/core/tensor.h"

namespace clew::data {

/// One sample, or one batch: stacked samples.
struct Example {
  Tensor data, target;
};

template <class D>
concept Dataset = requires(const D& d, int64_t i) {
  { d.get(i) } -> std::convertible_to<Example>;
  { d.size() } -> std::convertible_to<int64_t>;
};

/// A dataset that makes whole batches by itself, faster than by stacking samples.
template <class D>
concept BatchDataset = Dataset<D> && requires(const D& d, const std::vector<int64_t>& rows) {
  { d.get_batch(rows) } -> std::convertible_to<Example>;
};

/// Rows of tensors in memory; a batch is one gather. Raises ShapeError unless both have the same number of
/// rows.
class CLEW_API TensorDataset {
 public:
  explicit TensorDataset(Tensor data, Tensor target = {});
  Example get(int64_t i) const;
  Example get_batch(const std::vector<int64_t>& rows) const;
  int64_t size() const { return data_.size(0); }
  const Tensor& data() const { return data_; }
  const Tensor& target() const { return target_; }

 private:
  Tensor data_, target_;
};

/// Part of a dataset.
template <Dataset D>
class Subset {
 public:
  Subset(D dataset, std::vector<int64_t> indices)
      : dataset_(std::move(dataset)), indices_(std::move(indices)) {}
  Example get(int64_t i) const { return dataset_.get(indices_.at(static_cast<size_t>(i))); }
  int64_t size() const { return static_cast<int64_t>(indices_.size()); }

 private:
  D dataset_;
  std::vector<int64_t> indices_;
};

/// Datasets of one class, one after the other.
template <Dataset D>
class ConcatDataset {
 public:
  /// Raises ValueError for none.
  explicit ConcatDataset(std::vector<D> parts) : parts_(std::move(parts)) {
    CLEW_CHECK(!parts_.empty(), ValueError, "ConcatDataset: expected at least one dataset, got none");
    for (const D& d : parts_) ends_.push_back((ends_.empty() ? 0 : ends_.back()) + d.size());
  }
  /// Raises IndexError.
  Example get(int64_t i) const {
    CLEW_CHECK(i >= 0 && i < size(), IndexError, "ConcatDataset: expected an index in [0, ", size(),
               "), got ", i);
    const auto part = static_cast<size_t>(std::ranges::upper_bound(ends_, i) - ends_.begin());
    return parts_[part].get(i - (part == 0 ? 0 : ends_[part - 1]));
  }
  int64_t size() const { return ends_.back(); }

 private:
  std::vector<D> parts_;
  std::vector<int64_t> ends_;
};

/// A dataset seen through a function of Example.
template <Dataset D, std::invocable<Example> F>
class MapDataset {
 public:
  MapDataset(D dataset, F f) : dataset_(std::move(dataset)), f_(std::move(f)) {}
  Example get(int64_t i) const { return f_(dataset_.get(i)); }
  int64_t size() const { return dataset_.size(); }

 private:
  D dataset_;
  F f_;
};
template <Dataset D, std::invocable<Example> F>
MapDataset<D, F> map(D dataset, F f) {
  return {std::move(dataset), std::move(f)};
}

/// Splits a dataset at random into parts of the given lengths, by the default generator. Raises ValueError
/// unless they add up to its size.
CLEW_API std::vector<std::vector<int64_t>> random_split_indices(int64_t size,
                                                                const std::vector<int64_t>& lengths);
template <Dataset D>
std::vector<Subset<D>> random_split(const D& dataset, const std::vector<int64_t>& lengths) {
  std::vector<Subset<D>> out;
  for (auto& rows : random_split_indices(dataset.size(), lengths)) out.emplace_back(dataset, std::move(rows));
  return out;
}

// ---- transforms -----------------------------------------------------------------------------------

namespace transforms {

/// (x - mean) / std. For a channel each: shapes (C, 1, 1).
struct Normalize {
  double mean, std;
  CLEW_API Example operator()(Example e) const;
};

/// Functions of Example one after the other.
struct Compose {
  std::vector<std::function<Example(Example)>> steps;
  CLEW_API Example operator()(Example e) const;
};

/// Samples to a batch: a new first dimension.
struct Stack {
  CLEW_API Example operator()(const std::vector<Example>& samples) const;
};

}  // namespace transforms

// ---- files ----------------------------------------------------------------------------------------

/// Reads a file in the IDX format of the MNIST digits (its header names type and sizes). Raises
/// FileFormatError.
CLEW_API Tensor read_idx(const std::filesystem::path& path);
/// Writes uint8, int8, int16, int32, float32 or float64 in that format.
CLEW_API void write_idx(const Tensor& tensor, const std::filesystem::path& path);

struct CsvOptions {
  char separator = ',';
  int64_t skip_rows = 0;  // a header, say
};
/// Reads numbers, one row a line, into float32 (rows, columns). Raises FileFormatError with the line and
/// column of what is no number, and for rows of unequal length.
CLEW_API Tensor read_csv(const std::filesystem::path& path, const CsvOptions& options = {});

/// The rows of a CSV file as a dataset: one column is the target, float32 (N,), the others the data, float32
/// (N, columns - 1). A negative column counts from the end. Raises as read_csv, and IndexError for a column
/// that is not there.
CLEW_API TensorDataset csv_rows(const std::filesystem::path& path, const CsvOptions& options = {},
                                int64_t target_column = -1);

/// Images and labels in IDX files as a dataset: float32 images (N, 1, H, W) in [0, 1], int64 labels (N,).
CLEW_API TensorDataset idx_images(const std::filesystem::path& images, const std::filesystem::path& labels);

}  // namespace clew::data
