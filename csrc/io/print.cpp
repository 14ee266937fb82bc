// How tensors print: values in brackets as nested lists show them, then shape, dtype and place on the tape.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <ostream>
#include <string>
#include <vector>

#include "clew/autograd/grad_mode.h"
#include "clew/autograd/node.h"
#include "clew/core/tensor.h"
#include "clew/io/print_options.h"

namespace clew {
namespace {

constexpr int64_t kMaxElements = 4096;  // shown of a summarised tensor, however many dimensions there are
constinit PrintOptions options;

/// Which indices of one dimension are shown: [0, head) and [size - tail, size), with "..." between.
struct Shown {
  int64_t size, head, tail;
  bool cut() const { return head + tail < size; }
  int64_t count() const { return head + tail; }
  int64_t index(int64_t i) const { return i < head ? i : size - tail + (i - head); }
};

std::vector<Shown> choose_shown(const Tensor& t) {
  std::vector<Shown> shown;
  for (int64_t n : t.sizes()) shown.push_back({n, n, 0});
  if (t.numel() <= options.threshold) return shown;
  // From the innermost dimension outwards; once enough is shown, one index stands for the rest.
  int64_t elements = 1;
  for (size_t d = shown.size(); d-- > 0;) {
    Shown& s = shown[d];
    const int64_t edge = options.edge_items;
    if (s.size > 2 * edge) s = {s.size, edge, edge};
    if (elements * s.count() > kMaxElements) s = {s.size, 1, 0};
    elements *= s.count();
  }
  return shown;
}

/// The shown elements in order, as text that is not yet padded, and the width they share.
struct Cells {
  std::vector<std::string> text;
  size_t width = 1;
};

template <class F>
void visit_shown(const Tensor& t, const std::vector<Shown>& shown, F&& f) {
  if (t.numel() == 0) return;
  const size_t rank = shown.size();
  std::vector<int64_t> counter(rank, 0);
  while (true) {
    int64_t offset = 0;
    for (size_t d = 0; d < rank; ++d) offset += shown[d].index(counter[d]) * t.strides()[d];
    f(offset);
    size_t d = rank;
    while (d > 0 && ++counter[d - 1] == shown[d - 1].count()) counter[--d] = 0;
    if (d == 0) return;
  }
}

std::string format_double(const char* format, double v) {
  if (std::isnan(v)) return "nan";
  if (std::isinf(v)) return v > 0 ? "inf" : "-inf";
  const int n = std::snprintf(nullptr, 0, format, options.precision, v);
  std::string out(static_cast<size_t>(n) + 1, '\0');
  std::snprintf(out.data(), out.size(), format, options.precision, v);
  out.pop_back();
  return out;
}

// One form for all elements: "1." when all are whole, "1.5000" for a modest range, else "1.5000e+00".
Cells format_floats(const std::vector<double>& values) {
  double smallest = HUGE_VAL, largest = 0;
  bool whole = true;
  for (double v : values) {
    if (!std::isfinite(v) || v == 0) continue;
    smallest = std::min(smallest, std::abs(v));
    largest = std::max(largest, std::abs(v));
    whole = whole && v == std::ceil(v);
  }
  const bool none = largest == 0;
  bool scientific = !none && (largest / smallest > 1000 || largest > 1e8);
  if (!whole) scientific = scientific || smallest < 1e-4;
  scientific = options.sci_mode.value_or(scientific);
  const char* format = scientific ? "%.*e" : "%.*f";
  Cells cells;
  for (double v : values) {
    std::string s;
    if (whole && !scientific && std::isfinite(v)) {
      char number[32];
      std::snprintf(number, sizeof number, "%.0f.", v);
      s = number;
    } else {
      s = format_double(format, v);
    }
    if (std::isfinite(v) && v != 0) cells.width = std::max(cells.width, s.size());
    cells.text.push_back(std::move(s));
  }
  return cells;
}

Cells format_cells(const Tensor& t, const std::vector<Shown>& shown) {
  return dispatch<kAllDTypes>(t.dtype(), [&]<class T>() -> Cells {
    const T* data = t.data<T>();
    if constexpr (is_floating(DTypeOf<T>::value)) {
      std::vector<double> values;
      visit_shown(t, shown, [&](int64_t o) {
        if constexpr (sizeof(T) == 2) {
          values.push_back(static_cast<double>(static_cast<float>(data[o])));
        } else {
          values.push_back(static_cast<double>(data[o]));
        }
      });
      return format_floats(values);
    } else {
      Cells cells;
      visit_shown(t, shown, [&](int64_t o) {
        if constexpr (std::is_same_v<T, bool>) {
          cells.text.emplace_back(data[o] ? "True" : "False");
        } else {
          cells.text.push_back(std::to_string(static_cast<int64_t>(data[o])));
        }
        cells.width = std::max(cells.width, cells.text.back().size());
      });
      return cells;
    }
  });
}

/// Writes the nested brackets. Depth is the rank, at most 64.
class Writer {
 public:
  Writer(std::string& out, const std::vector<Shown>& shown, const Cells& cells)
      : out_(out), shown_(shown), cells_(cells) {}

  void write(size_t dim, int indent) {
    if (dim == shown_.size()) {
      write_cell();
    } else if (dim + 1 == shown_.size()) {
      write_row(shown_[dim], indent);
    } else {
      const Shown& s = shown_[dim];
      const std::string separator = "," + std::string(shown_.size() - dim - 1, '\n') +
                                    std::string(static_cast<size_t>(indent) + 1, ' ');
      out_ += '[';
      for (int64_t i = 0; i < s.count(); ++i) {
        if (i > 0) out_ += separator;
        if (i > 0 && i == s.head && s.cut()) out_ += "..." + separator;
        write(dim + 1, indent + 1);
      }
      if (s.cut() && s.tail == 0) out_ += separator + "...";
      out_ += ']';
    }
  }

 private:
  void write_cell() {
    const std::string& s = cells_.text[next_++];
    if (s.size() < cells_.width) out_.append(cells_.width - s.size(), ' ');
    out_ += s;
  }
  void write_row(const Shown& s, int indent) {
    const int per_line = std::max(1, (options.line_width - indent) / (static_cast<int>(cells_.width) + 2));
    const std::string line_break = ",\n" + std::string(static_cast<size_t>(indent) + 1, ' ');
    int position = 0;
    auto separate = [&] {
      if (position > 0) out_ += position % per_line == 0 ? line_break : ", ";
      ++position;
    };
    out_ += '[';
    for (int64_t i = 0; i < s.count(); ++i) {
      if (i == s.head && s.cut()) {
        separate();
        out_ += " ...";
      }
      separate();
      write_cell();
    }
    if (s.cut() && s.tail == 0) {
      separate();
      out_ += " ...";
    }
    out_ += ']';
  }

  std::string& out_;
  const std::vector<Shown>& shown_;
  const Cells& cells_;
  size_t next_ = 0;
};

}  // namespace

PrintOptions& print_options() { return options; }

std::string to_string(const Tensor& t) {
  if (!t.defined()) return "tensor(undefined)";
  static constexpr char kPrefix[] = "tensor(";
  constexpr int kIndent = sizeof kPrefix - 1;
  std::string out = kPrefix;
  if (t.is_meta() || is_complex(t.dtype())) {
    out += "...";
  } else if (t.numel() == 0) {
    out += "[]";
  } else {
    const NoGradGuard guard;
    const Tensor data = t.is_cpu() ? t : t.detach().to(std::nullopt, kCPU);
    const std::vector<Shown> shown = choose_shown(data);
    const Cells cells = format_cells(data, shown);
    Writer(out, shown, cells).write(0, kIndent);
  }

  std::vector<std::string> facts{detail::concat("shape=", t.sizes()), detail::concat("dtype=", t.dtype())};
  if (!t.is_cpu()) facts.push_back("device=" + t.device().str());
  if (const autograd::Node* node = autograd::grad_fn(t)) {
    facts.push_back("grad_fn=<" + node->name() + ">");
  } else if (t.requires_grad()) {
    facts.emplace_back("requires_grad=True");
  }
  const size_t last_break = out.rfind('\n');
  size_t column = out.size() - (last_break == std::string::npos ? 0 : last_break + 1);
  for (const std::string& fact : facts) {
    if (column + fact.size() + 3 > static_cast<size_t>(options.line_width)) {
      out += ",\n" + std::string(kIndent, ' ') + fact;
      column = static_cast<size_t>(kIndent) + fact.size();
    } else {
      out += ", " + fact;
      column += 2 + fact.size();
    }
  }
  return out + ')';
}

std::ostream& operator<<(std::ostream& out, const Tensor& t) { return out << to_string(t); }

}  // namespace clew
