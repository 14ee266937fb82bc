// Starting values for parameters; every function fills its tensor in place, without history.
#pragma once

#include <optional>
#include <string_view>

#include "clew/core/tensor.h"

namespace clew::nn::init {

CLEW_API Tensor uniform_(const Tensor& tensor, double a = 0, double b = 1);
CLEW_API Tensor normal_(const Tensor& tensor, double mean = 0, double std = 1);
CLEW_API Tensor constant_(const Tensor& tensor, double value);
CLEW_API Tensor zeros_(const Tensor& tensor);
CLEW_API Tensor ones_(const Tensor& tensor);
/// The identity. Raises ValueError unless `tensor` is a matrix.
CLEW_API Tensor eye_(const Tensor& tensor);

/// The factor that keeps the variance through a nonlinearity: linear, conv*, sigmoid, tanh, relu, leaky_relu
/// (with `slope`) or selu. Raises ValueError for another.
/// Reference: He, Zhang, Ren, Sun. Delving Deep into Rectifiers. 2015. arXiv:1502.01852.
CLEW_API double calculate_gain(std::string_view nonlinearity, std::optional<double> slope = std::nullopt);

/// U(-a, a) with a = gain * sqrt(6 / (fan_in + fan_out)). `tensor` has shape (out, in, ...).
/// Reference: Glorot, Bengio. Understanding the difficulty of training deep feedforward neural networks.
/// 2010.
CLEW_API Tensor xavier_uniform_(const Tensor& tensor, double gain = 1);
/// N(0, std^2) with std = gain * sqrt(2 / (fan_in + fan_out)).
CLEW_API Tensor xavier_normal_(const Tensor& tensor, double gain = 1);
/// U(-b, b) with b = gain * sqrt(3 / fan); `a` is the slope of the leaky_relu that follows, `mode` fan_in or
/// fan_out. Reference: He, Zhang, Ren, Sun. 2015. arXiv:1502.01852.
CLEW_API Tensor kaiming_uniform_(const Tensor& tensor, double a = 0, std::string_view mode = "fan_in",
                                 std::string_view nonlinearity = "leaky_relu");
/// N(0, std^2) with std = gain / sqrt(fan).
CLEW_API Tensor kaiming_normal_(const Tensor& tensor, double a = 0, std::string_view mode = "fan_in",
                                std::string_view nonlinearity = "leaky_relu");

/// The normal distribution, with values outside [a, b] drawn anew. Raises ValueError unless std > 0 and a <
/// b.
CLEW_API Tensor trunc_normal_(const Tensor& tensor, double mean = 0, double std = 1, double a = -2,
                              double b = 2);
/// Orthogonal rows or columns, times `gain`, of the matrix (rows, the rest). Raises ValueError for fewer than
/// two dimensions. Reference: Saxe, McClelland, Ganguli. 2013. arXiv:1312.6120.
CLEW_API Tensor orthogonal_(const Tensor& tensor, double gain = 1);
/// The weight of a convolution that hands on as many channels as it can: shape (out, in / groups, ...) of 3
/// to 5 dimensions. Raises ValueError for others, or output channels that `groups` does not divide.
CLEW_API Tensor dirac_(const Tensor& tensor, int64_t groups = 1);
/// N(0, std^2) with a part `sparsity` of each column zero. Raises ValueError unless `tensor` is a matrix and
/// sparsity in [0, 1]. Reference: Martens. Deep learning via Hessian-free optimization. 2010.
CLEW_API Tensor sparse_(const Tensor& tensor, double sparsity, double std = 0.01);

}  // namespace clew::nn::init
