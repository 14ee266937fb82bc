#include "clew/core/parallel.h"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "clew/core/error.h"

namespace clew {
namespace {

thread_local constinit bool inside_region = false;

// How long a worker spins for the next region before it sleeps: eager ops follow each other closely,
// and waking a sleeper costs some 45 us. On one core spinning would only steal time.
constexpr int kSpinRounds = 2000;

int initial_threads() {
  if (const char* text = std::getenv("CLEW_NUM_THREADS")) {
    const int n = std::atoi(text);
    if (n >= 1) return std::min(n, 1024);
  }
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}
std::atomic<int> num_threads{0};

void pause_cpu() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

struct Region {
  int64_t begin, end, piece;
  detail::RangeFn fn;
  void* context;
  std::atomic<int64_t> next;
  std::mutex error_mutex;
  std::exception_ptr error;

  void work() {
    inside_region = true;
    for (;;) {
      const int64_t b = next.fetch_add(piece, std::memory_order_relaxed);
      if (b >= end) break;
      try {
        fn(context, b, std::min(b + piece, end));
      } catch (...) {
        std::lock_guard lock(error_mutex);
        if (!error) error = std::current_exception();
      }
    }
    inside_region = false;
  }
};

class Pool {
 public:
  // One region at a time; a second thread that finds the pool busy runs its region alone.
  bool try_run(Region& region, int workers) {
    std::unique_lock owner(owner_, std::try_to_lock);
    if (!owner) return false;
    grow(workers);
    {
      std::lock_guard lock(mutex_);
      region_ = &region;
      wanted_ = workers;
      running_.store(0, std::memory_order_relaxed);
      generation_.fetch_add(1, std::memory_order_release);
    }
    wake_.notify_all();
    region.work();
    {
      // Workers that have not joined by now find nothing left; those inside are awaited.
      std::lock_guard lock(mutex_);
      region_ = nullptr;
    }
    while (running_.load(std::memory_order_acquire) != 0) pause_cpu();
    return true;
  }

 private:
  void grow(int workers) {
    while (static_cast<int>(count_) < workers) {
      std::thread([this] { loop(); }).detach();
      ++count_;
    }
  }

  void loop() {
    uint64_t seen = 0;
    for (;;) {
      for (int i = 0; i < kSpinRounds && generation_.load(std::memory_order_acquire) == seen; ++i)
        pause_cpu();
      Region* region = nullptr;
      {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [&] { return generation_.load(std::memory_order_relaxed) != seen; });
        seen = generation_.load(std::memory_order_relaxed);
        if (region_ != nullptr && wanted_ > 0) {
          --wanted_;
          region = region_;
          running_.fetch_add(1, std::memory_order_relaxed);
        }
      }
      if (region != nullptr) {
        region->work();
        running_.fetch_sub(1, std::memory_order_release);
      }
    }
  }

  std::mutex owner_, mutex_;
  std::condition_variable wake_;
  std::atomic<uint64_t> generation_{0};
  std::atomic<int> running_{0};
  Region* region_ = nullptr;
  int wanted_ = 0;
  size_t count_ = 0;
};

std::atomic<Pool*> the_pool{nullptr};

Pool& pool() {
  // Not std::call_once: its thread-locals belong to libstdc++, and reached by our TLS model they would keep
  // the library from loading after another one that loaded libstdc++ late.
  [[maybe_unused]] static const bool made = [] {
    the_pool = new Pool;
    // A forked child has no workers: it starts over with a new pool.
    pthread_atfork(nullptr, nullptr, [] { the_pool = new Pool; });
    return true;
  }();
  return *the_pool.load(std::memory_order_relaxed);
}

}  // namespace

int get_num_threads() {
  int n = num_threads.load(std::memory_order_relaxed);
  if (n == 0) {
    n = initial_threads();
    num_threads.store(n, std::memory_order_relaxed);
  }
  return n;
}

void set_num_threads(int n) {
  CLEW_CHECK(n >= 1 && n <= 1024, ValueError, "set_num_threads: expected n in [1, 1024], got ", n);
  num_threads.store(n, std::memory_order_relaxed);
}

bool in_parallel_region() { return inside_region; }

void detail::parallel_run(int64_t begin, int64_t end, int64_t grain, RangeFn fn, void* context) {
  const int threads = get_num_threads();
  const int64_t most_pieces = (end - begin + grain - 1) / std::max<int64_t>(grain, 1);
  if (threads == 1 || inside_region || most_pieces <= 1) {
    fn(context, begin, end);
    return;
  }
  // A few pieces per thread even out uneven speed.
  const int64_t pieces = std::min<int64_t>(most_pieces, int64_t{threads} * 4);
  Region region{begin, end, (end - begin + pieces - 1) / pieces, fn, context, {begin}, {}, {}};
  const int workers = static_cast<int>(std::min<int64_t>(threads, pieces)) - 1;
  if (!pool().try_run(region, workers)) region.work();
  if (region.error) std::rethrow_exception(region.error);
}

}  // namespace clew
