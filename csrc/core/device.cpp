#include "clew/core/device.h"

#include <charconv>
#include <ostream>

#include "clew/core/error.h"
#include "clew/core/thread_state.h"

namespace clew {

Device::Device(std::string_view text) {
  const size_t colon = text.find(':');
  const std::string_view kind = text.substr(0, colon);
  bool good = true;
  if (kind == "cpu") {
    type = DeviceType::CPU;
  } else if (kind == "cuda") {
    type = DeviceType::CUDA;
    index = thread_state.cuda_device;
  } else if (kind == "meta") {
    type = DeviceType::Meta;
  } else {
    good = false;
  }
  if (good && colon != std::string_view::npos) {
    const std::string_view digits = text.substr(colon + 1);
    int value = -1;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    good = error == std::errc() && end == digits.data() + digits.size() && value >= 0 && value < 128;
    index = static_cast<int8_t>(value);
  }
  CLEW_CHECK(good, ValueError, "device: expected 'cpu', 'cuda', 'cuda:N' or 'meta', got '", text, "'");
}

std::string Device::str() const {
  switch (type) {
    case DeviceType::CPU:
      return "cpu";
    case DeviceType::CUDA:
      return "cuda:" + std::to_string(index);
    case DeviceType::Meta:
      break;
  }
  return "meta";
}

std::ostream& operator<<(std::ostream& out, Device d) { return out << d.str(); }

}  // namespace clew
