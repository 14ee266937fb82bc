// einsum: Einstein's summation convention over any number of operands.
//
// Every operand is brought to one order of dimensions, size 1 where it lacks one. Pairs are then contracted
// from left to right by one bmm each: dimensions that both have and that are still needed are the batch,
// those that nobody needs any more are summed.
#include <array>
#include <string>

#include "clew/dispatch/apply.h"
#include "core/shapes.h"
#include "registry/slots.h"

namespace clew {
namespace {

// Labels: 0-51 letters, then the dimensions of the ellipsis.
constexpr int kLetters = 52, kEllipsis = -1;

int label_of(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  return -2;
}
char letter_of(int label) { return static_cast<char>(label < 26 ? 'A' + label : 'a' + label - 26); }

struct Parsed {
  std::vector<std::vector<int>> operands;  // kEllipsis where "..." stands
  std::vector<int> output;
};

std::vector<int> parse_term(std::string_view term, std::string_view equation, bool is_output) {
  std::vector<int> out;
  bool ellipsis = false;
  for (size_t i = 0; i < term.size(); ++i) {
    if (term[i] == ' ') continue;
    if (term[i] == '.') {
      CLEW_CHECK(!ellipsis && term.substr(i, 3) == "...", ValueError,
                 "einsum: expected '...' at most once in a term, got '", equation, "'");
      ellipsis = true;
      out.push_back(kEllipsis);
      i += 2;
      continue;
    }
    const int label = label_of(term[i]);
    CLEW_CHECK(label >= 0, ValueError, "einsum: expected letters as subscripts, got '", term[i], "' in '",
               equation, "'");
    CLEW_CHECK(!is_output || std::find(out.begin(), out.end(), label) == out.end(), ValueError,
               "einsum: expected each subscript once in the output, got '", term[i], "' again in '", equation,
               "'");
    out.push_back(label);
  }
  return out;
}

Parsed parse(std::string_view equation, size_t operand_count) {
  Parsed p;
  const size_t arrow = equation.find("->");
  const std::string_view left = equation.substr(0, arrow);
  size_t begin = 0;
  for (;;) {
    const size_t comma = left.find(',', begin);
    p.operands.push_back(parse_term(left.substr(begin, comma - begin), equation, false));
    if (comma == std::string_view::npos) break;
    begin = comma + 1;
  }
  CLEW_CHECK(p.operands.size() == operand_count, ValueError, "einsum: expected ", p.operands.size(),
             " operands for the equation '", equation, "', got ", operand_count);
  std::array<int, kLetters> count{};
  bool ellipsis = false;
  for (const auto& term : p.operands) {
    for (int label : term) {
      if (label == kEllipsis) {
        ellipsis = true;
      } else {
        ++count[static_cast<size_t>(label)];
      }
    }
  }
  if (arrow != std::string_view::npos) {
    p.output = parse_term(equation.substr(arrow + 2), equation, true);
    for (int label : p.output) {
      CLEW_CHECK(label == kEllipsis || count[static_cast<size_t>(label)] > 0, ValueError,
                 "einsum: expected output subscripts that an operand has, got '", letter_of(label), "' in '",
                 equation, "'");
    }
  } else {  // the ellipsis, then what occurs once, in the order of the alphabet
    if (ellipsis) p.output.push_back(kEllipsis);
    for (int label = 0; label < kLetters; ++label)
      if (count[static_cast<size_t>(label)] == 1) p.output.push_back(label);
  }
  return p;
}

/// Sums the dims in `mask` of a tensor, keeping them with size 1.
Tensor summed(const Tensor& t, uint64_t mask) {
  Shape dims;
  for (int64_t i = 0; i < t.dim(); ++i)
    if ((mask >> i) & 1) dims.push_back(i);
  return dims.empty() ? t : sum(t, IntArrayRef(dims), true, t.dtype());
}

/// Product of two tensors of one rank (sizes equal or 1), summed over `contracted`, those dims kept with
/// size 1.
Tensor contract(Tensor a, Tensor b, uint64_t contracted) {
  const auto rank = static_cast<size_t>(a.dim());
  uint64_t only_a = 0, only_b = 0;
  for (size_t d = 0; d < rank; ++d) {
    if (!((contracted >> d) & 1)) continue;
    if (a.sizes()[d] != 1 && b.sizes()[d] == 1) only_a |= uint64_t{1} << d;
    if (a.sizes()[d] == 1 && b.sizes()[d] != 1) only_b |= uint64_t{1} << d;
  }
  // What only one side has is summed before it costs anything.
  a = summed(a, only_a);
  b = summed(b, only_b);
  Shape batch, left, right, inner, full;
  int64_t nb = 1, nl = 1, nr = 1, ni = 1;
  for (size_t d = 0; d < rank; ++d) {
    const int64_t n = a.sizes()[d], m = b.sizes()[d];
    const auto i = static_cast<int64_t>(d);
    if ((contracted >> d) & 1) {
      inner.push_back(i);
      ni *= n;
    } else if (n != 1 && m != 1) {
      batch.push_back(i);
      nb *= n;
    } else if (n != 1) {
      left.push_back(i);
      nl *= n;
    } else {
      right.push_back(i);
      nr *= m;
    }
  }
  auto joined = [](std::initializer_list<const Shape*> lists) {
    Shape out;
    for (const Shape* s : lists)
      for (int64_t d : *s) out.push_back(d);
    return out;
  };
  const Shape order_a = joined({&batch, &left, &inner, &right}),
              order_b = joined({&batch, &inner, &right, &left});
  const Tensor x = reshape(permute(a, order_a), {nb, nl, ni});
  const Tensor y = reshape(permute(b, order_b), {nb, ni, nr});
  const Tensor z = ni == 1 && !is_floating(a.dtype()) ? mul(x, y) : bmm(x, y);
  // (batch, left, right, inner) back to the common order.
  const Shape order = joined({&batch, &left, &right, &inner});
  Shape shape, back(rank, 0);
  for (size_t i = 0; i < rank; ++i) {
    const auto d = static_cast<size_t>(order[i]);
    shape.push_back(((contracted >> d) & 1) != 0 ? 1 : std::max(a.sizes()[d], b.sizes()[d]));
    if (a.sizes()[d] == 0 || b.sizes()[d] == 0) shape.back() = ((contracted >> d) & 1) != 0 ? 1 : 0;
    back[d] = static_cast<int64_t>(i);
  }
  return permute(reshape(z, shape), back);
}

Tensor einsum_composite(std::string_view equation, TensorListRef operands) {
  CLEW_CHECK(!operands.empty(), ValueError, "einsum: expected at least one operand, got none");
  for (const Tensor& t : operands)
    CLEW_CHECK(t.dtype() == operands[0].dtype(), DTypeError, "einsum: expected operands of one dtype, got ",
               operands[0].dtype(), " and ", t.dtype(), " (convert one with .to(dtype))");
  const Parsed p = parse(equation, operands.size());
  // How many dimensions the ellipsis stands for.
  int64_t ellipsis = 0;
  for (size_t k = 0; k < operands.size(); ++k) {
    const auto& term = p.operands[k];
    const bool has = std::find(term.begin(), term.end(), kEllipsis) != term.end();
    const int64_t rest = operands[k].dim() - (static_cast<int64_t>(term.size()) - (has ? 1 : 0));
    CLEW_CHECK(has ? rest >= 0 : rest == 0, ShapeError, "einsum: expected operand ", k, " of ",
               static_cast<int64_t>(term.size()) - (has ? 1 : 0), has ? " or more" : "",
               " dimensions, got shape ", operands[k].sizes(), " (equation '", equation, "')");
    if (has) ellipsis = std::max(ellipsis, rest);
  }
  // The common order: first the output's, then what is summed away.
  std::vector<int> order;
  std::array<int64_t, kLetters> place;
  place.fill(-1);
  int64_t ellipsis_at = -1, next = 0;
  auto add = [&](int label) {
    if (label == kEllipsis) {
      if (ellipsis_at < 0) {
        ellipsis_at = next;
        next += ellipsis;
      }
    } else if (place[static_cast<size_t>(label)] < 0) {
      place[static_cast<size_t>(label)] = next++;
    }
  };
  for (int label : p.output) add(label);
  const int64_t out_rank = next;
  for (const auto& term : p.operands)
    for (int label : term) add(label);
  const int64_t rank = next;
  CLEW_CHECK(rank <= 64, ShapeError, "einsum: expected at most 64 different dimensions, got ", rank);

  TensorList aligned;
  Shape sizes(static_cast<size_t>(rank), 1);
  std::vector<uint64_t> has(operands.size(), 0);
  for (size_t k = 0; k < operands.size(); ++k) {
    Tensor t = operands[k];
    // Places of the dimensions; one that comes again is a diagonal.
    Shape places;
    const auto& term = p.operands[k];
    for (int label : term) {
      if (label == kEllipsis) {
        const int64_t m = t.dim() - (static_cast<int64_t>(term.size()) - 1);
        for (int64_t i = 0; i < m; ++i) places.push_back(ellipsis_at + ellipsis - m + i);
      } else {
        places.push_back(place[static_cast<size_t>(label)]);
      }
    }
    for (size_t i = 0; i < places.size(); ++i) {
      for (size_t j = i + 1; j < places.size();) {
        if (places[i] != places[j]) {
          ++j;
          continue;
        }
        const int64_t n = t.sizes()[i], m = t.sizes()[j];
        CLEW_CHECK(n == m, ShapeError, "einsum: expected equal sizes for a repeated subscript, got ", n,
                   " and ", m, " (operand ", k, " of shape ", operands[k].sizes(), ", equation '", equation,
                   "')");
        // The diagonal goes last: bring it to the place of the first.
        t = movedim(diagonal(t, 0, static_cast<int64_t>(i), static_cast<int64_t>(j)), {-1},
                    {static_cast<int64_t>(i)});
        places.erase(places.begin() + j);
      }
    }
    // Into the common order, missing dimensions with size 1.
    Shape permutation, shape(static_cast<size_t>(rank), 1);
    for (int64_t d = 0; d < rank; ++d) {
      for (size_t i = 0; i < places.size(); ++i) {
        if (places[i] != d) continue;
        permutation.push_back(static_cast<int64_t>(i));
        const int64_t n = t.sizes()[i];
        shape[static_cast<size_t>(d)] = n;
        int64_t& common = sizes[static_cast<size_t>(d)];
        CLEW_CHECK(n == common || n == 1 || common == 1, ShapeError,
                   "einsum: expected operands whose sizes agree for each subscript, got ", common, " and ", n,
                   " (operand ", k, " of shape ", operands[k].sizes(), ", equation '", equation, "')");
        if (n != 1) common = n;
        has[k] |= uint64_t{1} << d;
      }
    }
    t = t.dim() == 0 ? t : permute(t, permutation);
    aligned.push_back(reshape(t, shape));
  }
  // A dimension is summed when the last operand that has it comes in.
  const uint64_t kept = out_rank >= 64 ? ~uint64_t{0} : (uint64_t{1} << out_rank) - 1;
  auto finished = [&](size_t from) {
    uint64_t later = kept;
    for (size_t k = from; k < has.size(); ++k) later |= has[k];
    return ~later & (rank >= 64 ? ~uint64_t{0} : (uint64_t{1} << rank) - 1);
  };
  Tensor y = aligned[0];
  if (operands.size() == 1) {
    y = summed(y, finished(1));
  } else {
    y = summed(y, finished(1));
    for (size_t k = 1; k < aligned.size(); ++k) {
      // Dimensions that only this operand has and nobody needs go first.
      uint64_t others = kept;
      for (size_t j = 0; j < has.size(); ++j)
        if (j != k) others |= has[j];
      y = contract(y, summed(aligned[k], has[k] & ~others), finished(k + 1));
    }
  }
  Shape shape(y.sizes().begin(), y.sizes().begin() + out_rank);
  y = reshape(y, shape);
  return y;
}

}  // namespace

CLEW_OP_PAGE(einsum) = {{
    .name = "einsum",
    .doc = R"(Sums products of elements over indices, by Einstein's convention.

    'ij,jk->ik' is y[i, k] = sum_j a[i, j] * b[j, k]

A subscript is a letter per dimension; one that is repeated in a term takes the diagonal; '...' stands for the
dimensions that have no letter, which broadcast. Without '->' the result has what occurs once, in the order of
the alphabet, after the ellipsis. Pairs are contracted from left to right, each by one batched matrix product.

Args:
    equation: terms of the operands, separated by commas, and the result's after '->'.
    operands: tensors of one dtype. In Python, also equation-free: a, [0, 1], b, [1, 2], [0, 2].
Returns:
    Tensor as the equation says.
Raises:
    ValueError: the equation does not read.
    clew.ShapeError: the operands do not fit it.
Example:
    >>> clew.einsum("ij,j->i", clew.ones(2, 3), clew.ones(3)).tolist()
    [3.0, 3.0])",
    .autocast = Autocast::Low,
    .composite = einsum_composite,
}};
Tensor einsum(std::string_view equation, TensorListRef operands) {
  return apply(einsum_op, equation, operands);
}

}  // namespace clew
