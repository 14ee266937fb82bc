#pragma once
#include "core/shapes.h"
