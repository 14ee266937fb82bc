#include "clew/core/error.h"

namespace clew {

// Out of line so that each class has one home for its type information.
Error::~Error() = default;

void Error::add_module(const std::string& name, const std::string& kind) {
  if (module_note_ == std::string::npos) {
    module_note_ = message_.size();
    module_kind_ = kind;
  }
  if (!name.empty()) module_path_ = module_path_.empty() ? name : name + "." + module_path_;
  message_.resize(module_note_);
  message_ += "\nin module " + module_path_ + (module_path_.empty() ? "(" : " (") + module_kind_ + ")";
}
TypeError::~TypeError() = default;
ShapeError::~ShapeError() = default;
DTypeError::~DTypeError() = default;
DeviceError::~DeviceError() = default;
IndexError::~IndexError() = default;
ValueError::~ValueError() = default;
AutogradError::~AutogradError() = default;
OutOfMemoryError::~OutOfMemoryError() = default;
FileFormatError::~FileFormatError() = default;
LinAlgError::~LinAlgError() = default;
NotImplementedError::~NotImplementedError() = default;
InternalError::~InternalError() = default;

}  // namespace clew
