// What an op and a training step cost in C++. Prints one line of JSON; benchmarks/frontend.py runs it beside
// Python.
#include <algorithm>
#include <cstdio>
#include <ctime>
#include <functional>
#include <vector>

#include "clew/clew.h"

using namespace clew;

namespace {

// Processor time of this thread, so that other programs on the machine count little.
double now_ns() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e9 + static_cast<double>(t.tv_nsec);
}

// Nanoseconds of one call: the median over rounds of `calls` in a row.
double nanoseconds(int calls, const std::function<void()>& f) {
  for (int i = 0; i < calls; ++i) f();
  std::vector<double> rounds;
  for (int round = 0; round < 15; ++round) {
    const double start = now_ns();
    for (int i = 0; i < calls; ++i) f();
    rounds.push_back((now_ns() - start) / calls);
  }
  std::ranges::nth_element(rounds, rounds.begin() + 7);
  return rounds[7];
}

}  // namespace

int main() {
  set_num_threads(1);
  manual_seed(0);
  const Tensor a = ones({1}), b = ones({1}), w = ones({1}).set_requires_grad(true);
  constexpr int kInner = 100;
  const double plain = nanoseconds(200, [&] {
    for (int i = 0; i < kInner; ++i) Tensor c = add(a, b);
  });
  const double taped = nanoseconds(200, [&] {
    for (int i = 0; i < kInner; ++i) Tensor c = add(w, b);
  });

  const nn::Sequential net(nn::Linear(1000, 100), nn::ReLU(), nn::Linear(100, 10));
  optim::SGD optimizer(net.parameters(), {.lr = 1e-3});
  const Tensor x = randn({64, 1000}), y = randn({64, 10});
  const double step = nanoseconds(50, [&] {
    optimizer.zero_grad();
    mse_loss(net(x), y).backward();
    optimizer.step();
  });
  std::printf("{\"add\": %.2f, \"add_with_tape\": %.2f, \"two_layer_step\": %.1f}\n", plain / kInner,
              taped / kInner, step);
}
