// The tape from C++: long chains, threads with shared leaves, versions, hooks, views, gradcheck.
#include <atomic>
#include <catch2/catch.hpp>
#include <string>
#include <thread>
#include <vector>

#include "clew/autograd/autograd.h"
#include "clew/core/memory.h"
#include "clew/ops/ops.h"

using namespace clew;  // NOLINT(google-build-using-namespace)

namespace {

int64_t live_bytes() { return cpu_memory_stats().allocated_bytes; }

Tensor leaf(IntArrayRef shape, uint64_t seed = 0) {
  return randn(shape, Generator(seed), TensorOptions(kFloat64)).set_requires_grad(true);
}

template <class F>
std::string message_of(F&& f) {
  try {
    f();
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

bool holds(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("gradients of a small graph", "[tape]") {
  const Tensor x = tensor({1.0, 2.0, 3.0}).set_requires_grad(true);
  const Tensor y = tensor({4.0, 5.0, 6.0}).set_requires_grad(true);
  sum(x * y + x).backward();
  CHECK(equal(x.grad(), tensor({5.0, 6.0, 7.0})));
  CHECK(equal(y.grad(), tensor({1.0, 2.0, 3.0})));
  sum(x * 2).backward();
  CHECK(equal(x.grad(), tensor({7.0, 8.0, 9.0})));
}

TEST_CASE("a million ops run backward and are freed without recursion", "[tape]") {
  const int64_t before = live_bytes();
  {
    const Tensor x = ones({1}).set_requires_grad(true);
    Tensor y = x;
    for (int i = 0; i < 1'000'000; ++i) y = y + 1;
    y.backward();
    CHECK(x.grad().item<double>() == 1.0);
    y = x;
    for (int i = 0; i < 1'000'000; ++i) y = y * 1;
  }
  CHECK(live_bytes() == before);
}

TEST_CASE("live bytes return after backward", "[tape]") {
  const Tensor w = leaf({8, 4}), x = leaf({5, 4}, 1).detach();
  auto step = [&] {
    sum(square(tanh(linear(x, w)))).backward();
    w.set_grad({});
  };
  step();
  const int64_t before = live_bytes();
  for (int i = 0; i < 10; ++i) step();
  CHECK(live_bytes() == before);
}

TEST_CASE("the block of a small tensor stays until body and storage are gone", "[memory]") {
  const int64_t before = live_bytes();
  {
    Tensor x = full({3}, 5.0);
    const Tensor view = x.detach();
    x.set_data(zeros({1000}));  // too large to be one block
    CHECK(x.sizes() == IntArrayRef{1000});
    CHECK(equal(view, full({3}, 5.0)));
    x.set_data(view);  // its own again
    CHECK(x.raw_data() == view.raw_data());
    x.set_data(x.detach());
    x.set_data(ones({2}));
    const Tensor last = x.detach();
    x = Tensor();
    CHECK(equal(view, full({3}, 5.0)));
    CHECK(equal(last, ones({2})));
  }
  CHECK(live_bytes() == before);
  // Around the size up to which body and data are one block.
  for (int64_t n = 1; n < 600; n += 7) {
    const Tensor y = full({n}, 1.0);
    CHECK(reinterpret_cast<uintptr_t>(y.raw_data()) % 64 == 0);
    CHECK(sum(y.detach()).item<double>() == static_cast<double>(n));
  }
  CHECK(live_bytes() == before);
}

TEST_CASE("threads run backward on graphs that share leaves", "[tape][threads]") {
  constexpr int kThreads = 4, kSteps = 200;
  const Tensor w = ones({16, 16}).set_requires_grad(true);
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&w, t] {
      const Tensor x = full({4, 16}, t + 1.0);
      for (int i = 0; i < kSteps; ++i) sum(matmul(x, w)).backward();
    });
  }
  for (std::thread& t : threads) t.join();
  // Small integers: exact in float32, whatever the order.
  CHECK(equal(w.grad(), full({16, 16}, double{kSteps} * 4 * (1 + 2 + 3 + 4))));
}

TEST_CASE("threads share one retained graph", "[tape][threads]") {
  const Tensor x = leaf({64});
  const Tensor h = exp(x * 2);
  const Tensor loss = sum(h);
  const Tensor expected = (h * 2).detach();
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 100; ++i) wrong += !equal(autograd::grad({loss}, {x}, {}, true)[0], expected);
    });
  }
  for (std::thread& t : threads) t.join();
  CHECK(wrong == 0);
}

TEST_CASE("tensors and nodes end on another thread", "[tape][threads]") {
  const int64_t before = live_bytes();
  {
    std::vector<Tensor> made;
    std::thread maker([&made] {
      const Tensor x = ones({10}).set_requires_grad(true);
      for (int i = 0; i < 1000; ++i) made.push_back(exp(x * i));
    });
    maker.join();
    std::thread user([&made] {
      for (const Tensor& t : made) sum(t).backward({}, true);
    });
    user.join();
  }
  CHECK(live_bytes() == before);
}

TEST_CASE("a leaf's last handle goes while its gradient arrives", "[tape][threads]") {
  const int64_t before = live_bytes();
  for (int round = 0; round < 500; ++round) {
    Tensor x = ones({2}).set_requires_grad(true);
    const Tensor y = sum(x * 2);
    std::atomic<bool> go{false};
    std::thread other([&] {
      while (!go) {
      }
      y.backward();
    });
    go = true;
    x = Tensor();
    other.join();
  }
  CHECK(live_bytes() == before);
}

TEST_CASE("large ops of several threads share the workers", "[tape][threads]") {
  const Tensor x = rand({512, 512}, Generator(3));
  const Tensor expected = exp(x).sum({0});
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 20; ++i) wrong += !equal(exp(x).sum({0}), expected);
    });
  }
  for (std::thread& t : threads) t.join();
  CHECK(wrong == 0);
}

TEST_CASE("grad mode belongs to its thread", "[tape][threads]") {
  const Tensor x = leaf({2});
  const NoGradGuard guard;
  CHECK_FALSE((x * 2).requires_grad());
  bool recorded = false;
  std::thread([&] { recorded = (x * 2).requires_grad(); }).join();
  CHECK(recorded);
}

TEST_CASE("a stale saved tensor raises", "[tape]") {
  const Tensor x = leaf({3});
  const Tensor h = x * 1;
  const Tensor y = sum(h * h);
  add_(h, ones({3}));
  const std::string text = message_of([&] { y.backward(); });
  CHECK(holds(text, "MulBackward: expected a saved tensor of shape (3,) at version 0, got version 1"));
  CHECK(holds(text, "add_"));
}

TEST_CASE("tape errors say what to do", "[tape]") {
  const Tensor x = leaf({3});
  CHECK(holds(message_of([&] { add_(x, ones({3})); }), "leaf"));
  const Tensor y = sum(x * x);
  y.backward();
  CHECK(holds(message_of([&] { y.backward(); }), "retain_graph"));
  CHECK_THROWS_AS((x * 2).backward(), Error);
  CHECK_THROWS_AS(ones({}).backward(), AutogradError);
  CHECK_THROWS_AS(autograd::grad({sum(x)}, {leaf({2})}), AutogradError);
  CHECK_THROWS_AS(zeros({2}, TensorOptions(kInt64)).set_requires_grad(true), DTypeError);
}

TEST_CASE("in-place writes through views rewrite the base's history", "[tape]") {
  const Tensor x = leaf({3, 4}), y = leaf({4}, 1);
  const Tensor a = x * 1;
  const Tensor row = select(a, 0, 1);
  mul_(row, y);
  sum(a * a).backward();
  const Tensor scaled = x.detach().select(0, 1) * y.detach();
  CHECK(equal(x.grad().select(0, 1), scaled * 2 * y.detach()));
  CHECK(equal(x.grad().select(0, 0), x.detach().select(0, 0) * 2));
  CHECK(equal(y.grad(), scaled * 2 * x.detach().select(0, 1)));
}

TEST_CASE("hooks run in order, replace, and can be removed", "[tape]") {
  const Tensor x = leaf({2});
  const Tensor h = x * 1;
  std::string order;
  const uint64_t first = autograd::register_hook(h, [&](const Tensor& g) {
    order += "a";
    return g * 10;
  });
  autograd::register_hook(h, [&](const Tensor&) {
    order += "b";
    return Tensor();
  });
  sum(h).backward({}, true);
  CHECK(order == "ab");
  CHECK(equal(x.grad(), full({2}, 10, TensorOptions(kFloat64))));
  autograd::remove_hook(h, first);
  sum(h).backward();
  CHECK(order == "abb");
  CHECK(equal(x.grad(), full({2}, 11, TensorOptions(kFloat64))));
}

TEST_CASE("gradcheck accepts right gradients and names wrong ones", "[tape]") {
  const TensorList inputs{leaf({3, 4}), leaf({4}, 1)};
  const autograd::TensorFunction f = [](const TensorList& in) -> TensorList {
    return {softmax(in[0] * in[1], 1), logsumexp(in[0], {0})};
  };
  CHECK(autograd::gradcheck(f, inputs).empty());
  CHECK(autograd::gradcheck(f, inputs, {.check_second = true}).empty());
  // Detaching a factor halves the gradient of a square.
  const autograd::TensorFunction wrong = [](const TensorList& in) -> TensorList {
    return {in[0] * in[0].detach()};
  };
  CHECK(holds(autograd::gradcheck(wrong, {inputs[0]}), "expected gradient"));
}

TEST_CASE("higher derivatives", "[tape]") {
  const Tensor x = tensor(1.5, TensorOptions(kFloat64)).set_requires_grad(true);
  Tensor y = pow(x, weak_scalar_tensor(4.0));
  for (const double expected : {4 * 1.5 * 1.5 * 1.5, 12 * 1.5 * 1.5, 24 * 1.5}) {
    y = autograd::grad({y}, {x}, {}, true, true)[0];
    CHECK(y.item<double>() == Approx(expected));
  }
}

TEST_CASE("inference tensors stay off the tape", "[tape]") {
  const Tensor x = leaf({3});
  Tensor y;
  {
    const InferenceMode mode;
    y = x * 2;
  }
  CHECK_FALSE(y.requires_grad());
  CHECK(holds(message_of([&] { sum(x * y).backward(); }), "inference"));
}
