// Where a tensor lives.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>
#include <string_view>

#include "clew/core/macros.h"

namespace clew {

enum class DeviceType : uint8_t { CPU, CUDA, Meta };
inline constexpr int kDeviceTypeCount = 3;

struct CLEW_API Device {
  DeviceType type = DeviceType::CPU;
  int8_t index = 0;

  constexpr Device() = default;
  constexpr Device(DeviceType t, int8_t i = 0) : type(t), index(i) {}  // NOLINT(google-explicit-constructor)
  /// Parses "cpu", "cuda" (the thread's current device), "cuda:1", "meta". Raises ValueError otherwise.
  explicit Device(std::string_view text);

  constexpr bool operator==(const Device&) const = default;
  std::string str() const;
};
inline constexpr Device kCPU{DeviceType::CPU}, kCUDA{DeviceType::CUDA}, kMeta{DeviceType::Meta};

CLEW_API std::ostream& operator<<(std::ostream& out, Device d);

}  // namespace clew
