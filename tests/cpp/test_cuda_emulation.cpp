// The emulator that kernels run on without a GPU: does it mean what CUDA means, and does it find mistakes?
#include <catch2/catch.hpp>
#include <cstdlib>
#include <string>
#include <vector>

#include "clew/core/error.h"
#include "tests/cuda_emulation/emulation.h"

namespace {

constexpr int kBlockThreads = 64;
constexpr unsigned kEveryLane = 0xffffffffu;

__global__ void warp_values(int* down, int* up, int* cross, int* from, unsigned* ballot) {
  const int i = static_cast<int>(threadIdx.x);
  down[i] = __shfl_down_sync(kEveryLane, i, 3);
  up[i] = __shfl_up_sync(kEveryLane, i, 3);
  cross[i] = __shfl_xor_sync(kEveryLane, i, 5);
  from[i] = __shfl_sync(kEveryLane, i, 7);
  ballot[i] = __ballot_sync(kEveryLane, i % 3 == 0);
}

__global__ void wrong_mask() { __syncwarp(threadIdx.x == 3 ? 1u : kEveryLane); }

// Turns the elements of each block round by way of shared memory; `barrier` false forgets the barrier.
__global__ void reverse(const int* in, int* out, bool barrier) {
  CLEW_SHARED(int, tile, kBlockThreads);
  const unsigned i = threadIdx.x, at = blockIdx.x * kBlockThreads;
  tile[i] = in[at + i];
  if (barrier) __syncthreads();
  out[at + i] = tile[kBlockThreads - 1 - i];
}

__global__ void early_return() {
  if (threadIdx.x >= 40) return;
  __syncthreads();
}

__global__ void half_a_warp(double* out) {
  double v = threadIdx.x;
  if (threadIdx.x < 16) {
    for (unsigned by = 8; by > 0; by /= 2) v += __shfl_down_sync(0xffffu, v, by);
  }
  out[threadIdx.x] = v;
}

__global__ void counts(int* total, int* dynamic_bytes_are_garbage) {
  CLEW_DYNAMIC_SHARED(unsigned char, bytes);
  if (threadIdx.x == 0 && threadIdx.y == 0) *dynamic_bytes_are_garbage += bytes[0] != 0 && bytes[99] != 0;
  atomicAdd(total, static_cast<int>(blockIdx.y * 100 + threadIdx.y));
}

struct Shuffled {
  Shuffled() { setenv("CLEW_EMULATION_SHUFFLE", "3", 1); }
  ~Shuffled() { unsetenv("CLEW_EMULATION_SHUFFLE"); }
};

}  // namespace

TEST_CASE("emulated warps exchange values", "[cuda][emulation]") {
  std::vector<int> down(64), up(64), cross(64), from(64);
  std::vector<unsigned> ballot(64);
  CLEW_LAUNCH(warp_values, 1, 64, 0, nullptr, down.data(), up.data(), cross.data(), from.data(),
              ballot.data());
  for (int i = 0; i < 64; ++i) {
    const int lane = i % 32, base = i - lane;
    CHECK(down[static_cast<size_t>(i)] == (lane + 3 < 32 ? i + 3 : i));
    CHECK(up[static_cast<size_t>(i)] == (lane >= 3 ? i - 3 : i));
    CHECK(cross[static_cast<size_t>(i)] == base + (lane ^ 5));
    CHECK(from[static_cast<size_t>(i)] == base + 7);
    unsigned expected = 0;
    for (int k = 0; k < 32; ++k) expected |= static_cast<unsigned>((base + k) % 3 == 0) << k;
    CHECK(ballot[static_cast<size_t>(i)] == expected);
  }
  std::vector<double> sums(32);
  CLEW_LAUNCH(half_a_warp, 1, 32, 0, nullptr, sums.data());
  CHECK(sums[0] == 120);
  CHECK(sums[20] == 20);
}

TEST_CASE("emulated barriers hold, and a missing one shows", "[cuda][emulation]") {
  std::vector<int> in(3 * kBlockThreads), out(in.size()), expected(in.size());
  for (size_t i = 0; i < in.size(); ++i) {
    in[i] = static_cast<int>(i);
    expected[i] = static_cast<int>(i / kBlockThreads * kBlockThreads + kBlockThreads - 1 - i % kBlockThreads);
  }
  CLEW_LAUNCH(reverse, 3, kBlockThreads, 0, nullptr, in.data(), out.data(), true);
  CHECK(out == expected);
  CLEW_LAUNCH(reverse, 3, kBlockThreads, 0, nullptr, in.data(), out.data(), false);
  CHECK(out != expected);  // the first threads read what the last have not written
  const Shuffled order;
  CLEW_LAUNCH(reverse, 3, kBlockThreads, 0, nullptr, in.data(), out.data(), true);
  CHECK(out == expected);
}

TEST_CASE("threads that leave before a barrier are an error", "[cuda][emulation]") {
  try {
    CLEW_LAUNCH(early_return, 1, 64, 0, nullptr);
    FAIL("expected an error");
  } catch (const clew::InternalError& e) {
    const std::string text = e.what();
    INFO(text);
    CHECK(text.find("early_return") != std::string::npos);
    CHECK(text.find("40 at the barrier") != std::string::npos);
    CHECK(text.find("24 that had returned") != std::string::npos);
  }
  CHECK_THROWS_AS(([] { CLEW_LAUNCH(wrong_mask, 1, 32, 0, nullptr); }()), clew::InternalError);
  std::vector<double> sums(32);  // it runs on after that
  CLEW_LAUNCH(half_a_warp, 1, 32, 0, nullptr, sums.data());
  CHECK(sums[0] == 120);
}

TEST_CASE("emulated grids have all their blocks and threads", "[cuda][emulation]") {
  int total = 0, garbage = 0;
  CLEW_LAUNCH(counts, dim3(2, 3), dim3(1, 4), 100, nullptr, &total, &garbage);
  CHECK(total == 2 * (4 * 300 + 3 * 6));
  CHECK(garbage == 6);
  CHECK_THROWS_AS(clew::emulation::launch("too many threads", 1, 1025, 0, [] {}), clew::InternalError);
  CHECK_THROWS_AS(clew::emulation::launch("no block", 0, 32, 0, [] {}), clew::InternalError);
}
