// Execution plans of cuDNN for convolutions, by the library's backend interface. Needs no device: a plan can
// be made from a description of one.
#pragma once

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "clew/core/dtype.h"
#include "cuda/conv.h"

namespace clew::cuda {

/// Everything that decides on a plan; without padding, and zeroed, so that keys are compared by their bytes.
struct ConvKey {
  int64_t input[4] = {}, weight[4] = {}, output[4] = {};  // (N, C, H, W)
  int64_t input_strides[4] = {}, weight_strides[4] = {}, output_strides[4] = {};
  int64_t stride[2] = {}, padding[2] = {}, dilation[2] = {};
  int64_t workspace_limit = 0;
  int32_t device = 0;
  uint8_t kind = 0, dtype = 0;
  uint8_t tf32 = 0;           // float32 may be rounded to TF32
  uint8_t deterministic = 0;  // only what repeats bit for bit
  int64_t alignment = 16;     // bytes, of all three addresses

  friend bool operator==(const ConvKey& a, const ConvKey& b) {
    return std::memcmp(&a, &b, sizeof(ConvKey)) == 0;
  }
};
static_assert(std::has_unique_object_representations_v<ConvKey>);

struct ConvKeyHash {
  size_t operator()(const ConvKey& key) const;
};

/// The key of contiguous tensors.
ConvKey conv_key(ConvKind kind, DType dtype, const ConvPlan& plan, int64_t workspace_limit);

namespace cudnn {

/// True when the library is there and has what is needed.
bool available();
/// Why it is not.
const std::string& problem();
int64_t version();

/// Raises DeviceError, with the library's words, unless `status` is success.
void check(int status, const char* call);

/// Owns one of the library's descriptors.
class Descriptor {
 public:
  explicit Descriptor(int type);
  Descriptor(Descriptor&& other) noexcept : handle_(other.handle_) { other.handle_ = nullptr; }
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor();

  void set(int attribute, int type, int64_t count, const void* values) const;
  void finalize() const;
  /// False where the library refuses.
  bool try_finalize() const;
  /// Number of values there are; up to `room` of them are written.
  int64_t get(int attribute, int type, int64_t room, void* values) const;
  void* const& handle() const { return handle_; }

 private:
  void* handle_ = nullptr;
};

/// What plans are made for: a handle of the library, or the description of a device.
struct Target {
  void* handle = nullptr;
  const Descriptor* device = nullptr;
};
/// A device as the JSON text that the library writes of one.
Descriptor described_device(const std::string& json);

struct Plan {
  Descriptor descriptor;
  int64_t workspace_bytes;
};
/// Plans that keep to the key's limits, in the library's order of preference, at most `most`. None where the
/// library cannot compute this convolution within them.
std::vector<Plan> make_plans(const ConvKey& key, const Target& target, size_t most);

void* create_handle();
/// Runs a plan; the addresses are those of ConvPlan.
void execute(const Plan& plan, void* handle, void* stream, void* input, void* weight, void* output,
             void* workspace);

}  // namespace cudnn
}  // namespace clew::cuda
