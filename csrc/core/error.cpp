#include "clew/core/error.h"

namespace clew {

// Out of line so that each class has one home for its type information.
Error::~Error() = default;
TypeError::~TypeError() = default;
ShapeError::~ShapeError() = default;
DTypeError::~DTypeError() = default;
DeviceError::~DeviceError() = default;
IndexError::~IndexError() = default;
ValueError::~ValueError() = default;
AutogradError::~AutogradError() = default;
OutOfMemoryError::~OutOfMemoryError() = default;
FileFormatError::~FileFormatError() = default;
NotImplementedError::~NotImplementedError() = default;
InternalError::~InternalError() = default;

}  // namespace clew
