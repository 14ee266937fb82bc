// The functions of cuDNN that are needed are declared here, so that building takes no header of it; names and
// values are those of its backend interface, version 9.
#include "cuda/cudnn_plan.h"

#include <algorithm>
#include <array>

#include "clew/core/error.h"
#include "cuda/shared_library.h"

namespace clew::cuda {

size_t ConvKeyHash::operator()(const ConvKey& key) const {
  std::array<uint64_t, sizeof(ConvKey) / 8> words;
  std::memcpy(words.data(), &key, sizeof(key));
  uint64_t h = 0x9e3779b97f4a7c15u;
  for (uint64_t w : words) {
    h = (h ^ w) * 0xff51afd7ed558ccdu;
    h ^= h >> 32;
  }
  return h;
}

ConvKey conv_key(ConvKind kind, DType dtype, const ConvPlan& p, int64_t workspace_limit) {
  ConvKey key;
  const auto fill = [](int64_t(&sizes)[4], int64_t(&strides)[4], std::array<int64_t, 4> from) {
    int64_t step = 1;
    for (size_t d = 4; d-- > 0;) {
      sizes[d] = from[d];
      strides[d] = step;
      step *= from[d];
    }
  };
  fill(key.input, key.input_strides, {p.n, p.c_in, p.h, p.w});
  fill(key.weight, key.weight_strides, {p.c_out, p.c_in / p.groups, p.kh, p.kw});
  fill(key.output, key.output_strides, {p.n, p.c_out, p.oh, p.ow});
  const std::array<int64_t, 6> window{p.sh, p.sw, p.ph, p.pw, p.dh, p.dw};
  for (size_t d = 0; d < 2; ++d) {
    key.stride[d] = window[d];
    key.padding[d] = window[2 + d];
    key.dilation[d] = window[4 + d];
  }
  key.workspace_limit = workspace_limit;
  key.kind = static_cast<uint8_t>(kind);
  key.dtype = static_cast<uint8_t>(dtype);
  const auto all = reinterpret_cast<uintptr_t>(p.input) | reinterpret_cast<uintptr_t>(p.weight) |
                   reinterpret_cast<uintptr_t>(p.output) | 16;
  key.alignment = static_cast<int64_t>(all & (~all + 1));
  return key;
}

namespace cudnn {
namespace {

// cuDNN's enumerations, as far as used.
enum : int {
  kConvolution = 1,
  kEngine = 2,
  kEngineConfig = 3,
  kHeuristics = 4,
  kExecutionPlan = 5,
  kForward = 10,
  kBackwardFilter = 11,
  kBackwardData = 12,
  kOperationGraph = 15,
  kVariantPack = 16,
  kTensor = 17,
  kDevice = 38
};
enum : int {
  kTypeHandle = 0,
  kTypeDataType = 1,
  kTypeInt64 = 3,
  kTypeFloat = 4,
  kTypeDouble = 5,
  kTypePointer = 6,
  kTypeConvolutionMode = 7,
  kTypeHeuristicMode = 8,
  kTypeNumericalNote = 11,
  kTypeDescriptor = 15,
  kTypeBehaviorNote = 19,
  kTypeChar = 24
};
enum : int {
  kConvComputeType = 100,
  kConvMode = 101,
  kConvDilations = 102,
  kConvStrides = 103,
  kConvPostPaddings = 104,
  kConvPrePaddings = 105,
  kConvSpatialDims = 106,
  kHeurMode = 200,
  kHeurGraph = 201,
  kHeurResults = 202,
  kHeurDevice = 204,
  kConfigEngine = 300,
  kPlanHandle = 400,
  kPlanConfig = 401,
  kPlanWorkspace = 402,
  kPlanDevice = 407,
  kGraphHandle = 800,
  kGraphOps = 801,
  kTensorAlignment = 900,
  kTensorType = 901,
  kTensorSizes = 902,
  kTensorStrides = 903,
  kTensorId = 906,
  kPackIds = 1000,
  kPackPointers = 1001,
  kPackWorkspace = 1003,
  kEngineNumericalNotes = 1303,
  kEngineBehaviorNotes = 1305,
  kDeviceJson = 2702
};
// Operations: alpha, beta, convolution, weight, input, output, from these on.
constexpr int kForwardFirst = 700, kDataFirst = 706, kFilterFirst = 712;
constexpr int kCrossCorrelation = 1, kModeA = 3;
constexpr int kNoteTensorCore = 0, kNoteDownConvert = 1, kNoteNonDeterministic = 4;
constexpr int kNoteRuntimeCompilation = 0;
constexpr int64_t kInputId = 1, kWeightId = 2, kOutputId = 3;

struct Api {
  SharedLibrary library{"libcudnn.so.9"};
  size_t (*version)() = nullptr;
  void (*last_error)(char* text, size_t size) = nullptr;
  int (*create)(void** handle) = nullptr;
  int (*set_stream)(void* handle, void* stream) = nullptr;
  int (*descriptor_create)(int type, void** descriptor) = nullptr;
  int (*descriptor_destroy)(void* descriptor) = nullptr;
  int (*finalize)(void* descriptor) = nullptr;
  int (*set)(void* descriptor, int attribute, int type, int64_t count, const void* values) = nullptr;
  int (*get)(void* descriptor, int attribute, int type, int64_t room, int64_t* count, void* values) = nullptr;
  int (*execute)(void* handle, void* plan, void* pack) = nullptr;

  Api() {
    library.find(version, "cudnnGetVersion");
    library.find(last_error, "cudnnGetLastErrorString");
    library.find(create, "cudnnCreate");
    library.find(set_stream, "cudnnSetStream");
    library.find(descriptor_create, "cudnnBackendCreateDescriptor");
    library.find(descriptor_destroy, "cudnnBackendDestroyDescriptor");
    library.find(finalize, "cudnnBackendFinalize");
    library.find(set, "cudnnBackendSetAttribute");
    library.find(get, "cudnnBackendGetAttribute");
    library.find(execute, "cudnnBackendExecute");
    if (library.ok() && (version() < 90000 || version() >= 100000)) library.fail("it is not of version 9");
  }
};
const Api& api() {
  static const Api instance;
  return instance;
}

int data_type(DType t) {
  return t == DType::Float64 ? 1 : t == DType::Float16 ? 2 : t == DType::BFloat16 ? 9 : 0;
}

Descriptor tensor(int64_t id, DType dtype, const int64_t (&sizes)[4], const int64_t (&strides)[4],
                  int64_t alignment) {
  Descriptor d(kTensor);
  const int type = data_type(dtype);
  d.set(kTensorType, kTypeDataType, 1, &type);
  d.set(kTensorSizes, kTypeInt64, 4, sizes);
  d.set(kTensorStrides, kTypeInt64, 4, strides);
  d.set(kTensorId, kTypeInt64, 1, &id);
  d.set(kTensorAlignment, kTypeInt64, 1, &alignment);
  d.finalize();
  return d;
}

Descriptor convolution(const ConvKey& key) {
  Descriptor d(kConvolution);
  // 16-bit floats are summed in float32.
  const int type = static_cast<DType>(key.dtype) == DType::Float64 ? 1 : 0, mode = kCrossCorrelation;
  const int64_t dims = 2;
  d.set(kConvSpatialDims, kTypeInt64, 1, &dims);
  d.set(kConvComputeType, kTypeDataType, 1, &type);
  d.set(kConvMode, kTypeConvolutionMode, 1, &mode);
  d.set(kConvPrePaddings, kTypeInt64, 2, key.padding);
  d.set(kConvPostPaddings, kTypeInt64, 2, key.padding);
  d.set(kConvDilations, kTypeInt64, 2, key.dilation);
  d.set(kConvStrides, kTypeInt64, 2, key.stride);
  d.finalize();
  return d;
}

/// Whether an engine's notes keep to what the key allows.
bool allowed(const ConvKey& key, const Descriptor& engine) {
  std::array<int, 32> notes{};
  const auto count =
      static_cast<size_t>(engine.get(kEngineNumericalNotes, kTypeNumericalNote, 32, notes.data()));
  for (size_t i = 0; i < count && i < notes.size(); ++i) {
    if (notes[i] == kNoteNonDeterministic && key.deterministic != 0) return false;
    const bool strict = static_cast<DType>(key.dtype) == DType::Float32 && key.tf32 == 0;
    if (strict && (notes[i] == kNoteTensorCore || notes[i] == kNoteDownConvert)) return false;
  }
  // Compiling while the program runs takes half a second for each new shape.
  const auto more =
      static_cast<size_t>(engine.get(kEngineBehaviorNotes, kTypeBehaviorNote, 32, notes.data()));
  for (size_t i = 0; i < more && i < notes.size(); ++i) {
    if (notes[i] == kNoteRuntimeCompilation) return false;
  }
  return true;
}

}  // namespace

bool available() { return api().library.ok(); }
const std::string& problem() { return api().library.problem(); }
int64_t version() { return available() ? static_cast<int64_t>(api().version()) : 0; }

void check(int status, const char* call) {
  if (status == 0) return;
  std::array<char, 512> text{};
  api().last_error(text.data(), text.size());
  detail::raise<DeviceError>("cudnn: expected ", call, " to succeed, got status ", status, " (", text.data(),
                             ")");
}

Descriptor::Descriptor(int type) {
  check(api().descriptor_create(type, &handle_), "cudnnBackendCreateDescriptor");
}
Descriptor::~Descriptor() {
  if (handle_ != nullptr) api().descriptor_destroy(handle_);
}
void Descriptor::set(int attribute, int type, int64_t count, const void* values) const {
  check(api().set(handle_, attribute, type, count, values), "cudnnBackendSetAttribute");
}
void Descriptor::finalize() const { check(api().finalize(handle_), "cudnnBackendFinalize"); }
bool Descriptor::try_finalize() const { return api().finalize(handle_) == 0; }
int64_t Descriptor::get(int attribute, int type, int64_t room, void* values) const {
  int64_t count = 0;
  check(api().get(handle_, attribute, type, room, &count, values), "cudnnBackendGetAttribute");
  return count;
}

Descriptor described_device(const std::string& json) {
  Descriptor d(kDevice);
  d.set(kDeviceJson, kTypeChar, static_cast<int64_t>(json.size()), json.data());
  d.finalize();
  return d;
}

std::vector<Plan> make_plans(const ConvKey& key, const Target& target, size_t most) {
  const auto dtype = static_cast<DType>(key.dtype);
  const auto kind = static_cast<ConvKind>(key.kind);
  const Descriptor x = tensor(kInputId, dtype, key.input, key.input_strides, key.alignment),
                   w = tensor(kWeightId, dtype, key.weight, key.weight_strides, key.alignment),
                   y = tensor(kOutputId, dtype, key.output, key.output_strides, key.alignment),
                   conv = convolution(key);
  const int first = kind == ConvKind::Forward     ? kForwardFirst
                    : kind == ConvKind::InputGrad ? kDataFirst
                                                  : kFilterFirst;
  const Descriptor op(kind == ConvKind::Forward     ? kForward
                      : kind == ConvKind::InputGrad ? kBackwardData
                                                    : kBackwardFilter);
  const double wide_one = 1, wide_zero = 0;
  const float one = 1, zero = 0;
  const bool wide = dtype == DType::Float64;
  const int number = wide ? kTypeDouble : kTypeFloat;
  op.set(first, number, 1, wide ? static_cast<const void*>(&wide_one) : &one);
  op.set(first + 1, number, 1, wide ? static_cast<const void*>(&wide_zero) : &zero);
  op.set(first + 2, kTypeDescriptor, 1, &conv.handle());
  op.set(first + 3, kTypeDescriptor, 1, &w.handle());
  op.set(first + 4, kTypeDescriptor, 1, &x.handle());
  op.set(first + 5, kTypeDescriptor, 1, &y.handle());
  op.finalize();

  const Descriptor graph(kOperationGraph);
  graph.set(kGraphOps, kTypeDescriptor, 1, &op.handle());
  if (target.handle != nullptr) graph.set(kGraphHandle, kTypeHandle, 1, &target.handle);
  graph.finalize();

  const Descriptor heuristics(kHeuristics);
  const int mode = kModeA;
  heuristics.set(kHeurGraph, kTypeDescriptor, 1, &graph.handle());
  heuristics.set(kHeurMode, kTypeHeuristicMode, 1, &mode);
  if (target.device != nullptr) heuristics.set(kHeurDevice, kTypeDescriptor, 1, &target.device->handle());
  std::vector<Plan> plans;
  if (!heuristics.try_finalize()) return plans;
  const int64_t count = heuristics.get(kHeurResults, kTypeDescriptor, 0, nullptr);
  std::vector<Descriptor> configs;
  std::vector<void*> handles;
  for (int64_t i = 0; i < count; ++i) {
    configs.emplace_back(kEngineConfig);
    handles.push_back(configs.back().handle());
  }
  const int64_t there = heuristics.get(kHeurResults, kTypeDescriptor, count, handles.data());
  for (size_t i = 0; i < static_cast<size_t>(std::min(count, there)) && plans.size() < most; ++i) {
    const Descriptor engine(kEngine);
    void* engine_handle = engine.handle();
    configs[i].get(kConfigEngine, kTypeDescriptor, 1, &engine_handle);
    if (!allowed(key, engine)) continue;
    Descriptor plan(kExecutionPlan);
    if (target.handle != nullptr) plan.set(kPlanHandle, kTypeHandle, 1, &target.handle);
    if (target.device != nullptr) plan.set(kPlanDevice, kTypeDescriptor, 1, &target.device->handle());
    plan.set(kPlanConfig, kTypeDescriptor, 1, &configs[i].handle());
    if (!plan.try_finalize()) continue;
    int64_t workspace_bytes = 0;
    plan.get(kPlanWorkspace, kTypeInt64, 1, &workspace_bytes);
    if (workspace_bytes <= key.workspace_limit) plans.push_back({std::move(plan), workspace_bytes});
  }
  return plans;
}

void* create_handle() {
  void* handle = nullptr;
  check(api().create(&handle), "cudnnCreate");
  return handle;
}

void execute(const Plan& plan, void* handle, void* stream, void* input, void* weight, void* output,
             void* workspace) {
  const std::array<int64_t, 3> ids{kInputId, kWeightId, kOutputId};
  const std::array<void*, 3> pointers{input, weight, output};
  const Descriptor pack(kVariantPack);
  pack.set(kPackIds, kTypeInt64, 3, ids.data());
  pack.set(kPackPointers, kTypePointer, 3, pointers.data());
  pack.set(kPackWorkspace, kTypePointer, 1, &workspace);
  pack.finalize();
  check(api().set_stream(handle, stream), "cudnnSetStream");
  check(api().execute(handle, plan.descriptor.handle(), pack.handle()), "cudnnBackendExecute");
}

}  // namespace cudnn
}  // namespace clew::cuda
