// What the files of clew_frontend share.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <utility>

#include "clew/clew.h"

// A module under test: its handle, and how it maps inputs to outputs.
struct Case {
  clew::nn::Module module;
  std::function<clew::TensorList(const clew::TensorList&)> forward;
};

// The handle alone goes into the case; the lambda has the layer itself.
inline Case of(const clew::nn::Module& module,
               std::function<clew::TensorList(const clew::TensorList&)> forward) {
  return {module, std::move(forward)};
}

template <class M>
Case one(M m) {
  return of(m, [m](const clew::TensorList& x) mutable -> clew::TensorList {
    if constexpr (requires { m.forward(x[0], x[1]); }) {
      return {m(x[0], x[1])};
    } else {
      return {m(x[0])};
    }
  });
}
using Cases = std::map<std::string, std::function<Case()>>;

// Functions that are no ops, as a case without parameters.
inline Case call(std::function<clew::TensorList(const clew::TensorList&)> f) {
  return {clew::nn::Module(), std::move(f)};
}

/// The cases given and those of frontend_layers.cpp.
Cases with_more(Cases cases);

void print_other_names();
int train(const char* in, const char* out);
int rates(const char* in, const char* out);
int initialize(const char* in, const char* out);
