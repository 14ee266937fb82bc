#include "clew/core/generator.h"

#include <pthread.h>

namespace clew {

Generator::Generator(uint64_t seed) : shared_(std::make_shared<Shared>()) { shared_->state = {seed, 0}; }

void Generator::manual_seed(uint64_t seed) { set_state({seed, 0}); }

uint64_t Generator::initial_seed() const { return state().seed; }

Generator::State Generator::state() const {
  std::lock_guard lock(shared_->mutex);
  return shared_->state;
}

void Generator::set_state(State s) {
  std::lock_guard lock(shared_->mutex);
  shared_->state = s;
}

Generator::State Generator::advance(uint64_t blocks) {
  std::lock_guard lock(shared_->mutex);
  const State before = shared_->state;
  shared_->state.offset += blocks;
  return before;
}

Generator& default_generator() {
  static Generator* g = [] {
    static Generator* made = new Generator;
    // A forked child must not find the lock held by a thread that it does not have.
    pthread_atfork([] { made->shared_->mutex.lock(); }, [] { made->shared_->mutex.unlock(); },
                   [] { made->shared_->mutex.unlock(); });
    return made;
  }();
  return *g;
}

void manual_seed(uint64_t seed) { default_generator().manual_seed(seed); }

}  // namespace clew
