// Weights in files: safetensors, the same files that Python's clew.save and clew.load use.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "clew/core/tensor.h"
#include "clew/nn/module.h"
#include "clew/optim/optimizer.h"

namespace clew {

using NamedTensors = std::vector<std::pair<std::string, Tensor>>;

/// Writes named tensors to a file, which appears whole or not at all. Tensors that are one and the same
/// memory are written once. Raises ValueError for names that repeat, Error when the file cannot be written.
CLEW_API void save(const NamedTensors& tensors, const std::filesystem::path& path);
/// Reads named tensors, in the order they were saved. A file of Python's clew.save with nested lists and
/// dicts gives its tensors by path: "model.fc.weight". Raises FileFormatError for a file that is damaged or
/// hostile; nothing is returned then.
CLEW_API NamedTensors load(const std::filesystem::path& path);

/// A module's state_dict(), and back. Loading raises as load_state_dict does.
CLEW_API void save(const nn::Module& module, const std::filesystem::path& path);
CLEW_API void load(const nn::Module& module, const std::filesystem::path& path, bool strict = true);
/// An optimizer's state. Options such as the learning rate are not in it.
CLEW_API void save(const optim::Optimizer& optimizer, const std::filesystem::path& path);
CLEW_API void load(optim::Optimizer& optimizer, const std::filesystem::path& path);

}  // namespace clew
