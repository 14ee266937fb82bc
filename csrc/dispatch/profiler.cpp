#include "dispatch/profiler.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>
#include <sstream>
#include <utility>

#include "clew/core/memory.h"

namespace clew {
namespace {

thread_local constinit Profiler* innermost_profiler = nullptr;

int64_t now_ns() {
  const auto t = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(t).count();
}

std::vector<Shape> tensor_shapes(std::span<const Value> args) {
  std::vector<Shape> shapes;
  auto add = [&](const Tensor& t) {
    if (t.defined()) shapes.push_back(t.sizes().vec());
  };
  for (const Value& v : args) {
    if (v.is_tensor()) add(v.tensor());
    if (v.is_tensor_list()) {
      for (const Tensor& t : v.tensor_list()) add(t);
    }
  }
  return shapes;
}

void write_json_string(std::ostream& out, const std::string& s) {
  out << '"';
  for (char c : s) {
    if (c == '"' || c == '\\') {
      out << '\\' << c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\u%04x", static_cast<unsigned>(c));
      out << escaped;
    } else {
      out << c;
    }
  }
  out << '"';
}

void write_shapes(std::ostream& out, const std::vector<Shape>& shapes) {
  out << '[';
  for (size_t i = 0; i < shapes.size(); ++i) {
    out << (i > 0 ? ", [" : "[");
    for (size_t d = 0; d < shapes[i].size(); ++d) out << (d > 0 ? ", " : "") << shapes[i][d];
    out << ']';
  }
  out << ']';
}

// Microseconds with the nanoseconds behind the point, whatever the stream's precision.
void write_us(std::ostream& out, int64_t ns) {
  char text[32];
  std::snprintf(text, sizeof text, "%lld.%03lld", static_cast<long long>(ns / 1000),
                static_cast<long long>(ns % 1000));
  out << text;
}

}  // namespace

class Profiler::OpenEvent {
 public:
  OpenEvent(Profiler& p, std::string name) : profiler_(p), index_(p.begin(std::move(name), true)) {}
  ~OpenEvent() { profiler_.end(index_); }
  OpenEvent(const OpenEvent&) = delete;
  OpenEvent& operator=(const OpenEvent&) = delete;

 private:
  Profiler& profiler_;
  int32_t index_;
};

Profiler::Profiler(bool record_shapes, bool memory, bool lines)
    : profile_{{}, static_cast<int64_t>(syscall(SYS_gettid)), record_shapes, memory, lines},
      origin_ns_(now_ns()),
      outer_profiler_(std::exchange(innermost_profiler, this)) {}

Profiler::~Profiler() {
  for (Profiler** p = &innermost_profiler; *p != nullptr; p = &(*p)->outer_profiler_) {
    if (*p == this) {
      *p = outer_profiler_;
      return;
    }
  }
}

int32_t Profiler::begin(std::string name, bool is_op) {
  ProfileEvent event{.name = std::move(name),
                     .is_op = is_op,
                     .parent = open_,
                     .start_ns = 0,
                     .duration_ns = 0,
                     .inner_ns = 0,
                     .shapes = {},
                     .line = {}};
  if (profile_.has_lines && autograd::capture_provenance != nullptr) {
    event.line = autograd::capture_provenance();
  }
  if (profile_.has_memory) event.memory_bytes = -cpu_memory_stats().allocated_bytes;
  event.start_ns = now_ns() - origin_ns_;
  profile_.events.push_back(std::move(event));
  open_ = static_cast<int32_t>(profile_.events.size()) - 1;
  return open_;
}

void Profiler::end(int32_t event) noexcept {
  const int64_t now = now_ns() - origin_ns_;
  const int64_t bytes = profile_.has_memory ? cpu_memory_stats().allocated_bytes : 0;
  // Ranges that Python left open inside of this one end with it.
  bool is_open = false;
  for (int32_t i = open_; i >= 0 && !is_open; i = profile_.events[static_cast<size_t>(i)].parent)
    is_open = i == event;
  while (is_open) {
    const int32_t index = open_;
    ProfileEvent& e = profile_.events[static_cast<size_t>(index)];
    e.duration_ns = now - e.start_ns;
    e.memory_bytes += bytes;
    if (e.parent >= 0) {
      ProfileEvent& outer = profile_.events[static_cast<size_t>(e.parent)];
      outer.inner_ns += e.duration_ns;
      outer.inner_bytes += e.memory_bytes;
    }
    open_ = e.parent;
    is_open = index != event;
  }
}

Profile Profiler::take() {
  while (open_ >= 0) end(open_);
  Profile out = std::move(profile_);
  profile_ = {{}, out.thread, out.has_shapes, out.has_memory, out.has_lines};
  return out;
}

Value Profiler::call(const BoxedCall& call) {
  std::string name = call.op.name;
  if (call.inplace) name += '_';
  std::vector<Shape> shapes = profile_.has_shapes ? tensor_shapes(call.args) : std::vector<Shape>();
  const OpenEvent event(*this, std::move(name));
  profile_.events.back().shapes = std::move(shapes);
  return call.proceed_nested();
}

std::vector<ProfileRow> Profile::summary(bool by_shape) const {
  std::map<std::pair<std::string, std::string>, ProfileRow> rows;
  for (const ProfileEvent& e : events) {
    std::ostringstream key;
    if (by_shape) write_shapes(key, e.shapes);
    ProfileRow& row = rows[{e.name, key.str()}];
    row.name = e.name;
    if (by_shape) row.shapes = e.shapes;
    ++row.count;
    row.self_ns += e.duration_ns - e.inner_ns;
    row.self_bytes += e.memory_bytes - e.inner_bytes;
    bool recursive = false;
    for (int32_t p = e.parent; p >= 0 && !recursive; p = events[static_cast<size_t>(p)].parent)
      recursive = events[static_cast<size_t>(p)].name == e.name;
    if (!recursive) {
      row.total_ns += e.duration_ns;
      row.total_bytes += e.memory_bytes;
    }
  }
  std::vector<ProfileRow> out;
  out.reserve(rows.size());
  for (auto& [key, row] : rows) out.push_back(std::move(row));
  std::sort(out.begin(), out.end(), [](const ProfileRow& a, const ProfileRow& b) {
    return a.self_ns != b.self_ns ? a.self_ns > b.self_ns : a.name < b.name;
  });
  return out;
}

void Profile::write_chrome_trace(std::ostream& out) const {
  const int64_t process = getpid();
  out << "{\"displayTimeUnit\": \"ns\", \"traceEvents\": [\n";
  out << "{\"ph\": \"M\", \"name\": \"process_name\", \"pid\": " << process << ", \"tid\": " << thread
      << ", \"args\": {\"name\": \"clew\"}}";
  for (const ProfileEvent& e : events) {
    out << ",\n{\"ph\": \"X\", \"cat\": \"" << (e.is_op ? "op" : "range") << "\", \"name\": ";
    write_json_string(out, e.name);
    out << ", \"pid\": " << process << ", \"tid\": " << thread << ", \"ts\": ";
    write_us(out, e.start_ns);
    out << ", \"dur\": ";
    write_us(out, e.duration_ns);
    bool any = false;
    auto argument = [&](const char* key) {
      out << (any ? ", \"" : ", \"args\": {\"") << key << "\": ";
      any = true;
    };
    if (has_shapes && e.is_op) {
      argument("shapes");
      write_shapes(out, e.shapes);
    }
    if (has_memory) {
      argument("bytes");
      out << e.memory_bytes;
    }
    if (has_lines && e.line.code != nullptr && autograd::describe_provenance != nullptr) {
      argument("line");
      write_json_string(out, autograd::describe_provenance(e.line));
    }
    if (any) out << '}';
    out << '}';
  }
  out << "\n]}\n";
}

RecordFunction::RecordFunction(const std::string& name) {
  for (Profiler* p = innermost_profiler; p != nullptr; p = p->outer_profiler_)
    open_.emplace_back(p, p->begin(name, false));
}

RecordFunction::~RecordFunction() {
  for (auto& [profiler, event] : open_) {
    // A profile that ended inside the range is gone.
    for (Profiler* p = innermost_profiler; p != nullptr; p = p->outer_profiler_) {
      if (p == profiler) profiler->end(event);
    }
  }
}

}  // namespace clew
