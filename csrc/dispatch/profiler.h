// Records what ran, when and for how long.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>
#include <utility>
#include <vector>

#include "clew/autograd/node.h"
#include "clew/dispatch/interceptor.h"

namespace clew {

struct ProfileEvent {
  std::string name;  // of the op, with "_" behind it in place; or the label of a range
  bool is_op;
  int32_t parent;                 // index of the event around this one; -1 at the top
  int64_t start_ns, duration_ns;  // start counts from the profiler's own
  int64_t inner_ns;               // spent in events directly inside
  std::vector<Shape> shapes;      // of the tensor arguments, if asked for
  int64_t memory_bytes = 0;       // by which memory in use grew, if asked for; negative when it shrank
  int64_t inner_bytes = 0;        // of that, in events directly inside
  autograd::Provenance line;      // of user code that made the call, if asked for
};

struct ProfileRow {
  std::string name;
  std::vector<Shape> shapes;
  int64_t count = 0, total_ns = 0, self_ns = 0;  // time of recursive calls counts once in total_ns
  int64_t total_bytes = 0, self_bytes = 0;
};

/// What a Profiler recorded.
struct CLEW_API Profile {
  std::vector<ProfileEvent> events;  // in order of start
  int64_t thread;
  bool has_shapes, has_memory, has_lines;

  /// One row per name (and shapes, with `by_shape`), most self time first.
  std::vector<ProfileRow> summary(bool by_shape = false) const;
  /// The JSON that chrome://tracing and Perfetto read; times in microseconds.
  void write_chrome_trace(std::ostream& out) const;
};

/// Sees the ops of the thread it was made on, those inside other ops nested under them.
class CLEW_API Profiler final : public Interceptor {
 public:
  explicit Profiler(bool record_shapes = false, bool memory = false, bool lines = false);
  ~Profiler() override;
  Value call(const BoxedCall& call) override;
  /// What was recorded so far; ranges still open end here.
  Profile take();

 private:
  friend class RecordFunction;
  class OpenEvent;
  int32_t begin(std::string name, bool is_op);
  void end(int32_t event) noexcept;

  Profile profile_;
  int32_t open_ = -1;
  int64_t origin_ns_;
  Profiler* outer_profiler_;
};

/// A named range in the profiles that are active on this thread; nothing without one.
class CLEW_API RecordFunction {
 public:
  explicit RecordFunction(const std::string& name);
  ~RecordFunction();
  RecordFunction(const RecordFunction&) = delete;
  RecordFunction& operator=(const RecordFunction&) = delete;

 private:
  std::vector<std::pair<Profiler*, int32_t>> open_;
};

}  // namespace clew
