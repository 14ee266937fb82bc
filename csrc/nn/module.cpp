// The tree of modules: registration, walks, state.
#include "clew/nn/module.h"

#include <algorithm>
#include <ostream>
#include <set>
#include <unordered_map>

#include "clew/autograd/grad_mode.h"
#include "clew/ops/ops.h"

namespace clew::nn {

struct Module::State {
  struct Buffer {
    std::string name;
    Tensor value;
    bool persistent;
  };
  std::string kind, details;
  bool training = true;
  Named<Tensor> parameters;
  std::vector<Buffer> buffers;
  Named<Module> children;
  // Where the module was last registered; the parent is only compared, never used.
  std::string own_name;

  bool has(const std::string& name) const {
    return std::ranges::any_of(parameters, [&](const auto& p) { return p.first == name; }) ||
           std::ranges::any_of(buffers, [&](const auto& b) { return b.name == name; }) ||
           std::ranges::any_of(children, [&](const auto& c) { return c.first == name; });
  }
  void check_name(const char* op, const std::string& name) const {
    CLEW_CHECK(!name.empty() && name.find('.') == std::string::npos, ValueError, op,
               ": expected a name without '.', got '", name, "'");
    CLEW_CHECK(!has(name), ValueError, op, ": expected a new name, got '", name, "' (", kind,
               " has it already)");
  }
};

namespace {

std::string joined(const std::string& prefix, const std::string& name) {
  return prefix.empty() ? name : prefix + "." + name;
}

// Makes `t` show the storage of `value`: handles, optimizers and the tape keep pointing at the same tensor.
void replace_data(const Tensor& t, const Tensor& value) {
  if (value.is_same(t)) return;
  t.set_data(value);
}

}  // namespace

Module::Module(std::string kind, std::string details) : state_(std::make_shared<State>()) {
  state_->kind = std::move(kind);
  state_->details = std::move(details);
}
Module::~Module() = default;

Tensor Module::register_parameter(std::string name, const Tensor& value, bool requires_grad) {
  state_->check_name("register_parameter", name);
  if (value.defined()) {
    CLEW_CHECK(value.is_leaf(), ValueError, "register_parameter: expected a leaf, got a computed tensor ('",
               name, "'; detach() it)");
    value.set_requires_grad(requires_grad);
  }
  state_->parameters.emplace_back(std::move(name), value);
  return value;
}

Tensor Module::register_buffer(std::string name, const Tensor& value, bool persistent) {
  state_->check_name("register_buffer", name);
  state_->buffers.push_back({std::move(name), value, persistent});
  return value;
}

void Module::add_child(std::string name, const Module& child) {
  state_->check_name("register_module", name);
  CLEW_CHECK(!child.is_same(*this), ValueError, "register_module: expected another module, got itself ('",
             name, "')");
  child.state_->own_name = name;
  state_->children.emplace_back(std::move(name), child);
}

void Module::replace_child(const std::string& name, const Module& child) {
  for (auto& [key, old] : state_->children) {
    if (key != name) continue;
    child.state_->own_name = name;
    old = child;
    return;
  }
  add_child(name, child);
}

void Module::set_details(std::string details) { state_->details = std::move(details); }
void Module::set_kind(std::string kind) { state_->kind = std::move(kind); }
const std::string& Module::kind() const { return state_->kind; }

// --- walks ---------------------------------------------------------------------------------------

Named<Module> Module::named_modules(const std::string& prefix) const {
  Named<Module> out;
  std::set<const State*> seen;
  // Depth first, parents before children, in the order of registration.
  std::vector<std::pair<std::string, Module>> pending{{prefix, *this}};
  while (!pending.empty()) {
    auto [name, module] = std::move(pending.back());
    pending.pop_back();
    if (!seen.insert(module.state_.get()).second) continue;
    const auto& below = module.state_->children;
    for (size_t i = below.size(); i-- > 0;)
      pending.emplace_back(joined(name, below[i].first), below[i].second);
    out.emplace_back(std::move(name), std::move(module));
  }
  return out;
}

std::vector<Module> Module::modules() const {
  std::vector<Module> out;
  for (auto& [name, module] : named_modules()) out.push_back(std::move(module));
  return out;
}

Named<Module> Module::named_children() const { return state_->children; }

std::vector<Module> Module::children() const {
  std::vector<Module> out;
  for (const auto& [name, module] : state_->children) out.push_back(module);
  return out;
}

Named<Tensor> Module::named_parameters(const std::string& prefix, bool recurse) const {
  Named<Tensor> out;
  std::set<const TensorBody*> seen;
  for (const auto& [path, module] : recurse ? named_modules(prefix) : Named<Module>{{prefix, *this}}) {
    for (const auto& [name, value] : module.state_->parameters) {
      if (value.defined() && seen.insert(value.body()).second) out.emplace_back(joined(path, name), value);
    }
  }
  return out;
}

Named<Tensor> Module::named_buffers(const std::string& prefix, bool recurse) const {
  Named<Tensor> out;
  std::set<const TensorBody*> seen;
  for (const auto& [path, module] : recurse ? named_modules(prefix) : Named<Module>{{prefix, *this}}) {
    for (const State::Buffer& b : module.state_->buffers) {
      if (b.value.defined() && seen.insert(b.value.body()).second)
        out.emplace_back(joined(path, b.name), b.value);
    }
  }
  return out;
}

namespace {
std::vector<Tensor> values(Named<Tensor>&& named) {
  std::vector<Tensor> out;
  out.reserve(named.size());
  for (auto& [name, value] : named) out.push_back(std::move(value));
  return out;
}
}  // namespace

std::vector<Tensor> Module::parameters(bool recurse) const { return values(named_parameters("", recurse)); }
std::vector<Tensor> Module::buffers(bool recurse) const { return values(named_buffers("", recurse)); }

// --- mode, gradients, place ------------------------------------------------------------------------

bool Module::is_training() const { return state_->training; }

void Module::train(bool on) const {
  for (const Module& m : modules()) m.state_->training = on;
}

void Module::requires_grad_(bool value) const {
  for (const Tensor& p : parameters()) p.set_requires_grad(value);
}

void Module::zero_grad(bool set_to_none) const {
  for (const Tensor& p : parameters()) {
    if (!p.grad().defined()) continue;
    if (set_to_none) {
      p.set_grad({});
    } else {
      const NoGradGuard guard;
      const Tensor g = p.grad();
      zero_(g);
    }
  }
}

void Module::to(std::optional<DType> dtype, std::optional<Device> device) const {
  CLEW_CHECK(!dtype || is_floating(*dtype), DTypeError, "to: expected a floating point dtype, got ", *dtype);
  const NoGradGuard guard;
  const auto convert = [&](const Tensor& t) {
    const Tensor value = t.detach().to(is_floating(t.dtype()) ? dtype : std::nullopt, device);
    const Tensor grad = t.grad();
    if (value.dtype() == t.dtype() && value.device() == t.device()) return;
    if (grad.defined()) t.set_grad({});
    replace_data(t, value);
    if (grad.defined()) t.set_grad(grad.to(value.dtype(), device));
  };
  for (const Tensor& p : parameters()) convert(p);
  for (const Tensor& b : buffers()) convert(b);
}

void Module::apply(const std::function<void(Module&)>& f) const {
  std::vector<Module> all = modules();
  // Children before parents.
  for (size_t i = all.size(); i-- > 0;) f(all[i]);
}

// --- state -----------------------------------------------------------------------------------------

StateDict Module::state_dict(const std::string& prefix) const {
  StateDict out;
  // Every path counts here, also a second one to the same module: that is how files name shared weights.
  std::vector<std::pair<std::string, Module>> pending{{prefix, *this}};
  while (!pending.empty()) {
    const auto [path, module] = std::move(pending.back());
    pending.pop_back();
    for (const auto& [name, value] : module.state_->parameters) {
      if (value.defined()) out.emplace_back(joined(path, name), value.detach());
    }
    for (const State::Buffer& b : module.state_->buffers) {
      if (b.value.defined() && b.persistent) out.emplace_back(joined(path, b.name), b.value.detach());
    }
    const auto& below = module.state_->children;
    for (size_t i = below.size(); i-- > 0;)
      pending.emplace_back(joined(path, below[i].first), below[i].second);
  }
  return out;
}

void Module::load_state_dict(const StateDict& state, bool strict) const {
  std::unordered_map<std::string, Tensor> wanted;
  for (const auto& [name, value] : state_dict()) wanted.emplace(name, value);
  std::string missing, unexpected;
  std::set<std::string> given;
  for (const auto& [name, value] : state) {
    given.insert(name);
    const auto found = wanted.find(name);
    if (found == wanted.end()) {
      unexpected += (unexpected.empty() ? "" : ", ") + name;
      continue;
    }
    CLEW_CHECK(value.sizes() == found->second.sizes(), ShapeError, "load_state_dict: expected shape ",
               found->second.sizes(), " for '", name, "', got ", value.sizes());
  }
  for (const auto& [name, value] : state_dict()) {
    if (!given.contains(name)) missing += (missing.empty() ? "" : ", ") + name;
  }
  CLEW_CHECK(!strict || (missing.empty() && unexpected.empty()), ValueError,
             "load_state_dict: expected the names of ", state_->kind, ", got ",
             missing.empty() ? "" : "none of " + missing,
             missing.empty() || unexpected.empty() ? "" : " and ",
             unexpected.empty() ? "" : "unexpected " + unexpected, " (strict=false loads what fits)");
  const NoGradGuard guard;
  for (const auto& [name, value] : state) {
    const auto found = wanted.find(name);
    if (found != wanted.end()) copy_(found->second, value);
  }
}

// --- errors and printing ---------------------------------------------------------------------------

void Module::rethrow_with_path() const {
  try {
    throw;
  } catch (Error& e) {
    e.add_module(state_->own_name, state_->kind);
    throw;
  }
}

std::string Module::printed() const {
  const auto indented = [](const std::string& lines) {
    std::string out;
    for (const char c : lines) {
      out += c;
      if (c == '\n') out += "  ";
    }
    return out;
  };
  const State& state = *state_;
  std::string s = state.kind + "(" + state.details;
  const auto& below = state.children;
  for (size_t i = 0; i < below.size();) {
    const std::string what = below[i].second.printed();
    size_t end = i + 1;
    // A list of equal modules is shown once.
    while (state.kind == "ModuleList" && end < below.size() && below[end].second.printed() == what) ++end;
    s += "\n  (" + below[i].first;
    if (end - i > 1) s += "-" + below[end - 1].first;
    s += "): ";
    if (end - i > 1) s += std::to_string(end - i) + " x ";
    s += indented(what);
    i = end;
  }
  return s + (below.empty() ? ")" : "\n)");
}

std::ostream& operator<<(std::ostream& out, const Module& m) { return out << m.printed(); }

}  // namespace clew::nn
