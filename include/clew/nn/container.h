// Modules made of modules.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "clew/nn/module.h"

namespace clew::nn {

/// Runs modules one after the other; children are named "0", "1", ... or by the given names.
///
///     nn::Sequential net(nn::Linear(784, 64), nn::ReLU(), nn::Linear(64, 10));
class Sequential : public Layer<Sequential> {
 public:
  Sequential() : Layer("Sequential"), steps_(std::make_shared<std::vector<AnyModule>>()) {}
  template <class M, class... More>
    requires(std::is_base_of_v<Module, std::decay_t<M>> && !std::is_same_v<std::decay_t<M>, Sequential>)
  explicit Sequential(M&& first, More&&... more) : Sequential() {
    push_back(std::forward<M>(first));
    (push_back(std::forward<More>(more)), ...);
  }
  Sequential(std::initializer_list<std::pair<std::string, AnyModule>> named) : Sequential() {
    for (const auto& [name, module] : named) push_back(name, module);
  }

  void push_back(const AnyModule& module) { push_back(std::to_string(size()), module); }
  void push_back(std::string name, const AnyModule& module) {
    register_module(std::move(name), module);
    steps_->push_back(module);
  }
  size_t size() const { return steps_->size(); }
  /// Raises IndexError.
  const AnyModule& operator[](size_t i) const {
    CLEW_CHECK(i < size(), IndexError, "Sequential: expected an index below ", size(), ", got ", i);
    return (*steps_)[i];
  }
  auto begin() const { return steps_->begin(); }
  auto end() const { return steps_->end(); }

  Tensor forward(const Tensor& input) const {
    Tensor x = input;
    for (const AnyModule& step : *steps_) x = step(x);
    return x;
  }

 private:
  std::shared_ptr<std::vector<AnyModule>> steps_;
};

/// A list of modules of one class (AnyModule for mixed ones); it has no forward.
template <class M = AnyModule>
class ModuleList : public Module {
 public:
  ModuleList() : Module("ModuleList"), items_(std::make_shared<std::vector<M>>()) {}
  ModuleList(std::initializer_list<M> items) : ModuleList() {
    for (const M& m : items) push_back(m);
  }
  void push_back(M module) {
    register_module(std::to_string(size()), module);
    items_->push_back(std::move(module));
  }
  size_t size() const { return items_->size(); }
  /// Raises IndexError.
  M& operator[](size_t i) const {
    CLEW_CHECK(i < size(), IndexError, "ModuleList: expected an index below ", size(), ", got ", i);
    return (*items_)[i];
  }
  auto begin() const { return items_->begin(); }
  auto end() const { return items_->end(); }

 private:
  std::shared_ptr<std::vector<M>> items_;
};

/// Modules of one class by name, in the order of insertion; it has no forward.
template <class M = AnyModule>
class ModuleDict : public Module {
 public:
  ModuleDict() : Module("ModuleDict"), items_(std::make_shared<std::vector<std::pair<std::string, M>>>()) {}
  ModuleDict(std::initializer_list<std::pair<std::string, M>> items) : ModuleDict() {
    for (const auto& [name, m] : items) insert(name, m);
  }
  /// Adds a module, or puts it in place of the one of that name.
  void insert(const std::string& name, M module) {
    replace_child(name, module);
    for (auto& [key, old] : *items_) {
      if (key == name) {
        old = std::move(module);
        return;
      }
    }
    items_->emplace_back(name, std::move(module));
  }
  bool contains(const std::string& name) const {
    for (const auto& [key, m] : *items_) {
      if (key == name) return true;
    }
    return false;
  }
  size_t size() const { return items_->size(); }
  /// Raises IndexError.
  M& operator[](const std::string& name) const {
    for (auto& [key, m] : *items_) {
      if (key == name) return m;
    }
    detail::raise<IndexError>("ModuleDict: expected a name that it has, got '", name, "'");
  }
  auto begin() const { return items_->begin(); }
  auto end() const { return items_->end(); }

 private:
  std::shared_ptr<std::vector<std::pair<std::string, M>>> items_;
};

}  // namespace clew::nn
