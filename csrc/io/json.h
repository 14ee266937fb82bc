// As much of JSON as the headers of tensor files need.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "clew/core/macros.h"

namespace clew::io {

/// A JSON value. Objects keep the order of their keys.
struct Json {
  using Array = std::vector<Json>;
  using Object = std::vector<std::pair<std::string, Json>>;
  std::variant<std::nullptr_t, bool, int64_t, double, std::string, Array, Object> value = nullptr;

  const int64_t* integer() const { return std::get_if<int64_t>(&value); }
  const std::string* string() const { return std::get_if<std::string>(&value); }
  const Array* array() const { return std::get_if<Array>(&value); }
  const Object* object() const { return std::get_if<Object>(&value); }
  /// The value of a key of an object; null when this is no object or has no such key.
  const Json* find(std::string_view key) const;
};

/// Parses a whole text. Raises FileFormatError (`where` names the file) for anything but JSON with distinct
/// keys, at most 1000 levels deep.
Json parse_json(std::string_view text, const std::string& where);
/// Appends `text` as a JSON string, quotes included.
void append_quoted(std::string& out, std::string_view text);

}  // namespace clew::io
