// Plans of cuDNN for the convolutions of well-known networks, made from the description of a device: they
// exist, and keep to the workspace that the backend allows. Needs the library, no device.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>

#include "cuda/cudnn.h"
#include "cuda/cudnn_plan.h"

using clew::DType;
using clew::cuda::conv_key;
using clew::cuda::ConvKey;
using clew::cuda::ConvKeyHash;
using clew::cuda::ConvKind;
using clew::cuda::ConvPlan;
using clew::cuda::kConvWorkspaceLimit;
namespace cudnn = clew::cuda::cudnn;

namespace {

/// Square images, kernels and strides; padding keeps the size at stride 1.
ConvPlan square(int64_t n, int64_t c_in, int64_t c_out, int64_t size, int64_t kernel, int64_t stride) {
  ConvPlan p{};
  p.n = n;
  p.c_in = c_in;
  p.c_out = c_out;
  p.h = p.w = size;
  p.kh = p.kw = kernel;
  p.sh = p.sw = stride;
  p.ph = p.pw = kernel / 2;
  p.dh = p.dw = 1;
  p.groups = 1;
  p.oh = p.ow = (size + 2 * p.ph - kernel) / stride + 1;
  return p;
}

std::vector<ConvPlan> vgg16(int64_t n) {
  std::vector<ConvPlan> all;
  const int64_t layers[][3] = {{3, 64, 224},    {64, 64, 224},  {64, 128, 112},
                               {128, 128, 112}, {128, 256, 56}, {256, 256, 56},
                               {256, 512, 28},  {512, 512, 28}, {512, 512, 14}};
  for (const auto& l : layers) all.push_back(square(n, l[0], l[1], l[2], 3, 1));
  return all;
}

std::vector<ConvPlan> resnet50(int64_t n) {
  std::vector<ConvPlan> all{square(n, 3, 64, 224, 7, 2)};
  int64_t in = 64, size = 56;
  for (int64_t width : {64, 128, 256, 512}) {
    const int64_t stride = width == 64 ? 1 : 2;
    all.push_back(square(n, in, width, size, 1, 1));
    all.push_back(square(n, width, width, size, 3, stride));
    all.push_back(square(n, in, 4 * width, size, 1, stride));
    size /= stride;
    all.push_back(square(n, width, 4 * width, size, 1, 1));
    all.push_back(square(n, 4 * width, width, size, 1, 1));
    all.push_back(square(n, width, width, size, 3, 1));
    in = 4 * width;
  }
  return all;
}

std::string read(const std::string& path) {
  std::ifstream file(path);
  REQUIRE(file);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace

TEST_CASE("keys of convolutions", "[cuda]") {
  ConvPlan p = square(2, 8, 16, 14, 3, 2);
  alignas(16) char memory[64];
  p.input = memory;
  p.weight = memory + 16;
  p.output = memory + 32;
  const ConvKey key = conv_key(ConvKind::Forward, DType::Float32, p, 1 << 20);
  CHECK(key == conv_key(ConvKind::Forward, DType::Float32, p, 1 << 20));
  CHECK(ConvKeyHash()(key) == ConvKeyHash()(conv_key(ConvKind::Forward, DType::Float32, p, 1 << 20)));
  CHECK(key.output[2] == 7);
  CHECK(key.output_strides[1] == 49);
  CHECK(key.weight_strides[0] == 72);
  CHECK(key.alignment == 16);
  CHECK_FALSE(key == conv_key(ConvKind::WeightGrad, DType::Float32, p, 1 << 20));
  CHECK_FALSE(key == conv_key(ConvKind::Forward, DType::BFloat16, p, 1 << 20));
  CHECK_FALSE(key == conv_key(ConvKind::Forward, DType::Float32, p, 1 << 21));
  p.weight = memory + 4;
  CHECK(conv_key(ConvKind::Forward, DType::Float32, p, 1 << 20).alignment == 4);
}

TEST_CASE("plans of cuDNN without a device", "[cuda]") {
  if (!cudnn::available()) {
    WARN("skipped: cuDNN is not installed: " << cudnn::problem());
    return;
  }
  const cudnn::Descriptor device = cudnn::described_device(read(CLEW_TEST_DATA "/h200-deviceprop.json"));
  int64_t largest = 0;
  std::set<size_t> seen;
  for (const auto& list : {resnet50(16), vgg16(16)}) {
    for (const ConvPlan& p : list) {
      for (const auto kind : {ConvKind::Forward, ConvKind::InputGrad, ConvKind::WeightGrad}) {
        for (const auto& [dtype, tf32] :
             {std::pair{DType::Float32, false}, {DType::Float32, true}, {DType::BFloat16, false}}) {
          ConvKey key = conv_key(kind, dtype, p, kConvWorkspaceLimit);
          key.tf32 = tf32;
          if (!seen.insert(ConvKeyHash()(key)).second) continue;
          CAPTURE(p.c_in, p.c_out, p.h, p.kh, p.sh, static_cast<int>(kind), clew::name(dtype), tf32);
          const auto plans = cudnn::make_plans(key, {.device = &device}, 1);
          CHECK(plans.size() == 1);
          for (const auto& plan : plans) largest = std::max(largest, plan.workspace_bytes);
        }
      }
    }
  }
  CHECK(largest <= kConvWorkspaceLimit);

  // Limits are kept to.
  ConvKey key =
      conv_key(ConvKind::WeightGrad, DType::Float32, square(16, 64, 64, 56, 3, 1), kConvWorkspaceLimit);
  key.tf32 = 1;
  const size_t any = cudnn::make_plans(key, {.device = &device}, 100).size();
  key.deterministic = 1;
  const size_t repeatable = cudnn::make_plans(key, {.device = &device}, 100).size();
  key.workspace_limit = 0;
  const size_t small = cudnn::make_plans(key, {.device = &device}, 100).size();
  CHECK(repeatable >= 1);
  CHECK(repeatable < any);
  CHECK(small < repeatable);
}
