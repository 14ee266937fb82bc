// Forward passes, starting values and descriptions of the built-in layers.
#include "clew/nn/layers.h"

#include <cmath>
#include <string>
#include <utility>

#include "clew/autograd/grad_mode.h"
#include "clew/nn/init.h"
#include "clew/ops/ops.h"
#include "nn/text.h"

namespace clew::nn {
namespace {

// "3" where all are alike, else "(3, 4)".
template <size_t N>
std::string one_or_all(const Sizes<N>& s) {
  return s == Sizes<N>(s[0]) ? std::to_string(s[0]) : spelled(IntArrayRef(s));
}

std::optional<Tensor> maybe(const Tensor& t) { return t.defined() ? std::optional<Tensor>(t) : std::nullopt; }

// U(-k, k) with k = 1 / sqrt(fan_in), for the bias that goes with `weight`.
void reset_bias(const Tensor& bias, const Tensor& weight) {
  if (!bias.defined() || weight.size(0) == 0) return;
  const int64_t fan_in = weight.numel() / weight.size(0);
  if (fan_in == 0) return;
  const double bound = 1 / std::sqrt(static_cast<double>(fan_in));
  init::uniform_(bias, -bound, bound);
}

void check_groups(const char* layer, int64_t groups, int64_t in, int64_t out) {
  CLEW_CHECK(groups > 0, ValueError, layer, ": expected groups > 0, got ", groups);
  CLEW_CHECK(in % groups == 0 && out % groups == 0, ValueError, layer,
             ": expected channels divisible by groups=", groups, ", got (", in, ", ", out, ")");
}

std::string describe(const Conv2dOptions& o, Sizes<2> output_padding = 0) {
  std::string s =
      text(o.in_channels, ", ", o.out_channels, ", kernel_size=", spelled(IntArrayRef(o.kernel_size)),
           ", stride=", spelled(IntArrayRef(o.stride)));
  if (o.padding != Sizes<2>(0)) s += ", padding=" + spelled(IntArrayRef(o.padding));
  if (o.dilation != Sizes<2>(1)) s += ", dilation=" + spelled(IntArrayRef(o.dilation));
  if (output_padding != Sizes<2>(0)) s += ", output_padding=" + spelled(IntArrayRef(output_padding));
  if (o.groups != 1) s += text(", groups=", o.groups);
  if (!o.bias) s += ", bias=False";
  return s;
}

}  // namespace

// ---- linear -------------------------------------------------------------------------------------

Linear::Linear(const LinearOptions& o)
    : Layer("Linear", text("in_features=", o.in_features, ", out_features=", o.out_features,
                           ", bias=", spelled(o.bias))),
      options(o) {
  CLEW_CHECK(o.in_features >= 0 && o.out_features >= 0, ValueError, "Linear: expected sizes >= 0, got (",
             o.in_features, ", ", o.out_features, ")");
  weight = register_parameter("weight", empty({o.out_features, o.in_features}, o.options));
  bias = register_parameter("bias", o.bias ? empty({o.out_features}, o.options) : Tensor());
  reset_parameters();
}

void Linear::reset_parameters() const {
  if (weight.numel() > 0) init::kaiming_uniform_(weight, std::sqrt(5.0));
  reset_bias(bias, weight);
}

Tensor Linear::forward(const Tensor& input) const { return linear(input, weight, maybe(bias)); }

Flatten::Flatten(const FlattenOptions& o)
    : Layer("Flatten", text("start_dim=", o.start_dim, ", end_dim=", o.end_dim)), options(o) {}
Tensor Flatten::forward(const Tensor& input) const {
  return flatten(input, options.start_dim, options.end_dim);
}

Embedding::Embedding(const EmbeddingOptions& o)
    : Layer("Embedding", text(o.num_embeddings, ", ", o.embedding_dim,
                              o.padding_idx ? text(", padding_idx=", *o.padding_idx) : "")),
      options(o) {
  if (o.padding_idx) {
    CLEW_CHECK(*o.padding_idx >= -o.num_embeddings && *o.padding_idx < o.num_embeddings, ValueError,
               "Embedding: expected padding_idx within ", o.num_embeddings, " embeddings, got ",
               *o.padding_idx);
    if (*o.padding_idx < 0) options.padding_idx = *o.padding_idx + o.num_embeddings;
  }
  weight = register_parameter("weight", empty({o.num_embeddings, o.embedding_dim}, o.options));
  reset_parameters();
}

void Embedding::reset_parameters() const {
  init::normal_(weight);
  if (!options.padding_idx) return;
  const NoGradGuard guard;
  fill_(select(weight, 0, *options.padding_idx), 0);
}

Tensor Embedding::forward(const Tensor& input) const { return embedding(input, weight, options.padding_idx); }

Dropout::Dropout(double probability)
    : Layer("Dropout", text("p=", spelled(probability), ", inplace=False")), p(probability) {
  CLEW_CHECK(p >= 0 && p <= 1, ValueError, "Dropout: expected p in [0, 1], got ", p);
}
Tensor Dropout::forward(const Tensor& input) const { return dropout(input, p, is_training()); }

// ---- convolution and pooling --------------------------------------------------------------------

Conv2d::Conv2d(const Conv2dOptions& o) : Layer("Conv2d", describe(o)), options(o) {
  check_groups("Conv2d", o.groups, o.in_channels, o.out_channels);
  weight = register_parameter(
      "weight",
      empty({o.out_channels, o.in_channels / o.groups, o.kernel_size[0], o.kernel_size[1]}, o.options));
  bias = register_parameter("bias", o.bias ? empty({o.out_channels}, o.options) : Tensor());
  reset_parameters();
}

void Conv2d::reset_parameters() const {
  if (weight.numel() > 0) init::kaiming_uniform_(weight, std::sqrt(5.0));
  reset_bias(bias, weight);
}

Tensor Conv2d::forward(const Tensor& input) const {
  return conv2d(input, weight, maybe(bias), options.stride, options.padding, options.dilation,
                options.groups);
}

Conv1d::Conv1d(const Conv1dOptions& o)
    : Layer("Conv1d",
            text(o.in_channels, ", ", o.out_channels, ", kernel_size=(", o.kernel_size, ",), stride=(",
                 o.stride, ",)", o.padding != 0 ? text(", padding=(", o.padding, ",)") : "",
                 o.dilation != 1 ? text(", dilation=(", o.dilation, ",)") : "",
                 o.groups != 1 ? text(", groups=", o.groups) : "", o.bias ? "" : ", bias=False")),
      options(o) {
  check_groups("Conv1d", o.groups, o.in_channels, o.out_channels);
  weight = register_parameter("weight",
                              empty({o.out_channels, o.in_channels / o.groups, o.kernel_size}, o.options));
  bias = register_parameter("bias", o.bias ? empty({o.out_channels}, o.options) : Tensor());
  reset_parameters();
}

void Conv1d::reset_parameters() const {
  if (weight.numel() > 0) init::kaiming_uniform_(weight, std::sqrt(5.0));
  reset_bias(bias, weight);
}

Tensor Conv1d::forward(const Tensor& input) const {
  return conv1d(input, weight, maybe(bias), {options.stride}, IntArrayRef({options.padding}),
                {options.dilation}, options.groups);
}

ConvTranspose1d::ConvTranspose1d(const ConvTranspose1dOptions& o)
    : Layer("ConvTranspose1d",
            text(o.in_channels, ", ", o.out_channels, ", kernel_size=(", o.kernel_size, ",), stride=(",
                 o.stride, ",)", o.padding != 0 ? text(", padding=(", o.padding, ",)") : "",
                 o.dilation != 1 ? text(", dilation=(", o.dilation, ",)") : "",
                 o.output_padding != 0 ? text(", output_padding=(", o.output_padding, ",)") : "",
                 o.groups != 1 ? text(", groups=", o.groups) : "", o.bias ? "" : ", bias=False")),
      options(o) {
  check_groups("ConvTranspose1d", o.groups, o.in_channels, o.out_channels);
  weight = register_parameter("weight",
                              empty({o.in_channels, o.out_channels / o.groups, o.kernel_size}, o.options));
  bias = register_parameter("bias", o.bias ? empty({o.out_channels}, o.options) : Tensor());
  reset_parameters();
}

void ConvTranspose1d::reset_parameters() const {
  if (weight.numel() > 0) init::kaiming_uniform_(weight, std::sqrt(5.0));
  reset_bias(bias, weight);
}

Tensor ConvTranspose1d::forward(const Tensor& input) const {
  return conv_transpose1d(input, weight, maybe(bias), options.stride, options.padding, options.output_padding,
                          options.groups, options.dilation);
}

ConvTranspose2d::ConvTranspose2d(const ConvTranspose2dOptions& o)
    : Layer("ConvTranspose2d", describe({o.in_channels, o.out_channels, o.kernel_size, o.stride, o.padding,
                                         o.dilation, o.groups, o.bias},
                                        o.output_padding)),
      options(o) {
  check_groups("ConvTranspose2d", o.groups, o.in_channels, o.out_channels);
  weight = register_parameter(
      "weight",
      empty({o.in_channels, o.out_channels / o.groups, o.kernel_size[0], o.kernel_size[1]}, o.options));
  bias = register_parameter("bias", o.bias ? empty({o.out_channels}, o.options) : Tensor());
  reset_parameters();
}

void ConvTranspose2d::reset_parameters() const {
  if (weight.numel() > 0) init::kaiming_uniform_(weight, std::sqrt(5.0));
  reset_bias(bias, weight);
}

Tensor ConvTranspose2d::forward(const Tensor& input) const {
  return conv_transpose2d(input, weight, maybe(bias), options.stride, options.padding, options.output_padding,
                          options.groups, options.dilation);
}

MaxPool2d::MaxPool2d(const MaxPool2dOptions& o)
    : Layer("MaxPool2d", text("kernel_size=", one_or_all(o.kernel_size),
                              ", stride=", one_or_all(o.stride.value_or(o.kernel_size)),
                              ", padding=", one_or_all(o.padding), ", dilation=", one_or_all(o.dilation),
                              ", ceil_mode=", spelled(o.ceil_mode))),
      options(o) {}
Tensor MaxPool2d::forward(const Tensor& input) const {
  return max_pool2d(input, options.kernel_size, options.stride.value_or(options.kernel_size), options.padding,
                    options.dilation, options.ceil_mode);
}

AvgPool2d::AvgPool2d(const AvgPool2dOptions& o)
    : Layer("AvgPool2d", text("kernel_size=", one_or_all(o.kernel_size),
                              ", stride=", one_or_all(o.stride.value_or(o.kernel_size)),
                              ", padding=", one_or_all(o.padding))),
      options(o) {}
Tensor AvgPool2d::forward(const Tensor& input) const {
  return avg_pool2d(input, options.kernel_size, options.stride.value_or(options.kernel_size), options.padding,
                    options.ceil_mode, options.count_include_pad);
}

AdaptiveAvgPool2d::AdaptiveAvgPool2d(Sizes<2> size)
    : Layer("AdaptiveAvgPool2d", "output_size=" + spelled(IntArrayRef(size))), output_size(size) {}
Tensor AdaptiveAvgPool2d::forward(const Tensor& input) const {
  return adaptive_avg_pool2d(input, output_size);
}

// ---- normalisation ------------------------------------------------------------------------------

BatchNorm::BatchNorm(std::string kind, const BatchNormOptions& o)
    : Module(std::move(kind),
             text(o.num_features, ", eps=", spelled(o.eps),
                  ", momentum=", o.momentum ? spelled(*o.momentum) : "None", ", affine=", spelled(o.affine),
                  ", bias=", spelled(o.affine), ", track_running_stats=", spelled(o.track_running_stats))),
      options(o) {
  const bool track = o.track_running_stats;
  weight = register_parameter("weight", o.affine ? ones({o.num_features}, o.options) : Tensor());
  bias = register_parameter("bias", o.affine ? zeros({o.num_features}, o.options) : Tensor());
  running_mean = register_buffer("running_mean", track ? zeros({o.num_features}, o.options) : Tensor());
  running_var = register_buffer("running_var", track ? ones({o.num_features}, o.options) : Tensor());
  num_batches_tracked =
      register_buffer("num_batches_tracked", track ? zeros({}, o.options.dtype(kInt64)) : Tensor());
}

void BatchNorm::reset_running_stats() const {
  if (!running_mean.defined()) return;
  init::zeros_(running_mean);
  init::ones_(running_var);
  init::zeros_(num_batches_tracked);
}

void BatchNorm::reset_parameters() const {
  reset_running_stats();
  if (weight.defined()) init::ones_(weight);
  if (bias.defined()) init::zeros_(bias);
}

Tensor BatchNorm::normalize(const Tensor& input) const {
  const bool tracked = running_mean.defined();
  double momentum = options.momentum.value_or(0);
  if (is_training() && tracked) {
    const NoGradGuard guard;
    add_(num_batches_tracked, weak_scalar_tensor(1));
    if (!options.momentum) momentum = 1.0 / static_cast<double>(num_batches_tracked.item<int64_t>());
  }
  return batch_norm(input, maybe(running_mean), maybe(running_var), maybe(weight), maybe(bias),
                    is_training() || !tracked, momentum, options.eps);
}

Tensor BatchNorm1d::forward(const Tensor& input) const {
  CLEW_CHECK(input.dim() == 2 || input.dim() == 3, ShapeError,
             "BatchNorm1d: expected input of shape (N, C) or (N, C, L), got ", input.shape());
  return normalize(input);
}

Tensor BatchNorm2d::forward(const Tensor& input) const {
  CLEW_CHECK(input.dim() == 4, ShapeError, "BatchNorm2d: expected input of shape (N, C, H, W), got ",
             input.shape());
  return normalize(input);
}

LayerNorm::LayerNorm(const LayerNormOptions& o)
    : Layer("LayerNorm", text(IntArrayRef(o.normalized_shape), ", eps=", spelled(o.eps),
                              ", elementwise_affine=", spelled(o.elementwise_affine),
                              ", bias=", spelled(o.elementwise_affine && o.bias))),
      options(o) {
  weight =
      register_parameter("weight", o.elementwise_affine ? ones(o.normalized_shape, o.options) : Tensor());
  bias = register_parameter("bias",
                            o.elementwise_affine && o.bias ? zeros(o.normalized_shape, o.options) : Tensor());
}

Tensor LayerNorm::forward(const Tensor& input) const {
  return layer_norm(input, options.normalized_shape, maybe(weight), maybe(bias), options.eps);
}

// ---- activations --------------------------------------------------------------------------------

Tensor ReLU::forward(const Tensor& input) const { return relu(input); }

LeakyReLU::LeakyReLU(double slope)
    : Layer("LeakyReLU", text("negative_slope=", spelled(slope))), negative_slope(slope) {}
Tensor LeakyReLU::forward(const Tensor& input) const { return leaky_relu(input, negative_slope); }

GELU::GELU(std::string form) : Layer("GELU", "approximate='" + form + "'"), approximate(std::move(form)) {}
Tensor GELU::forward(const Tensor& input) const { return gelu(input, approximate); }

Tensor SiLU::forward(const Tensor& input) const { return silu(input); }
Tensor Sigmoid::forward(const Tensor& input) const { return sigmoid(input); }
Tensor Tanh::forward(const Tensor& input) const { return tanh(input); }

Softmax::Softmax(int64_t d) : Layer("Softmax", text("dim=", d)), dim(d) {}
Tensor Softmax::forward(const Tensor& input) const { return softmax(input, dim); }

LogSoftmax::LogSoftmax(int64_t d) : Layer("LogSoftmax", text("dim=", d)), dim(d) {}
Tensor LogSoftmax::forward(const Tensor& input) const { return log_softmax(input, dim); }

}  // namespace clew::nn
