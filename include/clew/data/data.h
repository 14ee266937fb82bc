// Datasets, samplers, the loader.
#pragma once

#include "clew/data/dataset.h"
#include "clew/data/loader.h"
