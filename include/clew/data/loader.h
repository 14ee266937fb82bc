// Batches of a dataset, made by threads ahead of their use.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "clew/core/generator.h"
#include "clew/data/dataset.h"

namespace clew::data {

// ---- samplers -------------------------------------------------------------------------------------

/// The rows of an epoch, in the order of their use.
using Sampler = std::function<std::vector<int64_t>()>;
CLEW_API Sampler sequential_sampler(int64_t size);
/// Every row once, in an order drawn anew each epoch; without a generator from the default one.
CLEW_API Sampler random_sampler(int64_t size, std::optional<Generator> generator = std::nullopt);
/// `count` rows drawn by weight. Raises ValueError for weights below 0 or none above.
CLEW_API Sampler weighted_sampler(const Tensor& weights, int64_t count, bool replacement = true,
                                  std::optional<Generator> generator = std::nullopt);

struct DataLoaderOptions {
  int64_t batch_size = 1;
  bool shuffle = false, drop_last = false;
  int workers = 0;                                    // threads; 0 makes each batch when it is asked for
  int64_t prefetch = 2;                               // batches that each worker may be ahead
  Sampler sampler = {};                               // in place of `shuffle`
  std::optional<Generator> generator = std::nullopt;  // of the order
};

namespace detail {

/// Runs `make(k)` for k in [0, count) on threads, and hands the results out in order.
class CLEW_API Pipeline {
 public:
  using Make = std::function<Example(int64_t)>;
  Pipeline(int64_t count, int workers, int64_t ahead, Make make);
  ~Pipeline();
  Pipeline(const Pipeline&) = delete;
  Pipeline& operator=(const Pipeline&) = delete;
  /// The next batch; nothing after the last. An exception of `make` is rethrown here.
  std::optional<Example> next();

 private:
  struct Slot {
    std::optional<Example> batch;
    std::exception_ptr error;
  };
  void work();

  int64_t count_, ahead_;
  Make make_;
  std::mutex mutex_;
  std::condition_variable made_, taken_;
  std::vector<Slot> ring_;
  int64_t next_made_ = 0, next_taken_ = 0;
  bool stop_ = false;
  std::vector<std::thread> threads_;
};

/// The rows of each batch.
CLEW_API std::vector<std::vector<int64_t>> batches_of(const std::vector<int64_t>& rows, int64_t batch_size,
                                                      bool drop_last);
CLEW_API void check_options(const DataLoaderOptions& o);

}  // namespace detail

/// Goes over a dataset in batches: `for (const Example& batch : loader)`. Every loop is a new epoch. Batches
/// come in the same order whatever the number of workers; `get` of the dataset is called from them at once.
template <Dataset D>
class DataLoader {
 public:
  DataLoader(D dataset, DataLoaderOptions options)
      : dataset_(std::make_shared<const D>(std::move(dataset))), o_(std::move(options)) {
    detail::check_options(o_);
    if (!o_.sampler) {
      o_.sampler =
          o_.shuffle ? random_sampler(dataset_->size(), o_.generator) : sequential_sampler(dataset_->size());
    }
  }

  /// Batches in an epoch of as many rows as the dataset has.
  int64_t size() const {
    const int64_t n = dataset_->size();
    return o_.drop_last ? n / o_.batch_size : (n + o_.batch_size - 1) / o_.batch_size;
  }
  const D& dataset() const { return *dataset_; }

  struct End {};
  class Iterator {
   public:
    const Example& operator*() const { return *batch_; }
    const Example* operator->() const { return &*batch_; }
    Iterator& operator++() {
      batch_ = pipeline_->next();
      return *this;
    }
    bool operator==(End) const { return !batch_.has_value(); }

   private:
    friend class DataLoader;
    explicit Iterator(std::shared_ptr<detail::Pipeline> p)
        : pipeline_(std::move(p)), batch_(pipeline_->next()) {}
    std::shared_ptr<detail::Pipeline> pipeline_;
    std::optional<Example> batch_;
  };

  Iterator begin() const {
    auto batches = std::make_shared<const std::vector<std::vector<int64_t>>>(
        detail::batches_of(o_.sampler(), o_.batch_size, o_.drop_last));
    const auto count = static_cast<int64_t>(batches->size());
    auto make = [dataset = dataset_, batches](int64_t k) -> Example {
      const std::vector<int64_t>& rows = (*batches)[static_cast<size_t>(k)];
      if constexpr (BatchDataset<D>) {
        return dataset->get_batch(rows);
      } else {
        std::vector<Example> samples;
        samples.reserve(rows.size());
        for (const int64_t row : rows) samples.push_back(dataset->get(row));
        return transforms::Stack()(samples);
      }
    };
    return Iterator(
        std::make_shared<detail::Pipeline>(count, o_.workers, o_.workers * o_.prefetch, std::move(make)));
  }
  End end() const { return {}; }

 private:
  std::shared_ptr<const D> dataset_;
  DataLoaderOptions o_;
};

template <Dataset D>
DataLoader<D> make_data_loader(D dataset, DataLoaderOptions options = {}) {
  return DataLoader<D>(std::move(dataset), std::move(options));
}

}  // namespace clew::data
