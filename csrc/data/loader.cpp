#include "clew/data/loader.h"

#include <algorithm>
#include <numeric>

#include "clew/autograd/grad_mode.h"
#include "clew/ops/ops.h"

namespace clew::data {

Sampler sequential_sampler(int64_t size) {
  return [size] {
    std::vector<int64_t> rows(static_cast<size_t>(size));
    std::iota(rows.begin(), rows.end(), int64_t{0});
    return rows;
  };
}

Sampler random_sampler(int64_t size, std::optional<Generator> generator) {
  return [size, generator = std::move(generator)] {
    const Tensor order = randperm(size, generator);
    return std::vector<int64_t>(order.data<int64_t>(), order.data<int64_t>() + size);
  };
}

Sampler weighted_sampler(const Tensor& weights, int64_t count, bool replacement,
                         std::optional<Generator> generator) {
  return [weights, count, replacement, generator = std::move(generator)] {
    const Tensor drawn = multinomial(weights, count, replacement, generator);
    return std::vector<int64_t>(drawn.data<int64_t>(), drawn.data<int64_t>() + count);
  };
}

namespace detail {

void check_options(const DataLoaderOptions& o) {
  CLEW_CHECK(o.batch_size > 0, ValueError, "DataLoader: expected batch_size > 0, got ", o.batch_size);
  CLEW_CHECK(o.workers >= 0, ValueError, "DataLoader: expected workers >= 0, got ", o.workers);
  CLEW_CHECK(o.prefetch > 0, ValueError, "DataLoader: expected prefetch > 0, got ", o.prefetch);
  CLEW_CHECK(!o.sampler || !o.shuffle, ValueError,
             "DataLoader: expected shuffle=false with a sampler, got true");
}

std::vector<std::vector<int64_t>> batches_of(const std::vector<int64_t>& rows, int64_t batch_size,
                                             bool drop_last) {
  std::vector<std::vector<int64_t>> out;
  const auto n = static_cast<int64_t>(rows.size());
  for (int64_t b = 0; b < n; b += batch_size) {
    const int64_t e = std::min(b + batch_size, n);
    if (e - b == batch_size || !drop_last) out.emplace_back(rows.begin() + b, rows.begin() + e);
  }
  return out;
}

Pipeline::Pipeline(int64_t count, int workers, int64_t ahead, Make make)
    : count_(count), ahead_(ahead), make_(std::move(make)), ring_(static_cast<size_t>(ahead)) {
  for (int i = 0; i < workers; ++i) threads_.emplace_back([this] { work(); });
}

Pipeline::~Pipeline() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  taken_.notify_all();
  for (std::thread& t : threads_) t.join();
}

void Pipeline::work() {
  const NoGradGuard guard;
  std::unique_lock lock(mutex_);
  while (true) {
    taken_.wait(lock, [&] { return stop_ || next_made_ == count_ || next_made_ < next_taken_ + ahead_; });
    if (stop_ || next_made_ == count_) return;
    const int64_t k = next_made_++;
    lock.unlock();
    Slot slot;
    try {
      slot.batch = make_(k);
    } catch (...) {
      slot.error = std::current_exception();
    }
    lock.lock();
    ring_[static_cast<size_t>(k % ahead_)] = std::move(slot);
    made_.notify_all();
  }
}

std::optional<Example> Pipeline::next() {
  if (next_taken_ == count_) return std::nullopt;
  if (threads_.empty()) {
    const NoGradGuard guard;
    return make_(next_taken_++);
  }
  std::unique_lock lock(mutex_);
  Slot& slot = ring_[static_cast<size_t>(next_taken_ % ahead_)];
  made_.wait(lock, [&] { return slot.batch || slot.error; });
  Slot out = std::exchange(slot, Slot());
  ++next_taken_;
  taken_.notify_all();
  if (out.error) {
    next_taken_ = count_;
    std::rethrow_exception(out.error);
  }
  return std::move(out.batch);
}

}  // namespace detail
}  // namespace clew::data
