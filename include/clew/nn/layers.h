// The built-in layers. Each is a Module: a handle whose copies share parameters.
//
// Layers with more than two or three settings take a struct of options:
//     nn::Conv2d conv({.in_channels = 1, .out_channels = 16, .kernel_size = 3, .padding = 1});
#pragma once

#include <array>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "clew/nn/module.h"

namespace clew::nn {

/// N integers; one integer stands for N equal ones.
template <size_t N>
struct Sizes : std::array<int64_t, N> {
  Sizes(int64_t all) { this->fill(all); }  // NOLINT(google-explicit-constructor)
  Sizes(std::initializer_list<int64_t> each) {
    CLEW_CHECK(each.size() == N, ValueError, "nn: expected ", N, " sizes, got ", each.size());
    std::copy(each.begin(), each.end(), this->begin());
  }
  operator IntArrayRef() const { return {this->data(), N}; }  // NOLINT(google-explicit-constructor)
};

// ---- linear -------------------------------------------------------------------------------------

struct LinearOptions {
  int64_t in_features, out_features;
  bool bias = true;
  TensorOptions options = {};
};

/// y = x W^T + b. weight (out_features, in_features), bias (out_features,), both from U(-k, k) with
/// k = 1 / sqrt(in_features). Input (*, in_features), output (*, out_features).
class CLEW_API Linear : public Layer<Linear> {
 public:
  explicit Linear(const LinearOptions& o);
  Linear(int64_t in_features, int64_t out_features) : Linear(LinearOptions{in_features, out_features}) {}
  Tensor forward(const Tensor& input) const;
  void reset_parameters() const;

  LinearOptions options;
  Tensor weight, bias;
};

/// Returns its input.
class Identity : public Layer<Identity> {
 public:
  Identity() : Layer("Identity") {}
  Tensor forward(const Tensor& input) const { return input; }
};

struct FlattenOptions {
  int64_t start_dim = 1, end_dim = -1;
};
/// Makes one dimension of several.
class CLEW_API Flatten : public Layer<Flatten> {
 public:
  explicit Flatten(const FlattenOptions& o = {});
  Tensor forward(const Tensor& input) const;
  FlattenOptions options;
};

struct EmbeddingOptions {
  int64_t num_embeddings, embedding_dim;
  std::optional<int64_t> padding_idx = std::nullopt;
  TensorOptions options = {};
};
/// Rows of a table by index. weight (num_embeddings, embedding_dim) from N(0, 1), row `padding_idx` zero and
/// without gradient. Input integers (*), output (*, embedding_dim).
class CLEW_API Embedding : public Layer<Embedding> {
 public:
  explicit Embedding(const EmbeddingOptions& o);
  Embedding(int64_t num_embeddings, int64_t embedding_dim)
      : Embedding(EmbeddingOptions{num_embeddings, embedding_dim}) {}
  Tensor forward(const Tensor& input) const;
  void reset_parameters() const;
  EmbeddingOptions options;
  Tensor weight;
};

/// Zeroes elements with probability p in training and scales the others by 1 / (1 - p).
class CLEW_API Dropout : public Layer<Dropout> {
 public:
  explicit Dropout(double p = 0.5);
  Tensor forward(const Tensor& input) const;
  double p;
};

// ---- convolution and pooling --------------------------------------------------------------------

struct Conv2dOptions {
  int64_t in_channels, out_channels;
  Sizes<2> kernel_size;
  Sizes<2> stride = 1, padding = 0, dilation = 1;
  int64_t groups = 1;
  bool bias = true;
  TensorOptions options = {};
};
/// 2-d convolution (cross-correlation). weight (out, in / groups, kh, kw), bias (out,), both from U(-k, k)
/// with k = 1 / sqrt(fan_in). Input (N, C, H, W) or (C, H, W). Raises ValueError for channels that `groups`
/// does not divide.
class CLEW_API Conv2d : public Layer<Conv2d> {
 public:
  explicit Conv2d(const Conv2dOptions& o);
  Conv2d(int64_t in_channels, int64_t out_channels, Sizes<2> kernel_size)
      : Conv2d(Conv2dOptions{in_channels, out_channels, kernel_size}) {}
  Tensor forward(const Tensor& input) const;
  void reset_parameters() const;
  Conv2dOptions options;
  Tensor weight, bias;
};

struct Conv1dOptions {
  int64_t in_channels, out_channels;
  int64_t kernel_size;
  int64_t stride = 1, padding = 0, dilation = 1;
  int64_t groups = 1;
  bool bias = true;
  TensorOptions options = {};
};
/// 1-d convolution: weight (out, in / groups, k), otherwise as Conv2d. Input (N, C, L) or (C, L).
class CLEW_API Conv1d : public Layer<Conv1d> {
 public:
  explicit Conv1d(const Conv1dOptions& o);
  Conv1d(int64_t in_channels, int64_t out_channels, int64_t kernel_size)
      : Conv1d(Conv1dOptions{in_channels, out_channels, kernel_size}) {}
  Tensor forward(const Tensor& input) const;
  void reset_parameters() const;
  Conv1dOptions options;
  Tensor weight, bias;
};

struct ConvTranspose1dOptions {
  int64_t in_channels, out_channels;
  int64_t kernel_size;
  int64_t stride = 1, padding = 0, output_padding = 0;
  int64_t groups = 1;
  bool bias = true;
  int64_t dilation = 1;
  TensorOptions options = {};
};
/// The gradient of Conv1d with respect to its input, as a layer: weight (in, out / groups, k), bias (out,).
class CLEW_API ConvTranspose1d : public Layer<ConvTranspose1d> {
 public:
  explicit ConvTranspose1d(const ConvTranspose1dOptions& o);
  ConvTranspose1d(int64_t in_channels, int64_t out_channels, int64_t kernel_size)
      : ConvTranspose1d(ConvTranspose1dOptions{in_channels, out_channels, kernel_size}) {}
  Tensor forward(const Tensor& input) const;
  void reset_parameters() const;
  ConvTranspose1dOptions options;
  Tensor weight, bias;
};

struct ConvTranspose2dOptions {
  int64_t in_channels, out_channels;
  Sizes<2> kernel_size;
  Sizes<2> stride = 1, padding = 0, output_padding = 0;
  int64_t groups = 1;
  bool bias = true;
  Sizes<2> dilation = 1;
  TensorOptions options = {};
};
/// The gradient of Conv2d with respect to its input, as a layer: weight (in, out / groups, kh, kw), bias
/// (out,).
class CLEW_API ConvTranspose2d : public Layer<ConvTranspose2d> {
 public:
  explicit ConvTranspose2d(const ConvTranspose2dOptions& o);
  ConvTranspose2d(int64_t in_channels, int64_t out_channels, Sizes<2> kernel_size)
      : ConvTranspose2d(ConvTranspose2dOptions{in_channels, out_channels, kernel_size}) {}
  Tensor forward(const Tensor& input) const;
  void reset_parameters() const;
  ConvTranspose2dOptions options;
  Tensor weight, bias;
};

struct MaxPool2dOptions {
  Sizes<2> kernel_size;
  std::optional<Sizes<2>> stride = std::nullopt;  // the kernel's size
  Sizes<2> padding = 0, dilation = 1;
  bool ceil_mode = false;
};
/// Maximum over windows.
class CLEW_API MaxPool2d : public Layer<MaxPool2d> {
 public:
  explicit MaxPool2d(const MaxPool2dOptions& o);
  explicit MaxPool2d(Sizes<2> kernel_size) : MaxPool2d(MaxPool2dOptions{kernel_size}) {}
  Tensor forward(const Tensor& input) const;
  MaxPool2dOptions options;
};

struct AvgPool2dOptions {
  Sizes<2> kernel_size;
  std::optional<Sizes<2>> stride = std::nullopt;  // the kernel's size
  Sizes<2> padding = 0;
  bool ceil_mode = false, count_include_pad = true;
};
/// Mean over windows.
class CLEW_API AvgPool2d : public Layer<AvgPool2d> {
 public:
  explicit AvgPool2d(const AvgPool2dOptions& o);
  explicit AvgPool2d(Sizes<2> kernel_size) : AvgPool2d(AvgPool2dOptions{kernel_size}) {}
  Tensor forward(const Tensor& input) const;
  AvgPool2dOptions options;
};

/// Mean over as many windows as the output is to have.
class CLEW_API AdaptiveAvgPool2d : public Layer<AdaptiveAvgPool2d> {
 public:
  explicit AdaptiveAvgPool2d(Sizes<2> output_size);
  Tensor forward(const Tensor& input) const;
  Sizes<2> output_size;
};

// ---- normalisation ------------------------------------------------------------------------------

struct BatchNormOptions {
  int64_t num_features;
  double eps = 1e-5;
  std::optional<double> momentum = 0.1;  // unset: a plain average over all batches
  bool affine = true, track_running_stats = true;
  TensorOptions options = {};
};

/// What BatchNorm1d and BatchNorm2d share: parameters weight, bias; buffers running_mean, running_var,
/// num_batches_tracked; running = (1 - momentum) * running + momentum * batch, its variance unbiased.
/// Reference: Ioffe, Szegedy. Batch Normalization. 2015. arXiv:1502.03167.
class CLEW_API BatchNorm : public Module {
 public:
  void reset_running_stats() const;
  void reset_parameters() const;
  BatchNormOptions options;
  Tensor weight, bias, running_mean, running_var, num_batches_tracked;

 protected:
  BatchNorm(std::string kind, const BatchNormOptions& o);
  Tensor normalize(const Tensor& input) const;
};

/// Input (N, C) or (N, C, L).
class CLEW_API BatchNorm1d : public BatchNorm {
 public:
  explicit BatchNorm1d(const BatchNormOptions& o) : BatchNorm("BatchNorm1d", o) {}
  explicit BatchNorm1d(int64_t num_features) : BatchNorm1d(BatchNormOptions{num_features}) {}
  Tensor forward(const Tensor& input) const;
  Tensor operator()(const Tensor& input) const { return run_module(*this, input); }
};

/// Input (N, C, H, W).
class CLEW_API BatchNorm2d : public BatchNorm {
 public:
  explicit BatchNorm2d(const BatchNormOptions& o) : BatchNorm("BatchNorm2d", o) {}
  explicit BatchNorm2d(int64_t num_features) : BatchNorm2d(BatchNormOptions{num_features}) {}
  Tensor forward(const Tensor& input) const;
  Tensor operator()(const Tensor& input) const { return run_module(*this, input); }
};

struct LayerNormOptions {
  std::vector<int64_t> normalized_shape;
  double eps = 1e-5;
  bool elementwise_affine = true, bias = true;
  TensorOptions options = {};
};
/// Normalises each sample over its last dimensions; weight ones, bias zeros.
/// Reference: Ba, Kiros, Hinton. Layer Normalization. 2016. arXiv:1607.06450.
class CLEW_API LayerNorm : public Layer<LayerNorm> {
 public:
  explicit LayerNorm(const LayerNormOptions& o);
  explicit LayerNorm(int64_t features) : LayerNorm(LayerNormOptions{{features}}) {}
  Tensor forward(const Tensor& input) const;
  LayerNormOptions options;
  Tensor weight, bias;
};

// ---- activations --------------------------------------------------------------------------------

class CLEW_API ReLU : public Layer<ReLU> {
 public:
  ReLU() : Layer("ReLU") {}
  Tensor forward(const Tensor& input) const;
};
class CLEW_API LeakyReLU : public Layer<LeakyReLU> {
 public:
  explicit LeakyReLU(double negative_slope = 0.01);
  Tensor forward(const Tensor& input) const;
  double negative_slope;
};
class CLEW_API GELU : public Layer<GELU> {
 public:
  /// `approximate` is "none" (exact) or "tanh".
  explicit GELU(std::string approximate = "none");
  Tensor forward(const Tensor& input) const;
  std::string approximate;
};
class CLEW_API SiLU : public Layer<SiLU> {
 public:
  SiLU() : Layer("SiLU") {}
  Tensor forward(const Tensor& input) const;
};
class CLEW_API Sigmoid : public Layer<Sigmoid> {
 public:
  Sigmoid() : Layer("Sigmoid") {}
  Tensor forward(const Tensor& input) const;
};
class CLEW_API Tanh : public Layer<Tanh> {
 public:
  Tanh() : Layer("Tanh") {}
  Tensor forward(const Tensor& input) const;
};
class CLEW_API Softmax : public Layer<Softmax> {
 public:
  explicit Softmax(int64_t dim);
  Tensor forward(const Tensor& input) const;
  int64_t dim;
};
class CLEW_API LogSoftmax : public Layer<LogSoftmax> {
 public:
  explicit LogSoftmax(int64_t dim);
  Tensor forward(const Tensor& input) const;
  int64_t dim;
};

}  // namespace clew::nn
