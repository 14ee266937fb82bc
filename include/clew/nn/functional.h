// clew::nn::functional: the ops that Python has in nn.functional, under the same names.
#pragma once

#include "clew/ops/ops.h"

namespace clew::nn::functional {

#define CLEW_NN(name, R, ...) using ::clew::name;
#include "clew/ops/all.def"

using ::clew::log_softmax;
using ::clew::relu;
using ::clew::sigmoid;
using ::clew::softmax;
using ::clew::tanh;

}  // namespace clew::nn::functional
