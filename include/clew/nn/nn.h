// Layers, losses, containers, initialisation.
#pragma once

#include "clew/nn/activations.h"
#include "clew/nn/attention.h"
#include "clew/nn/container.h"
#include "clew/nn/functional.h"
#include "clew/nn/init.h"
#include "clew/nn/layers.h"
#include "clew/nn/loss.h"
#include "clew/nn/module.h"
#include "clew/nn/rearrange.h"
#include "clew/nn/recurrent.h"
#include "clew/nn/transformer.h"
#include "clew/nn/utils.h"
