// All of Clew: tensors, ops, autograd, layers, optimizers, data, files.
#pragma once

#include "clew/autograd/autograd.h"
#include "clew/autograd/function.h"
#include "clew/core/memory.h"
#include "clew/core/parallel.h"
#include "clew/core/tensor.h"
#include "clew/data/data.h"
#include "clew/io/serialize.h"
#include "clew/nn/nn.h"
#include "clew/ops/indexing.h"
#include "clew/ops/ops.h"
#include "clew/optim/optim.h"
