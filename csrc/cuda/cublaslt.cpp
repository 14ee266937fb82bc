// The few functions of cuBLASLt that are needed are declared here, so that building takes no header of it;
// names and values are those of its interface, version 13.
#include "cuda/cublaslt.h"

#include <array>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "core/library_switches.h"
#include "cuda/matmul_key.h"
#include "cuda/shared_library.h"

namespace clew::cuda {
namespace {

constexpr size_t kWorkspaceLimit = size_t{32} << 20;

// cuBLASLt's enumerations, as far as used.
enum : int { kRealFloat = 0, kRealDouble = 1, kRealHalf = 2, kRealBFloat16 = 14 };
enum : int { kCompute32F = 68, kCompute64F = 70, kComputeFastTf32 = 77 };
enum : int { kDescTransA = 3, kDescTransB = 4, kDescEpilogue = 7, kDescBiasPointer = 8 };
enum : int { kLayoutBatchCount = 5, kLayoutBatchStride = 6 };
enum : int {
  kPrefMaxWorkspace = 1,
  kPrefReductionMask = 3,
  kPrefAlignA = 5,
  kPrefAlignB = 6,
  kPrefAlignC = 7,
  kPrefAlignD = 8
};
constexpr int32_t kOpTranspose = 1;
constexpr uint32_t kEpilogueBias = 4;
// Partial sums that meet in the output by whichever comes first are left out: results repeat.
constexpr uint32_t kOrderedReductions = 2 | 4;

struct Algorithm {
  uint64_t data[8];
};
struct Heuristic {
  Algorithm algorithm;
  size_t workspace_bytes;
  int status;
  float waves;
  int reserved[4];
};

struct Api {
  SharedLibrary library{"libcublasLt.so.13"};
  size_t (*version)() = nullptr;
  int (*create)(void** handle) = nullptr;
  int (*matmul)(void* handle, void* desc, const void* alpha, const void* a, void* layout_a, const void* b,
                void* layout_b, const void* beta, const void* c, void* layout_c, void* d, void* layout_d,
                const Algorithm* algorithm, void* workspace, size_t workspace_bytes, void* stream) = nullptr;
  int (*heuristic)(void* handle, void* desc, void* layout_a, void* layout_b, void* layout_c, void* layout_d,
                   void* preference, int wanted, Heuristic* results, int* count) = nullptr;
  int (*desc_create)(void** desc, int compute, int scale) = nullptr;
  int (*desc_destroy)(void* desc) = nullptr;
  int (*desc_set)(void* desc, int attribute, const void* value, size_t nbytes) = nullptr;
  int (*layout_create)(void** layout, int type, uint64_t rows, uint64_t columns, int64_t ld) = nullptr;
  int (*layout_destroy)(void* layout) = nullptr;
  int (*layout_set)(void* layout, int attribute, const void* value, size_t nbytes) = nullptr;
  int (*preference_create)(void** preference) = nullptr;
  int (*preference_destroy)(void* preference) = nullptr;
  int (*preference_set)(void* preference, int attribute, const void* value, size_t nbytes) = nullptr;

  Api() {
    library.find(version, "cublasLtGetVersion");
    library.find(create, "cublasLtCreate");
    library.find(matmul, "cublasLtMatmul");
    library.find(heuristic, "cublasLtMatmulAlgoGetHeuristic");
    library.find(desc_create, "cublasLtMatmulDescCreate");
    library.find(desc_destroy, "cublasLtMatmulDescDestroy");
    library.find(desc_set, "cublasLtMatmulDescSetAttribute");
    library.find(layout_create, "cublasLtMatrixLayoutCreate");
    library.find(layout_destroy, "cublasLtMatrixLayoutDestroy");
    library.find(layout_set, "cublasLtMatrixLayoutSetAttribute");
    library.find(preference_create, "cublasLtMatmulPreferenceCreate");
    library.find(preference_destroy, "cublasLtMatmulPreferenceDestroy");
    library.find(preference_set, "cublasLtMatmulPreferenceSetAttribute");
  }
};
const Api& api() {
  static const Api instance;
  return instance;
}

void check(int status, const char* call) {
  CLEW_CHECK(status == 0, DeviceError, "cublasLt: expected ", call, " to succeed, got status ", status);
}

/// Owns one of the library's descriptors.
template <int (*Api::*kDestroy)(void*)>
class Descriptor {
 public:
  Descriptor() = default;
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (handle_ != nullptr) (api().*kDestroy)(handle_);
  }
  void** put() { return &handle_; }
  void* get() const { return handle_; }

 private:
  void* handle_ = nullptr;
};
using Desc = Descriptor<&Api::desc_destroy>;
using Layout = Descriptor<&Api::layout_destroy>;
using Preference = Descriptor<&Api::preference_destroy>;

template <class T>
void set(int (*setter)(void*, int, const void*, size_t), void* handle, int attribute, T value) {
  check(setter(handle, attribute, &value, sizeof(T)), "setting an attribute");
}

int type_of(DType t) {
  return t == DType::Float64    ? kRealDouble
         : t == DType::Float16  ? kRealHalf
         : t == DType::BFloat16 ? kRealBFloat16
                                : kRealFloat;
}

void describe(const Layout& layout, uint64_t rows, uint64_t columns, int64_t ld, const MatmulKey& key,
              int64_t stride, void** put) {
  check(api().layout_create(put, type_of(static_cast<DType>(key.dtype)), rows, columns, ld),
        "cublasLtMatrixLayoutCreate");
  if (key.batch == 1) return;
  set<int32_t>(api().layout_set, layout.get(), kLayoutBatchCount, static_cast<int32_t>(key.batch));
  set<int64_t>(api().layout_set, layout.get(), kLayoutBatchStride, stride);
}

/// Descriptors and algorithm of one kind of product.
struct Plan {
  Desc desc;
  Layout a, b, d;
  Algorithm algorithm{};
  size_t workspace_bytes = 0;
  bool found = false;

  /// `bias`: the first one, whose alignment the algorithm is chosen for.
  Plan(const MatmulKey& key, void* handle, const void* bias) {
    const auto dtype = static_cast<DType>(key.dtype);
    const bool is_double = dtype == DType::Float64;
    check(api().desc_create(desc.put(),
                            is_double       ? kCompute64F
                            : key.tf32 != 0 ? kComputeFastTf32
                                            : kCompute32F,
                            is_double ? kRealDouble : kRealFloat),
          "cublasLtMatmulDescCreate");
    if (key.transpose_a != 0) set<int32_t>(api().desc_set, desc.get(), kDescTransA, kOpTranspose);
    if (key.transpose_b != 0) set<int32_t>(api().desc_set, desc.get(), kDescTransB, kOpTranspose);
    if (key.bias != 0) {
      set<uint32_t>(api().desc_set, desc.get(), kDescEpilogue, kEpilogueBias);
      set<const void*>(api().desc_set, desc.get(), kDescBiasPointer, bias);
    }
    const auto m = static_cast<uint64_t>(key.rows), n = static_cast<uint64_t>(key.columns),
               k = static_cast<uint64_t>(key.depth);
    describe(a, key.transpose_a != 0 ? k : m, key.transpose_a != 0 ? m : k, key.lda, key, key.stride_a,
             a.put());
    describe(b, key.transpose_b != 0 ? n : k, key.transpose_b != 0 ? k : n, key.ldb, key, key.stride_b,
             b.put());
    describe(d, m, n, key.ldd, key, key.stride_d, d.put());

    Preference preference;
    check(api().preference_create(preference.put()), "cublasLtMatmulPreferenceCreate");
    const auto prefer = [&]<class T>(int attribute, T value) {
      set<T>(api().preference_set, preference.get(), attribute, value);
    };
    prefer(kPrefMaxWorkspace, static_cast<uint64_t>(kWorkspaceLimit));
    prefer(kPrefReductionMask, kOrderedReductions);
    prefer(kPrefAlignA, uint32_t{1} << key.align_a);
    prefer(kPrefAlignB, uint32_t{1} << key.align_b);
    prefer(kPrefAlignC, uint32_t{1} << key.align_d);
    prefer(kPrefAlignD, uint32_t{1} << key.align_d);
    Heuristic best{};
    int count = 0;
    const int status = api().heuristic(handle, desc.get(), a.get(), b.get(), d.get(), d.get(),
                                       preference.get(), 1, &best, &count);
    found = status == 0 && count > 0 && best.status == 0;
    algorithm = best.algorithm;
    workspace_bytes = best.workspace_bytes;
  }
};

/// Handles by device, plans by key. They live as long as the process.
class Plans {
 public:
  void* handle(int device) {
    const std::lock_guard lock(mutex_);
    void*& h = handles_[static_cast<size_t>(device)];
    if (h == nullptr) check(api().create(&h), "cublasLtCreate");
    return h;
  }
  /// Runs `use(plan)` while nobody else changes the plan's descriptors.
  template <class Use>
  void with(const MatmulKey& key, void* handle, const void* bias, Use&& use) {
    const std::lock_guard lock(mutex_);
    std::unique_ptr<Plan>& plan = plans_[key];
    if (!plan) plan = std::make_unique<Plan>(key, handle, bias);
    use(*plan);
  }

 private:
  std::mutex mutex_;
  std::array<void*, kMaxDevices> handles_{};
  std::unordered_map<MatmulKey, std::unique_ptr<Plan>, MatmulKeyHash> plans_;
};
Plans& plans() {
  static Plans& instance = *new Plans;  // never destroyed: the driver may be gone by then
  return instance;
}

}  // namespace

int64_t cublaslt_version(std::string* problem) {
  if (!driver().has_libraries()) {
    *problem = "this device runs no libraries";
    return 0;
  }
  if (!api().library.ok()) {
    *problem = api().library.problem();
    return 0;
  }
  return static_cast<int64_t>(api().version());
}

bool run_cublaslt(DType dtype, const Gemm& gemm, const void* bias, const Launch& launch) {
  if (!driver().has_libraries() || !library_switches().cublas || !api().library.ok()) return false;
  const std::optional<LibraryMatmul> call =
      library_matmul(dtype, gemm, bias, library_switches().matmul_tf32, launch.device());
  if (!call) return false;
  bool done = false;
  void* handle = plans().handle(launch.device());
  plans().with(call->key, handle, bias, [&](const Plan& plan) {
    if (!plan.found) return;
    if (bias != nullptr) set<const void*>(api().desc_set, plan.desc.get(), kDescBiasPointer, bias);
    const Workspace workspace(launch, plan.workspace_bytes);
    const float alpha = static_cast<float>(gemm.alpha), beta = static_cast<float>(gemm.beta);
    const bool wide = dtype == DType::Float64;
    check(
        api().matmul(handle, plan.desc.get(), wide ? static_cast<const void*>(&gemm.alpha) : &alpha, call->a,
                     plan.a.get(), call->b, plan.b.get(), wide ? static_cast<const void*>(&gemm.beta) : &beta,
                     gemm.c, plan.d.get(), gemm.c, plan.d.get(), &plan.algorithm, workspace.as<void>(),
                     plan.workspace_bytes, launch.stream()),
        "cublasLtMatmul");
    done = true;
  });
  return done;
}

}  // namespace clew::cuda
