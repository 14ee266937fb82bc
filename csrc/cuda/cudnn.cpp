#include "cuda/cudnn.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "core/library_switches.h"
#include "cuda/cudnn_plan.h"

namespace clew::cuda {
namespace {

constexpr size_t kCandidates = 5;  // plans that are kept, for timing and for when memory is short

struct Choice {
  std::vector<cudnn::Plan> plans;  // the best first
  bool timed = false;
};

/// Handles by device, plans by key. They live as long as the process.
struct Library {
  std::mutex mutex;
  std::array<void*, kMaxDevices> handles{};
  std::unordered_map<ConvKey, Choice, ConvKeyHash> choices;
};
Library& library() {
  static Library& instance = *new Library;  // never destroyed: the driver may be gone by then
  return instance;
}

struct Call {
  void* handle;
  const ConvPlan& conv;
  const Launch& launch;

  /// False when the device has no memory for the plan's workspace.
  bool run(const cudnn::Plan& plan) const {
    std::unique_ptr<Workspace> workspace;
    try {
      workspace = std::make_unique<Workspace>(launch, static_cast<size_t>(plan.workspace_bytes));
    } catch (const OutOfMemoryError&) {
      return false;
    }
    cudnn::execute(plan, handle, launch.stream(), conv.input, conv.weight, conv.output,
                   workspace->as<void>());
    return true;
  }
  double time_ms(const cudnn::Plan& plan) const {
    const OwnedEvent start(true), end(true);
    if (!run(plan)) return HUGE_VAL;  // warm; the output is written again anyhow
    driver().record_event(start.get(), launch.stream());
    if (!run(plan)) return HUGE_VAL;
    driver().record_event(end.get(), launch.stream());
    driver().synchronize_event(end.get());
    return driver().elapsed_ms(start.get(), end.get());
  }
};

/// The plans in order of the time that they took here.
void sort_by_time(Choice& choice, const Call& call) {
  std::vector<std::pair<double, size_t>> times;
  times.reserve(choice.plans.size());
  for (size_t i = 0; i < choice.plans.size(); ++i) times.emplace_back(call.time_ms(choice.plans[i]), i);
  std::sort(times.begin(), times.end());
  std::vector<cudnn::Plan> sorted;
  sorted.reserve(choice.plans.size());
  for (const auto& [ms, i] : times) sorted.push_back(std::move(choice.plans[i]));
  choice.plans.swap(sorted);
  choice.timed = true;
}

}  // namespace

int64_t cudnn_version(std::string* problem) {
  if (!driver().has_libraries()) {
    *problem = "this device runs no libraries";
  } else if (!cudnn::available()) {
    *problem = cudnn::problem() + " (pip install nvidia-cudnn-cu13)";
  } else {
    return cudnn::version();
  }
  return 0;
}

bool run_cudnn(ConvKind kind, DType dtype, const ConvPlan& plan, const Launch& launch) {
  const LibrarySwitches& switches = library_switches();
  if (!is_floating(dtype) || !driver().has_libraries() || !switches.cudnn || !cudnn::available())
    return false;
  ConvKey key = conv_key(kind, dtype, plan, kConvWorkspaceLimit);
  key.device = launch.device();
  key.tf32 = switches.cudnn_tf32 && dtype == DType::Float32;
  key.deterministic = switches.cudnn_deterministic;
  Library& l = library();
  const std::lock_guard lock(l.mutex);
  void*& handle = l.handles[static_cast<size_t>(launch.device())];
  if (handle == nullptr) handle = cudnn::create_handle();
  auto found = l.choices.find(key);
  if (found == l.choices.end())
    found = l.choices.emplace(key, Choice{cudnn::make_plans(key, {.handle = handle}, kCandidates)}).first;
  Choice& choice = found->second;
  const Call call{handle, plan, launch};
  if (switches.cudnn_benchmark && !choice.timed) sort_by_time(choice, call);
  for (const cudnn::Plan& candidate : choice.plans) {
    if (call.run(candidate)) return true;
  }
  return false;
}

}  // namespace clew::cuda
