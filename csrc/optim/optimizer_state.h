// Checks of new parameter groups, and the reader of saved states: what the optimizers share.
#pragma once

#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "clew/autograd/grad_mode.h"
#include "clew/ops/ops.h"
#include "clew/optim/optimizer.h"

namespace clew::optim::optim_detail {

using NamedTensors = std::vector<std::pair<std::string, Tensor>>;

// A new group's parameters: leaves, none of them twice or in another group.
template <class Group>
void check_params(const std::string& kind, const std::vector<Group>& groups, const Group& added) {
  CLEW_CHECK(!added.params.empty(), ValueError, kind, ": expected parameters, got an empty list");
  std::set<const TensorBody*> seen;
  for (const Group& g : groups) {
    for (const Tensor& p : g.params) seen.insert(p.body());
  }
  for (size_t i = 0; i < added.params.size(); ++i) {
    const Tensor& p = added.params[i];
    CLEW_CHECK(p.defined() && p.is_leaf(), ValueError, kind,
               ": expected leaf tensors as parameters, got another (parameter ", i, ")");
    CLEW_CHECK(seen.insert(p.body()).second, ValueError, kind,
               ": expected each parameter once, got one twice (parameter ", i, ")");
  }
}

inline void check_at_least(const std::string& kind, const char* what, double value, double low) {
  CLEW_CHECK(value >= low, ValueError, kind, ": expected ", what, " >= ", low, ", got ", value);
}

inline void check_beta(const std::string& kind, const char* what, double value) {
  CLEW_CHECK(value >= 0 && value < 1, ValueError, kind, ": expected ", what, " in [0, 1), got ", value);
}

inline std::string key(size_t number, const char* what) { return std::to_string(number) + "." + what; }

// Reads a saved state by name and complains about what is missing, left over or of another size.
class StateReader {
 public:
  StateReader(const std::string& kind, const NamedTensors& state) : kind_(kind) {
    for (const auto& [name, value] : state) entries_.emplace(name, value);
  }
  bool has(const std::string& name) const { return entries_.contains(name); }
  Tensor take(const std::string& name, IntArrayRef sizes) {
    const auto found = entries_.find(name);
    CLEW_CHECK(found != entries_.end(), ValueError, kind_, ": expected '", name, "' in the state, got none");
    CLEW_CHECK(found->second.sizes() == sizes, ShapeError, kind_, ": expected shape ", sizes, " for '", name,
               "', got ", found->second.sizes());
    const NoGradGuard guard;
    Tensor t = clone(found->second.detach());
    entries_.erase(found);
    return t;
  }
  // A list of any length, whose elements have the given sizes.
  Tensor take_rows(const std::string& name, IntArrayRef sizes) {
    const auto found = entries_.find(name);
    CLEW_CHECK(found != entries_.end() && found->second.dim() > 0, ValueError, kind_, ": expected a list '",
               name, "' in the state, got none");
    Shape all{found->second.size(0)};
    for (const int64_t n : sizes) all.push_back(n);
    return take(name, all);
  }
  void finish() const {
    CLEW_CHECK(entries_.empty(), ValueError, kind_,
               ": expected the state of this optimizer, got unexpected '", entries_.begin()->first, "'");
  }

 private:
  std::string kind_;
  std::unordered_map<std::string, Tensor> entries_;
};

}  // namespace clew::optim::optim_detail
