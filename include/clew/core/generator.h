// Random numbers: a Philox counter stream. A value depends on (seed, offset, element index) only.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>

#include "clew/core/macros.h"

namespace clew {

/// A stream of random numbers. Copies share state; safe to use from several threads.
class CLEW_API Generator {
 public:
  explicit Generator(uint64_t seed = kDefaultSeed);
  static constexpr uint64_t kDefaultSeed = 67280421310721;

  struct State {
    uint64_t seed, offset;
  };
  void manual_seed(uint64_t seed);
  uint64_t initial_seed() const;
  State state() const;
  void set_state(State s);
  /// Claims `blocks` counter blocks (four 32-bit numbers each) and returns where they start.
  State advance(uint64_t blocks);
  bool same_as(const Generator& o) const { return shared_ == o.shared_; }

 private:
  friend CLEW_API Generator& default_generator();
  struct Shared {
    std::mutex mutex;
    State state;
  };
  std::shared_ptr<Shared> shared_;
};

CLEW_API Generator& default_generator();
/// Seeds the default generator of every device.
CLEW_API void manual_seed(uint64_t seed);

}  // namespace clew
