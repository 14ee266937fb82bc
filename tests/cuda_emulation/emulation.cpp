#include "tests/cuda_emulation/emulation.h"

#include <sys/mman.h>
#include <ucontext.h>

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "clew/core/error.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace clew::emulation {

thread_local Where here;

namespace {

constexpr size_t kStackBytes = size_t{256} << 10;
constexpr unsigned char kGarbage = 0xcb;

enum class State : uint8_t { New, Ready, AtBlockBarrier, AtWarp, Done };

// Where a thread of execution stands. swapcontext() would do, but for its two system calls each time.
#if defined(__x86_64__)
using Context = void*;  // its stack pointer; all else that must be kept lies on its stack
extern "C" void clew_emulation_switch(void** from, void* to);
asm(R"(
  .text
  .type clew_emulation_switch, @function
clew_emulation_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
  .size clew_emulation_switch, . - clew_emulation_switch
)");
void change_over(Context& from, Context& to) { clew_emulation_switch(&from, to); }
void prepare(Context& context, void* stack, size_t nbytes, void (*main)()) {
  // As if `main` were about to be called: six registers, then where to return to; behind that the stack is
  // aligned as after a call.
  void** top = reinterpret_cast<void**>(static_cast<char*>(stack) + nbytes) - 10;
  std::fill(top, top + 10, nullptr);
  top[6] = reinterpret_cast<void*>(main);
  context = top;
}
#else
using Context = ucontext_t;
void change_over(Context& from, Context& to) { swapcontext(&from, &to); }
void prepare(Context& context, void* stack, size_t nbytes, void (*main)()) {
  getcontext(&context);
  context.uc_stack.ss_sp = stack;
  context.uc_stack.ss_size = nbytes;
  context.uc_link = nullptr;
  makecontext(&context, main, 0);
}
#endif

// A stack on which threads run, one after another unless one has to wait.
struct Fiber {
  Context context{};
  void* stack = nullptr;
  unsigned thread = 0;  // the one that it runs
  void* fake_stack = nullptr;

  Fiber() {
    // A page at the end that faults: kernels with large frames must not run into other memory.
    stack =
        mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    CLEW_CHECK(stack != MAP_FAILED, OutOfMemoryError, "emulation: expected memory for a fiber, got none");
    mprotect(stack, 4096, PROT_NONE);
  }
  ~Fiber() {
#if defined(__SANITIZE_ADDRESS__)
    __asan_unpoison_memory_region(stack, kStackBytes);  // frames that were given up leave their marks
#endif
    munmap(stack, kStackBytes);
  }
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;
};

struct Warp {
  uint64_t values[32];
  uint32_t arrived = 0;
  uint32_t mask = 0;  // of the collective under way
};

struct Thread {
  State state = State::New;
  Dim3 at;
  Fiber* fiber = nullptr;
};

struct Freed {
  void operator()(void* p) const { std::free(p); }
};
using Bytes = std::unique_ptr<void, Freed>;

Bytes garbage(size_t nbytes) {
  // Of the exact size, so that the sanitizer sees the first byte behind it.
  Bytes p(std::malloc(std::max<size_t>(nbytes, 1)));
  memset(p.get(), kGarbage, nbytes);
  return p;
}

class Block {
 public:
  Block(const char* name, Dim3 threads, size_t shared_bytes, const std::function<void()>& kernel)
      : name_(name), kernel_(kernel), dynamic_(garbage(shared_bytes)) {
    const unsigned n = threads.x * threads.y * threads.z;
    threads_.resize(n);
    warps_.resize((n + 31) / 32);
    for (unsigned i = 0; i < n; ++i)
      threads_[i].at = Dim3(i % threads.x, i / threads.x % threads.y, i / (threads.x * threads.y));
  }

  void run(const std::vector<unsigned>& order);
  void suspend(State why);
  void body();

  unsigned current = 0;
  std::vector<Warp>& warps() { return warps_; }
  std::vector<Thread>& threads() { return threads_; }
  void* dynamic_shared() { return dynamic_.get(); }
  void* shared(const void* variable, size_t nbytes) {
    Bytes& memory = shared_[variable];
    if (!memory) memory = garbage(nbytes);
    return memory.get();
  }

 private:
  void resume(Fiber* fiber);
  [[noreturn]] void stuck() const;
  static void give_up();

  const char* name_;
  const std::function<void()>& kernel_;
  Bytes dynamic_;
  std::map<const void*, Bytes> shared_;
  std::vector<Thread> threads_;
  std::vector<Warp> warps_;
  std::exception_ptr failure_;
};

// The scheduler's side of this host thread. Stacks are kept for the next block.
struct Machine {
  Context scheduler{};
  void* fake_stack = nullptr;
  const void* stack = nullptr;
  size_t stack_bytes = 0;
  Block* block = nullptr;
  std::vector<std::unique_ptr<Fiber>> fibers;
  std::vector<Fiber*> idle;
};
thread_local Machine machine;

void leave_to_scheduler(Fiber* fiber) {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(&fiber->fake_stack, machine.stack, machine.stack_bytes);
#endif
  change_over(fiber->context, machine.scheduler);
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(fiber->fake_stack, &machine.stack, &machine.stack_bytes);
#endif
}

void fiber_main() {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(nullptr, &machine.stack, &machine.stack_bytes);
#endif
  // Runs thread after thread; between two it belongs to nobody.
  while (true) {
    Block& block = *machine.block;
    Fiber* fiber = block.threads()[block.current].fiber;
    block.body();
    leave_to_scheduler(fiber);
  }
}

Fiber* new_fiber() {
  machine.fibers.push_back(std::make_unique<Fiber>());
  Fiber* fiber = machine.fibers.back().get();
  prepare(fiber->context, fiber->stack, kStackBytes, fiber_main);
  return fiber;
}

void Block::body() {
  // A fiber has no caller to throw to: the scheduler throws for it.
  try {
    kernel_();
  } catch (...) {
    failure_ = std::current_exception();
  }
  threads_[current].state = State::Done;
}

void Block::resume(Fiber* fiber) {
  current = fiber->thread;
  here.thread = threads_[current].at;
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(&machine.fake_stack, fiber->stack, kStackBytes);
#endif
  change_over(machine.scheduler, fiber->context);
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(machine.fake_stack, nullptr, nullptr);
#endif
}

void Block::suspend(State why) {
  Thread& self = threads_[current];
  self.state = why;
  const unsigned mine = current;
  leave_to_scheduler(self.fiber);
  current = mine;
}

/// Drops the threads that wait: their stacks hold nothing that needs its destructor.
void Block::give_up() {
  machine.idle.clear();
  machine.fibers.clear();
}

void Block::stuck() const {
  unsigned waiting = 0, done = 0, at_warp = 0;
  for (const Thread& t : threads_) {
    waiting += t.state == State::AtBlockBarrier;
    at_warp += t.state == State::AtWarp;
    done += t.state == State::Done;
  }
  give_up();
  detail::raise<InternalError>("emulation: expected all threads of a block of ", name_,
                               " at its barrier, got ", waiting, " at the barrier, ", at_warp,
                               " at a warp collective, ", done, " that had returned");
}

void Block::run(const std::vector<unsigned>& order) {
  size_t next = 0;
  const auto n = static_cast<unsigned>(threads_.size());
  while (true) {
    bool ran = false;
    const auto go_on = [&](unsigned i) {
      Thread& t = threads_[i];
      t.state = State::Ready;
      resume(t.fiber);
      ran = true;
      if (failure_) {
        give_up();
        std::rethrow_exception(failure_);
      }
      if (t.state == State::Done) {
        machine.idle.push_back(t.fiber);
        t.fiber = nullptr;
      }
    };
    for (unsigned i : order) {
      if (threads_[i].state == State::Ready) go_on(i);
    }
    for (; next < n; ++next) {
      const unsigned i = order[next];
      if (machine.idle.empty()) {
        machine.idle.push_back(new_fiber());
      }
      threads_[i].fiber = machine.idle.back();
      machine.idle.pop_back();
      threads_[i].fiber->thread = i;
      go_on(i);
    }
    if (ran) continue;
    unsigned done = 0, waiting = 0;
    for (const Thread& t : threads_) {
      done += t.state == State::Done;
      waiting += t.state == State::AtBlockBarrier;
    }
    if (done == n) return;
    if (waiting != n) stuck();
    for (Thread& t : threads_) t.state = State::Ready;
  }
}

/// Arrives at the collective of `mask`; returns when all its lanes have.
void arrive(uint32_t mask) {
  Block& block = *machine.block;
  const unsigned warp = block.current / 32, mine = lane();
  Warp& w = block.warps()[warp];
  if (((mask >> mine) & 1) == 0)
    detail::raise<InternalError>("emulation: expected a mask with the calling lane ", mine, ", got ", mask);
  w.arrived |= 1u << mine;
  // Lanes beyond the block's last thread are not there to wait for.
  const unsigned first = warp * 32,
                 there = std::min<unsigned>(32, static_cast<unsigned>(block.threads().size()) - first);
  const uint32_t wanted = there == 32 ? mask : mask & ((1u << there) - 1);
  if ((w.arrived & wanted) != wanted) return block.suspend(State::AtWarp);
  w.arrived &= ~wanted;
  for (unsigned i = 0; i < there; ++i) {
    Thread& t = block.threads()[first + i];
    if (((wanted >> i) & 1) != 0 && i != mine && t.state == State::AtWarp) t.state = State::Ready;
  }
}

}  // namespace

unsigned lane() { return machine.block->current % 32; }
void block_barrier() { machine.block->suspend(State::AtBlockBarrier); }
void warp_barrier(uint32_t mask) { arrive(mask); }

const uint64_t* gather(uint32_t mask, uint64_t value) {
  Warp& w = machine.block->warps()[machine.block->current / 32];
  w.values[lane()] = value;
  arrive(mask);
  return w.values;
}
// Nobody gives a new value before all have read the old ones.
void release_gathered(uint32_t mask) { arrive(mask); }

uint64_t exchange(uint32_t mask, uint64_t value, unsigned source) {
  const uint64_t result = gather(mask, value)[source % 32];
  release_gathered(mask);
  return result;
}

void* shared_memory(const void* variable, size_t nbytes) { return machine.block->shared(variable, nbytes); }
void* dynamic_shared_memory() { return machine.block->dynamic_shared(); }

void launch(const char* name, Dim3 blocks, Dim3 threads, size_t shared_bytes,
            const std::function<void()>& kernel) {
  const unsigned n = threads.x * threads.y * threads.z;
  CLEW_CHECK(n >= 1 && n <= 1024 && threads.z <= 64 && blocks.x >= 1 && blocks.y >= 1 && blocks.z >= 1 &&
                 blocks.y < 65536 && blocks.z < 65536 && shared_bytes <= (size_t{227} << 10),
             InternalError, "emulation: expected a launch of ", name, " that a device takes, got ", blocks.x,
             " x ", blocks.y, " x ", blocks.z, " blocks of ", n, " threads with ", shared_bytes, " bytes");
  std::vector<unsigned> order(n);
  for (unsigned i = 0; i < n; ++i) order[i] = i;
  if (const char* seed = std::getenv("CLEW_EMULATION_SHUFFLE"); seed != nullptr && *seed != '\0')
    std::shuffle(order.begin(), order.end(), std::mt19937(static_cast<unsigned>(std::atoi(seed))));
  const Where outside = here;
  here.threads = threads;
  here.blocks = blocks;
  for (unsigned z = 0; z < blocks.z; ++z) {
    for (unsigned y = 0; y < blocks.y; ++y) {
      for (unsigned x = 0; x < blocks.x; ++x) {
        here.block = Dim3(x, y, z);
        Block block(name, threads, shared_bytes, kernel);
        machine.block = &block;
        block.run(order);
      }
    }
  }
  machine.block = nullptr;
  here = outside;
}

}  // namespace clew::emulation
