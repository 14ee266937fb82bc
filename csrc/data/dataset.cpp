#include "clew/data/dataset.h"

#include <numeric>

#include "clew/autograd/grad_mode.h"
#include "clew/ops/ops.h"

namespace clew::data {
namespace {
Tensor rows_of(const Tensor& t, const std::vector<int64_t>& rows) {
  if (!t.defined()) return {};
  const Tensor index =
      from_blob(const_cast<int64_t*>(rows.data()), {static_cast<int64_t>(rows.size())}, kInt64);
  return index_select(t, 0, index);
}
}  // namespace

TensorDataset::TensorDataset(Tensor data, Tensor target)
    : data_(std::move(data)), target_(std::move(target)) {
  CLEW_CHECK(data_.defined() && data_.dim() > 0, ShapeError,
             "TensorDataset: expected data with a first dimension of rows, got none");
  CLEW_CHECK(!target_.defined() || (target_.dim() > 0 && target_.size(0) == data_.size(0)), ShapeError,
             "TensorDataset: expected as many targets as rows, got shapes ", data_.sizes(), " and ",
             target_.defined() ? target_.sizes() : IntArrayRef());
}

Example TensorDataset::get(int64_t i) const {
  return {select(data_, 0, i), target_.defined() ? select(target_, 0, i) : Tensor()};
}

Example TensorDataset::get_batch(const std::vector<int64_t>& rows) const {
  return {rows_of(data_, rows), rows_of(target_, rows)};
}

std::vector<std::vector<int64_t>> random_split_indices(int64_t size, const std::vector<int64_t>& lengths) {
  const int64_t total = std::accumulate(lengths.begin(), lengths.end(), int64_t{0});
  CLEW_CHECK(total == size, ValueError, "random_split: expected lengths that add up to ", size, ", got ",
             total);
  const Tensor order = randperm(size);
  const int64_t* next = order.data<int64_t>();
  std::vector<std::vector<int64_t>> out;
  for (const int64_t n : lengths) {
    CLEW_CHECK(n >= 0, ValueError, "random_split: expected lengths >= 0, got ", n);
    out.emplace_back(next, next + n);
    next += n;
  }
  return out;
}

namespace transforms {

Example Normalize::operator()(Example e) const {
  const NoGradGuard guard;
  return {(e.data - mean) / std, std::move(e.target)};
}

Example Compose::operator()(Example e) const {
  for (const auto& step : steps) e = step(std::move(e));
  return e;
}

Example Stack::operator()(const std::vector<Example>& samples) const {
  CLEW_CHECK(!samples.empty(), ValueError, "Stack: expected at least one sample, got none");
  TensorList data, target;
  for (const Example& e : samples) {
    data.push_back(e.data);
    if (e.target.defined()) target.push_back(e.target);
  }
  CLEW_CHECK(target.empty() || target.size() == data.size(), ValueError,
             "Stack: expected a target for every sample or for none, got ", target.size(), " of ",
             data.size());
  return {stack(data), target.empty() ? Tensor() : stack(target)};
}

}  // namespace transforms

}  // namespace clew::data
