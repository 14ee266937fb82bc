// What layers print of their settings, spelled as Python spells it.
#pragma once

#include <array>
#include <charconv>
#include <sstream>
#include <string>

#include "clew/core/small_vector.h"

namespace clew::nn {

inline const char* spelled(bool b) { return b ? "True" : "False"; }

// The shortest digits that give the number back, with a point: "0.0", "1e-05".
inline std::string spelled(double v) {
  std::array<char, 32> buffer;
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), v).ptr;
  std::string s(buffer.data(), end);
  return s.find_first_of(".en") == std::string::npos ? s + ".0" : s;
}

template <class... Parts>
std::string text(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

// "(3, 3)".
inline std::string spelled(IntArrayRef s) { return text(s); }

}  // namespace clew::nn
