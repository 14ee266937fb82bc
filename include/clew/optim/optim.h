// Optimizers and learning rate schedules.
#pragma once

#include "clew/optim/adaptive.h"
#include "clew/optim/lbfgs.h"
#include "clew/optim/lr_scheduler.h"
#include "clew/optim/optimizer.h"
