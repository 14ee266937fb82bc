// The numeric loops of the CPU backend, each built instruction set that this machine has against references
// in double or long double.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "clew/core/half.h"
#include "cpu/isa.h"
#include "kernels/philox.h"

using namespace clew;
using namespace clew::cpu;

namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr int F32 = static_cast<int>(DT::f32);
constexpr int F64 = static_cast<int>(DT::f64);

std::vector<Isa> isas() {
  std::vector<Isa> out;
  for (int i = 0; i < kIsaCount; ++i) {
    if (loops_for(static_cast<Isa>(i)) != nullptr) out.push_back(static_cast<Isa>(i));
  }
  return out;
}

float from_bits(uint32_t u) {
  float x;
  std::memcpy(&x, &u, 4);
  return x;
}

/// |y - ref| in units of the last place of ref as a float.
double ulps(float y, long double ref) {
  const float r = static_cast<float>(ref);
  if (std::isnan(r)) return std::isnan(y) ? 0 : 1e9;
  if (std::isinf(r) || std::isinf(y)) return y == r ? 0 : 1e9;
  int e;
  std::frexp(r, &e);
  const long double ulp = std::ldexp(1.0L, std::max(e - 24, -149));
  return static_cast<double>(std::fabs(static_cast<long double>(y) - ref) / ulp);
}

/// Floats of all magnitudes, both signs, infinities and NaN included.
std::vector<float> all_magnitudes() {
  std::vector<float> x;
  for (uint64_t u = 0; u <= 0xffffffffu; u += 10007) x.push_back(from_bits(static_cast<uint32_t>(u)));
  for (float v :
       {0.0f,      -0.0f,    1.0f,    -1.0f,   kInf, -kInf, kNan, 1e-45f, -1e-45f,    88.72283f, 88.7229f,
        -87.3366f, -103.97f, -104.1f, 3.4e38f, 0.5f, -0.5f, 1.5f, 2.5f,   8388607.5f, 8388608.0f}) {
    x.push_back(v);
  }
  return x;
}

std::vector<float> between(double lo, double hi, int n = 200000) {
  std::mt19937_64 rng(7);
  std::uniform_real_distribution<double> d(lo, hi);
  std::vector<float> x(static_cast<size_t>(n));
  for (float& v : x) v = static_cast<float>(d(rng));
  return x;
}

std::vector<float> run(Isa isa, UnaryOp op, const std::vector<float>& x, LoopParams p = {}) {
  std::vector<float> y(x.size());
  loops_for(isa)->unary(op, F32)(y.data(), x.data(), static_cast<int64_t>(x.size()), 1, 1, p);
  return y;
}

struct Worst {
  double ulp = 0;
  float at = 0;
};

Worst worst(Isa isa, UnaryOp op, const std::vector<float>& x,
            const std::function<long double(long double)>& f) {
  const std::vector<float> y = run(isa, op, x);
  Worst w;
  for (size_t i = 0; i < x.size(); ++i) {
    const double u = ulps(y[i], f(static_cast<long double>(x[i])));
    if (!(u <= w.ulp)) w = {u, x[i]};
  }
  return w;
}

}  // namespace

TEST_CASE("float functions stay within their error bounds", "[kernels]") {
  using L = long double;
  struct Case {
    const char* name;
    UnaryOp op;
    double limit;
    std::function<L(L)> ref;
    double lo, hi;  // a range to look at closely
  };
  const L pi = 3.14159265358979323846264338327950288L;
  const auto gelu = [](L x) {
    return std::isinf(x) && x < 0 ? NAN : x * 0.5L * std::erfc(-x / std::sqrt(2.0L));
  };
  const Case cases[] = {
      {"neg", UnaryOp::neg, 0, [](L x) { return -x; }, -2, 2},
      {"abs", UnaryOp::abs, 0, [](L x) { return std::fabs(x); }, -2, 2},
      {"square", UnaryOp::square, 0.5, [](L x) { return x * x; }, -2, 2},
      {"exp", UnaryOp::exp, 1.05, [](L x) { return std::exp(x); }, -88, 88},
      {"expm1", UnaryOp::expm1, 2, [](L x) { return std::expm1(x); }, -2, 2},
      {"log", UnaryOp::log, 1.05, [](L x) { return std::log(x); }, 0, 4},
      {"log1p", UnaryOp::log1p, 2, [](L x) { return std::log1p(x); }, -1, 2},
      {"sqrt", UnaryOp::sqrt, 0.5, [](L x) { return std::sqrt(x); }, 0, 4},
      {"rsqrt", UnaryOp::rsqrt, 1.5, [](L x) { return 1 / std::sqrt(x); }, 0, 4},
      {"reciprocal", UnaryOp::reciprocal, 0.5, [](L x) { return 1 / x; }, -4, 4},
      {"sigmoid", UnaryOp::sigmoid, 2.5, [](L x) { return 1 / (1 + std::exp(-x)); }, -20, 20},
      {"tanh", UnaryOp::tanh, 2, [](L x) { return std::tanh(x); }, -4, 4},
      {"floor", UnaryOp::floor, 0, [](L x) { return std::floor(x); }, -9, 9},
      {"ceil", UnaryOp::ceil, 0, [](L x) { return std::ceil(x); }, -9, 9},
      {"round", UnaryOp::round, 0, [](L x) { return std::nearbyint(x); }, -9, 9},
      {"trunc", UnaryOp::trunc, 0, [](L x) { return std::trunc(x); }, -9, 9},
      {"sin", UnaryOp::sin, 2, [](L x) { return std::sin(x); }, -50000, 50000},
      {"cos", UnaryOp::cos, 2, [](L x) { return std::cos(x); }, -50000, 50000},
      {"erf", UnaryOp::erf, 2, [](L x) { return std::erf(x); }, -4, 4},
      {"silu", UnaryOp::silu, 3, [](L x) { return x == -INFINITY ? NAN : x / (1 + std::exp(-x)); }, -20, 20},
  };
  const std::vector<float> everything = all_magnitudes();
  for (Isa isa : isas()) {
    for (const Case& c : cases) {
      const Worst all = worst(isa, c.op, everything, c.ref);
      const Worst near = worst(isa, c.op, between(c.lo, c.hi), c.ref);
      INFO(isa_name(isa) << " " << c.name << ": " << all.ulp << " ulp at " << all.at << ", " << near.ulp
                         << " at " << near.at);
      // The product x sigmoid(x) keeps fewer bits where sigmoid is subnormal.
      if (c.op != UnaryOp::silu) CHECK(all.ulp <= c.limit);
      CHECK(near.ulp <= c.limit);
    }
    // The tails of gelu are small differences: relative error there, ulp near.
    const Worst g = worst(isa, UnaryOp::gelu_erf, between(-2, 8), gelu);
    INFO(isa_name(isa) << " gelu: " << g.ulp << " at " << g.at);
    CHECK(g.ulp <= 16);
    const std::vector<float> tail = between(-7.7, -2);
    const std::vector<float> y = run(isa, UnaryOp::gelu_erf, tail);
    double rel = 0;
    for (size_t i = 0; i < tail.size(); ++i) {
      const L ref = gelu(tail[i]);
      rel = std::max(rel, static_cast<double>(std::fabs((y[i] - ref) / ref)));
    }
    CHECK(rel < 2e-4);
    for (float v : run(isa, UnaryOp::gelu_erf, between(-100, -7.7))) CHECK(std::fabs(v) < 1e-13);
    const auto gelu_tanh = [pi](L x) {
      return 0.5L * x * (1 + std::tanh(std::sqrt(2 / pi) * (x + 0.044715L * x * x * x)));
    };
    const std::vector<float> xs = between(-3, 6);
    const std::vector<float> t = run(isa, UnaryOp::gelu_tanh, xs);
    for (size_t i = 0; i < xs.size(); ++i) {
      if (std::fabs(t[i] - gelu_tanh(xs[i])) > 1e-6) FAIL("gelu_tanh at " << xs[i]);
    }
  }
}

TEST_CASE("special values", "[kernels]") {
  const auto same = [](float a, float b) {
    return std::isnan(b) ? std::isnan(a) : a == b && std::signbit(a) == std::signbit(b);
  };
  struct Case {
    UnaryOp op;
    float x, y;
  };
  const Case cases[] = {
      {UnaryOp::exp, kInf, kInf},       {UnaryOp::exp, -kInf, 0.0f},         {UnaryOp::exp, 0.0f, 1.0f},
      {UnaryOp::exp, 89.0f, kInf},      {UnaryOp::expm1, -0.0f, -0.0f},      {UnaryOp::expm1, -kInf, -1.0f},
      {UnaryOp::expm1, kInf, kInf},     {UnaryOp::log, 0.0f, -kInf},         {UnaryOp::log, -0.0f, -kInf},
      {UnaryOp::log, -1.0f, kNan},      {UnaryOp::log, kInf, kInf},          {UnaryOp::log, -kInf, kNan},
      {UnaryOp::log1p, -1.0f, -kInf},   {UnaryOp::log1p, -0.0f, -0.0f},      {UnaryOp::log1p, kInf, kInf},
      {UnaryOp::log1p, -kInf, kNan},    {UnaryOp::log1p, -2.0f, kNan},       {UnaryOp::tanh, kInf, 1.0f},
      {UnaryOp::tanh, -kInf, -1.0f},    {UnaryOp::tanh, -0.0f, -0.0f},       {UnaryOp::sigmoid, kInf, 1.0f},
      {UnaryOp::sigmoid, -kInf, 0.0f},  {UnaryOp::sin, -0.0f, -0.0f},        {UnaryOp::sin, kInf, kNan},
      {UnaryOp::cos, -kInf, kNan},      {UnaryOp::erf, kInf, 1.0f},          {UnaryOp::erf, -kInf, -1.0f},
      {UnaryOp::erf, -0.0f, -0.0f},     {UnaryOp::sqrt, -1.0f, kNan},        {UnaryOp::sqrt, -0.0f, -0.0f},
      {UnaryOp::rsqrt, 0.0f, kInf},     {UnaryOp::reciprocal, -0.0f, -kInf}, {UnaryOp::relu, kNan, kNan},
      {UnaryOp::relu, -kInf, 0.0f},     {UnaryOp::sign, kNan, 0.0f},         {UnaryOp::sign, -kInf, -1.0f},
      {UnaryOp::round, 2.5f, 2.0f},     {UnaryOp::round, -0.5f, -0.0f},      {UnaryOp::floor, -0.0f, -0.0f},
      {UnaryOp::ceil, -0.5f, -0.0f},    {UnaryOp::trunc, -0.5f, -0.0f},      {UnaryOp::gelu_erf, kInf, kInf},
      {UnaryOp::gelu_tanh, kInf, kInf}, {UnaryOp::silu, kInf, kInf},
  };
  for (Isa isa : isas()) {
    for (const Case& c : cases) {
      // Enough of them for the vector loop.
      const std::vector<float> y = run(isa, c.op, std::vector<float>(40, c.x));
      INFO(isa_name(isa) << " op " << static_cast<int>(c.op) << " of " << c.x << ": " << y[0] << ", expected "
                         << c.y);
      CHECK(same(y[0], c.y));
      CHECK(same(y[39], c.y));
    }
    for (int op = 0; op < kUnaryCount; ++op) {  // NaN stays NaN
      if (op >= static_cast<int>(UnaryOp::isnan) && op <= static_cast<int>(UnaryOp::bitwise_not)) continue;
      if (op == static_cast<int>(UnaryOp::sign)) continue;  // 0, as above
      const std::vector<float> y =
          run(isa, static_cast<UnaryOp>(op), std::vector<float>(40, kNan), {0.1, 1.0, 0, 0});
      INFO(isa_name(isa) << " op " << op);
      CHECK(std::isnan(y[0]));
      CHECK(std::isnan(y[39]));
    }
  }
}

TEST_CASE("pow and its special cases", "[kernels]") {
  std::mt19937 rng(3);
  std::uniform_real_distribution<float> base(0.0f, 20.0f), expo(-12.0f, 12.0f), near(0.9f, 1.1f),
      big(-600.0f, 600.0f);
  std::vector<float> x, y;
  for (int i = 0; i < 100000; ++i) {
    x.push_back(base(rng));
    y.push_back(expo(rng));
    x.push_back(near(rng));
    y.push_back(big(rng));
    x.push_back(-base(rng));
    y.push_back(std::round(expo(rng)));
  }
  const float specials[] = {0.0f,  -0.0f, 1.0f,  -1.0f, 2.0f,   -2.0f, 0.5f,        -0.5f, 3.0f,
                            -3.0f, kInf,  -kInf, kNan,  1e-40f, 3e38f, 16777217.0f, 1e10f};
  for (float a : specials) {
    for (float b : specials) {
      x.push_back(a);
      y.push_back(b);
    }
  }
  std::vector<float> out(x.size());
  const int64_t n = static_cast<int64_t>(x.size());
  for (Isa isa : isas()) {
    const BinaryLoop f = loops_for(isa)->binary(BinaryOp::pow, F32);
    f(out.data(), x.data(), y.data(), n, 1, 1, 1, {});
    for (size_t i = 0; i < x.size(); ++i) {
      const long double ref = std::pow(static_cast<double>(x[i]), static_cast<double>(y[i]));
      if (ulps(out[i], ref) > 1.3 || std::signbit(out[i]) != std::signbit(static_cast<float>(ref))) {
        if (std::isnan(out[i]) && std::isnan(ref)) continue;
        FAIL_CHECK(isa_name(isa) << " pow(" << x[i] << ", " << y[i] << ") = " << out[i] << ", expected "
                                 << ref);
      }
    }
    for (float e : specials) {  // one exponent for all
      f(out.data(), x.data(), &e, n, 1, 1, 0, {});
      for (size_t i = 0; i < x.size(); i += 7) {
        const long double ref = std::pow(static_cast<double>(x[i]), static_cast<double>(e));
        if (ulps(out[i], ref) > 2.1) {
          FAIL_CHECK(isa_name(isa) << " pow(" << x[i] << ", scalar " << e << ") = " << out[i] << ", expected "
                                   << ref);
        }
      }
    }
  }
}

TEST_CASE("fmod, remainder, floor_divide and atan2 at the extremes", "[kernels]") {
  const float specials[] = {0.0f, -0.0f,  1.0f,  -1.0f, 3.0f,   -3.0f, 0.1f,        kInf, -kInf,
                            kNan, 1e-45f, 3e38f, 1e20f, -1e20f, 7.5f,  16777216.0f, 5e9f, -0.3f};
  std::vector<float> a, b;
  for (float x : specials) {
    for (float y : specials) {
      a.push_back(x);
      b.push_back(y);
    }
  }
  // Blocks of ordinary quotients, some exact multiples, for the loop without branches.
  std::mt19937 rng(4);
  std::normal_distribution<float> d(0, 30);
  while (a.size() < 5000) {
    b.push_back(d(rng) / 10);
    a.push_back(a.size() % 3 == 0 ? b.back() * std::round(d(rng))
                                  : d(rng) * (a.size() % 5 == 0 ? 100000.0f : 1.0f));
  }
  const int64_t n = static_cast<int64_t>(a.size());
  std::vector<float> r(a.size()), m(a.size()), q(a.size()), t(a.size());
  for (Isa isa : isas()) {
    const LoopTable& table = *loops_for(isa);
    table.binary(BinaryOp::fmod, F32)(r.data(), a.data(), b.data(), n, 1, 1, 1, {});
    table.binary(BinaryOp::remainder, F32)(m.data(), a.data(), b.data(), n, 1, 1, 1, {});
    table.binary(BinaryOp::floor_divide, F32)(q.data(), a.data(), b.data(), n, 1, 1, 1, {});
    table.binary(BinaryOp::atan2, F32)(t.data(), a.data(), b.data(), n, 1, 1, 1, {});
    for (size_t i = 0; i < a.size(); ++i) {
      INFO(isa_name(isa) << ": " << a[i] << ", " << b[i] << ": " << r[i] << " " << m[i] << " " << q[i] << " "
                         << t[i]);
      const float f = std::fmod(a[i], b[i]);
      const bool fmod_ok =
          std::isnan(f) ? std::isnan(r[i]) : r[i] == f && std::signbit(r[i]) == std::signbit(f);
      if (!fmod_ok) CHECK(fmod_ok);
      const float moved = f != 0 && (f < 0) != (b[i] < 0) ? f + b[i] : f;
      const bool remainder_ok = std::isnan(f) ? std::isnan(m[i]) : m[i] == moved;
      if (!remainder_ok) CHECK(remainder_ok);
      const double exact = static_cast<double>(a[i]) / static_cast<double>(b[i]);
      if (std::fabs(exact) < 1e7 && !std::isinf(b[i])) {  // x // -inf is -1, as in Python
        const bool floor_ok = q[i] == static_cast<float>(std::floor(exact));
        if (!floor_ok) CHECK(floor_ok);
      }
      const double angle = std::atan2(static_cast<double>(a[i]), static_cast<double>(b[i]));
      const bool angle_ok =
          ulps(t[i], angle) <= 3 && (std::isnan(angle) || std::signbit(t[i]) == std::signbit(angle));
      if (!angle_ok) CHECK(angle_ok);
    }
  }
}

// ---- all loops: layouts ----

namespace {

const int kSize[] = {1, 1, 1, 2, 4, 8, 2, 2, 4, 8};

/// Bytes of n elements that are sensible values of a dtype.
std::vector<unsigned char> values(int dtype, int64_t n, unsigned seed) {
  std::mt19937 rng(seed);
  std::vector<unsigned char> out(static_cast<size_t>(n) * static_cast<size_t>(kSize[dtype]));
  for (int64_t i = 0; i < n; ++i) {
    const double real = std::normal_distribution<double>(0, 2)(rng);
    const int64_t whole = std::uniform_int_distribution<int64_t>(-100, 100)(rng);
    unsigned char* at = out.data() + i * kSize[dtype];
    const auto put = [&](auto v) { std::memcpy(at, &v, sizeof(v)); };
    switch (static_cast<DT>(dtype)) {
      case DT::b1:
        put(static_cast<uint8_t>(whole & 1));
        break;
      case DT::u8:
        put(static_cast<uint8_t>(whole));
        break;
      case DT::i8:
        put(static_cast<int8_t>(whole));
        break;
      case DT::i16:
        put(static_cast<int16_t>(whole * 150));
        break;
      case DT::i32:
        put(static_cast<int32_t>(whole * 1000003));
        break;
      case DT::i64:
        put(whole * 1000000007);
        break;
      case DT::f16:
        put(Half(static_cast<float>(real)));
        break;
      case DT::bf16:
        put(BFloat16(static_cast<float>(real)));
        break;
      case DT::f32:
        put(static_cast<float>(real));
        break;
      case DT::f64:
        put(real);
        break;
    }
  }
  return out;
}

bool equal_values(int dtype, const unsigned char* a, const unsigned char* b) {
  if (std::memcmp(a, b, static_cast<size_t>(kSize[dtype])) == 0) return true;
  const auto both_nan = [&](auto v) {
    auto w = v;
    std::memcpy(&v, a, sizeof(v));
    std::memcpy(&w, b, sizeof(w));
    return std::isnan(static_cast<double>(v)) && std::isnan(static_cast<double>(w));
  };
  switch (static_cast<DT>(dtype)) {
    case DT::f16:
      return both_nan(Half(0.0f));
    case DT::bf16:
      return both_nan(BFloat16(0.0f));
    case DT::f32:
      return both_nan(0.0f);
    case DT::f64:
      return both_nan(0.0);
    default:
      return false;
  }
}

bool gives_bool(UnaryOp op) { return op >= UnaryOp::isnan && op <= UnaryOp::logical_not; }
bool gives_bool(BinaryOp op) { return op >= BinaryOp::eq && op <= BinaryOp::logical_xor; }

constexpr int64_t kCount = 1300;  // more than two blocks and a rest

/// Every `stride`-th element of a.
std::vector<unsigned char> spread(const std::vector<unsigned char>& a, int size, int64_t stride) {
  const int64_t n = static_cast<int64_t>(a.size()) / size;
  std::vector<unsigned char> out(static_cast<size_t>(n * stride * size), 0);
  for (int64_t i = 0; i < n; ++i)
    std::memcpy(out.data() + i * stride * size, a.data() + i * size, static_cast<size_t>(size));
  return out;
}

}  // namespace

TEST_CASE("unary loops give the same for every layout", "[kernels]") {
  const LoopParams p = {0.25, 1.5, -3, 40};
  for (Isa isa : isas()) {
    int loops = 0;
    for (int op = 0; op < kUnaryCount; ++op) {
      for (int d = 0; d < 10; ++d) {
        const UnaryLoop f = loops_for(isa)->unary(static_cast<UnaryOp>(op), d);
        if (f == nullptr) continue;
        ++loops;
        const int out_type = gives_bool(static_cast<UnaryOp>(op)) ? 0 : d;
        const int so = kSize[out_type];
        const std::vector<unsigned char> a = values(d, kCount, 11);
        std::vector<unsigned char> ref(static_cast<size_t>(kCount * so)),
            out(static_cast<size_t>(kCount * so * 3));
        f(ref.data(), a.data(), kCount, 1, 1, p);
        const std::vector<unsigned char> a2 = spread(a, kSize[d], 2);
        f(out.data(), a2.data(), kCount, 3, 2, p);
        bool ok = true;
        for (int64_t i = 0; i < kCount; ++i)
          ok &= equal_values(out_type, ref.data() + i * so, out.data() + i * 3 * so);
        // The same element alone, backwards, repeated.
        f(out.data(), a.data() + (kCount - 1) * kSize[d], kCount, 1, -1, p);
        for (int64_t i = 0; i < kCount; ++i)
          ok &= equal_values(out_type, ref.data() + (kCount - 1 - i) * so, out.data() + i * so);
        f(out.data(), a.data() + 5 * kSize[d], kCount, 1, 0, p);
        for (int64_t i = 0; i < kCount; ++i)
          ok &= equal_values(out_type, ref.data() + 5 * so, out.data() + i * so);
        if (out_type == d) {  // in place
          std::vector<unsigned char> b = a;
          f(b.data(), b.data(), kCount, 1, 1, p);
          for (int64_t i = 0; i < kCount; ++i)
            ok &= equal_values(out_type, ref.data() + i * so, b.data() + i * so);
        }
        INFO(isa_name(isa) << " op " << op << " dtype " << d);
        CHECK(ok);
      }
    }
    CHECK(loops >= 200);
  }
}

TEST_CASE("binary loops give the same for every layout", "[kernels]") {
  const LoopParams p = {0.25, 1.5, -3, 40};
  for (Isa isa : isas()) {
    int loops = 0;
    for (int op = 0; op < kBinaryCount; ++op) {
      for (int d = 0; d < 10; ++d) {
        const BinaryLoop f = loops_for(isa)->binary(static_cast<BinaryOp>(op), d);
        if (f == nullptr) continue;
        ++loops;
        const int out_type = gives_bool(static_cast<BinaryOp>(op)) ? 0 : d;
        const int so = kSize[out_type], sd = kSize[d];
        const std::vector<unsigned char> a = values(d, kCount, 11), b = values(d, kCount, 12);
        std::vector<unsigned char> ref(static_cast<size_t>(kCount * so)),
            out(static_cast<size_t>(kCount * so * 3));
        f(ref.data(), a.data(), b.data(), kCount, 1, 1, 1, p);
        bool ok = true;
        const auto check = [&](const unsigned char* got, int64_t stride) {
          for (int64_t i = 0; i < kCount; ++i)
            ok &= equal_values(out_type, ref.data() + i * so, got + i * stride * so);
        };
        const std::vector<unsigned char> a2 = spread(a, sd, 2), b3 = spread(b, sd, 3);
        f(out.data(), a2.data(), b3.data(), kCount, 3, 2, 3, p);
        check(out.data(), 3);
        f(out.data(), a.data(), b3.data(), kCount, 1, 1, 3, p);
        check(out.data(), 1);
        if (out_type == d) {
          std::vector<unsigned char> c = a;
          f(c.data(), c.data(), b.data(), kCount, 1, 1, 1, p);
          check(c.data(), 1);
          c = b;
          f(c.data(), a.data(), c.data(), kCount, 1, 1, 1, p);
          check(c.data(), 1);
        }
        // One operand repeated, against the same spread out by hand.
        std::vector<unsigned char> same(a.size());
        for (int64_t i = 0; i < kCount; ++i)
          std::memcpy(same.data() + i * sd, a.data() + 7 * sd, static_cast<size_t>(sd));
        f(ref.data(), same.data(), b.data(), kCount, 1, 1, 1, p);
        f(out.data(), a.data() + 7 * sd, b.data(), kCount, 1, 0, 1, p);
        check(out.data(), 1);
        f(out.data(), a.data() + 7 * sd, b3.data(), kCount, 2, 0, 3, p);
        check(out.data(), 2);
        f(ref.data(), b.data(), same.data(), kCount, 1, 1, 1, p);
        f(out.data(), b.data(), a.data() + 7 * sd, kCount, 1, 1, 0, p);
        check(out.data(), 1);
        f(out.data(), b3.data(), a.data() + 7 * sd, kCount, 2, 3, 0, p);
        check(out.data(), 2);
        f(ref.data(), same.data(), same.data(), kCount, 1, 1, 1, p);
        f(out.data(), a.data() + 7 * sd, a.data() + 7 * sd, kCount, 1, 0, 0, p);
        check(out.data(), 1);
        INFO(isa_name(isa) << " op " << op << " dtype " << d);
        CHECK(ok);
      }
    }
    CHECK(loops >= 200);
  }
}

TEST_CASE("ternary loops give the same for every layout", "[kernels]") {
  const LoopParams p = {0.25, 1.5, -3, 40};
  for (Isa isa : isas()) {
    for (int op = 0; op < kTernaryCount; ++op) {
      for (int d = 0; d < 10; ++d) {
        const TernaryLoop f = loops_for(isa)->ternary(static_cast<TernaryOp>(op), d);
        if (f == nullptr) continue;
        const int da = static_cast<TernaryOp>(op) == TernaryOp::where ? 0 : d;
        const int sa = kSize[da], sd = kSize[d];
        const std::vector<unsigned char> a = values(da, kCount, 1), b = values(d, kCount, 2),
                                         c = values(d, kCount, 3);
        std::vector<unsigned char> ref(static_cast<size_t>(kCount * sd)),
            out(static_cast<size_t>(kCount * sd * 3));
        f(ref.data(), a.data(), b.data(), c.data(), kCount, 1, 1, 1, 1, p);
        const std::vector<unsigned char> a2 = spread(a, sa, 2), c3 = spread(c, sd, 3);
        f(out.data(), a2.data(), b.data(), c3.data(), kCount, 3, 2, 1, 3, p);
        bool ok = true;
        for (int64_t i = 0; i < kCount; ++i)
          ok &= equal_values(d, ref.data() + i * sd, out.data() + i * 3 * sd);
        for (int64_t i : {int64_t{0}, int64_t{700}, kCount - 1}) {
          f(out.data(), a.data() + i * sa, b.data() + i * sd, c.data() + i * sd, kCount, 1, 0, 0, 0, p);
          ok &= equal_values(d, ref.data() + i * sd, out.data() + (kCount - 1) * sd);
        }
        if (static_cast<TernaryOp>(op) == TernaryOp::where) {
          for (int64_t i = 0; i < kCount; ++i) {
            ok &= std::memcmp(ref.data() + i * sd, (a[static_cast<size_t>(i)] != 0 ? b : c).data() + i * sd,
                              static_cast<size_t>(sd)) == 0;
          }
        }
        INFO(isa_name(isa) << " op " << op << " dtype " << d);
        CHECK(ok);
      }
    }
  }
}

// ---- values of the other elementwise ops ----

TEST_CASE("binary floating loops compute what they say", "[kernels]") {
  using R = double (*)(double, double);
  const auto sigmoid = [](double x) { return 1 / (1 + std::exp(-x)); };
  static const auto s = sigmoid;
  struct Case {
    BinaryOp op;
    R ref;
  };
  const Case cases[] = {
      {BinaryOp::add, [](double a, double b) { return a + b; }},
      {BinaryOp::sub, [](double a, double b) { return a - b; }},
      {BinaryOp::mul, [](double a, double b) { return a * b; }},
      {BinaryOp::div, [](double a, double b) { return a / b; }},
      {BinaryOp::add_scaled, [](double a, double b) { return a + 0.25 * b; }},
      {BinaryOp::maximum, [](double a, double b) { return std::max(a, b); }},
      {BinaryOp::minimum, [](double a, double b) { return std::min(a, b); }},
      {BinaryOp::fmod, [](double a, double b) { return std::fmod(a, b); }},
      {BinaryOp::remainder, [](double a, double b) { return a - std::floor(a / b) * b; }},
      {BinaryOp::floor_divide, [](double a, double b) { return std::floor(a / b); }},
      {BinaryOp::trunc_divide, [](double a, double b) { return std::trunc(a / b); }},
      {BinaryOp::atan2, [](double a, double b) { return std::atan2(a, b); }},
      {BinaryOp::tanh_backward, [](double g, double y) { return g * (1 - y * y); }},
      {BinaryOp::sigmoid_backward, [](double g, double y) { return g * y * (1 - y); }},
      {BinaryOp::relu_backward, [](double g, double y) { return y > 0 ? g : 0; }},
      {BinaryOp::leaky_relu_backward, [](double g, double x) { return x > 0 ? g : 0.25 * g; }},
      {BinaryOp::gelu_erf_backward,
       [](double g, double x) {
         return g * (0.5 * std::erfc(-x / std::sqrt(2.0)) + x * std::exp(-0.5 * x * x) / std::sqrt(2 * M_PI));
       }},
      {BinaryOp::gelu_tanh_backward,
       [](double g, double x) {
         const double k = std::sqrt(2 / M_PI), t = std::tanh(k * (x + 0.044715 * x * x * x));
         return g * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * k * (1 + 3 * 0.044715 * x * x));
       }},
      {BinaryOp::silu_backward, [](double g, double x) { return g * s(x) * (1 + x * (1 - s(x))); }},
      {BinaryOp::clamp_backward, [](double g, double x) { return x >= 0.25 && x <= 1.5 ? g : 0; }},
      {BinaryOp::eq, [](double a, double b) { return static_cast<double>(a == b); }},
      {BinaryOp::ne, [](double a, double b) { return static_cast<double>(a != b); }},
      {BinaryOp::lt, [](double a, double b) { return static_cast<double>(a < b); }},
      {BinaryOp::le, [](double a, double b) { return static_cast<double>(a <= b); }},
      {BinaryOp::gt, [](double a, double b) { return static_cast<double>(a > b); }},
      {BinaryOp::ge, [](double a, double b) { return static_cast<double>(a >= b); }},
  };
  std::mt19937 rng(5);
  std::normal_distribution<double> d(0, 2);
  std::vector<double> a, b;
  for (int i = 0; i < 5000; ++i) {
    a.push_back(static_cast<float>(d(rng)));
    b.push_back(i % 10 == 0 ? a.back() : static_cast<float>(d(rng)));
  }
  const int64_t n = static_cast<int64_t>(a.size());
  const std::vector<float> af(a.begin(), a.end()), bf(b.begin(), b.end());
  const LoopParams p = {0.25, 1.5, 0, 0};
  for (Isa isa : isas()) {
    for (const Case& c : cases) {
      std::vector<double> y(a.size());
      std::vector<float> yf(a.size());
      std::vector<uint8_t> yb(a.size());
      const bool truth = gives_bool(c.op);
      INFO(isa_name(isa) << " op " << static_cast<int>(c.op));
      loops_for(isa)->binary(c.op, F64)(truth ? static_cast<void*>(yb.data()) : y.data(), a.data(), b.data(),
                                        n, 1, 1, 1, p);
      if (truth) y.assign(yb.begin(), yb.end());
      loops_for(isa)->binary(c.op, F32)(truth ? static_cast<void*>(yb.data()) : yf.data(), af.data(),
                                        bf.data(), n, 1, 1, 1, p);
      if (truth) yf.assign(yb.begin(), yb.end());
      double worst64 = 0, worst32 = 0;
      for (size_t i = 0; i < a.size(); ++i) {
        const double r = c.ref(a[i], b[i]), scale = std::max(1.0, std::fabs(r));
        worst64 = std::max(worst64, std::fabs(y[i] - r) / scale);
        worst32 = std::max(worst32, std::fabs(yf[i] - r) / scale);
      }
      CHECK(worst64 < 2e-13);
      CHECK(worst32 < 3e-6);
    }
    const float nan_first[] = {kNan, 1.0f, kNan}, nan_second[] = {1.0f, kNan, kNan};
    for (BinaryOp op : {BinaryOp::maximum, BinaryOp::minimum}) {
      float y[3];
      loops_for(isa)->binary(op, F32)(y, nan_first, nan_second, 3, 1, 1, 1, {});
      CHECK((std::isnan(y[0]) && std::isnan(y[1]) && std::isnan(y[2])));
    }
  }
}

namespace {

template <class T>
void check_ints(Isa isa, int dtype) {
  using L = std::numeric_limits<T>;
  std::vector<T> edge = {
      L::min(), static_cast<T>(L::min() + 1), static_cast<T>(-1),           0,       1, 2, 3,
      7,        static_cast<T>(-7),           static_cast<T>(L::max() - 1), L::max()};
  std::vector<T> a, b;
  for (T x : edge) {
    for (T y : edge) {
      a.push_back(x);
      b.push_back(y);
    }
  }
  __extension__ using Wide = __int128;
  const auto floor_div = [](Wide x, Wide y) -> Wide {
    if (y == 0) return 0;
    const Wide q = x / y;
    return x % y != 0 && ((x < 0) != (y < 0)) ? q - 1 : q;
  };
  const std::pair<BinaryOp, std::function<Wide(Wide, Wide)>> cases[] = {
      {BinaryOp::add, [](Wide x, Wide y) { return x + y; }},
      {BinaryOp::sub, [](Wide x, Wide y) { return x - y; }},
      {BinaryOp::mul, [](Wide x, Wide y) { return x * y; }},
      {BinaryOp::add_scaled, [](Wide x, Wide y) { return x - 3 * y; }},
      {BinaryOp::trunc_divide, [](Wide x, Wide y) { return y == 0 ? Wide(0) : x / y; }},
      {BinaryOp::fmod, [](Wide x, Wide y) { return y == 0 ? Wide(0) : x % y; }},
      {BinaryOp::floor_divide, floor_div},
      {BinaryOp::remainder, [&](Wide x, Wide y) { return y == 0 ? Wide(0) : x - floor_div(x, y) * y; }},
      {BinaryOp::maximum, [](Wide x, Wide y) { return x > y ? x : y; }},
      {BinaryOp::minimum, [](Wide x, Wide y) { return x < y ? x : y; }},
      {BinaryOp::bitwise_and, [](Wide x, Wide y) { return x & y; }},
      {BinaryOp::bitwise_or, [](Wide x, Wide y) { return x | y; }},
      {BinaryOp::bitwise_xor, [](Wide x, Wide y) { return x ^ y; }},
      {BinaryOp::eq, [](Wide x, Wide y) { return Wide(x == y); }},
      {BinaryOp::lt, [](Wide x, Wide y) { return Wide(x < y); }},
      {BinaryOp::ge, [](Wide x, Wide y) { return Wide(x >= y); }},
      {BinaryOp::logical_and, [](Wide x, Wide y) { return Wide(x != 0 && y != 0); }},
      {BinaryOp::logical_xor, [](Wide x, Wide y) { return Wide((x != 0) != (y != 0)); }},
  };
  const int64_t n = static_cast<int64_t>(a.size());
  for (const auto& [op, ref] : cases) {
    std::vector<T> y(a.size());
    std::vector<uint8_t> t(a.size());
    loops_for(isa)->binary(op, dtype)(gives_bool(op) ? static_cast<void*>(t.data()) : y.data(), a.data(),
                                      b.data(), n, 1, 1, 1, {0, 0, -3, 0});
    for (size_t i = 0; i < a.size(); ++i) {
      const T want = static_cast<T>(ref(a[i], b[i]));
      if ((gives_bool(op) ? static_cast<T>(t[i]) : y[i]) != want) {
        FAIL_CHECK(isa_name(isa) << " dtype " << dtype << " op " << static_cast<int>(op) << ": " << +a[i]
                                 << ", " << +b[i]);
      }
    }
  }
  const T base[] = {2, 3, static_cast<T>(-1), 1, 0, 5}, expo[] = {5, 0, 7, static_cast<T>(-3), 0, 2};
  T y[6];
  loops_for(isa)->binary(BinaryOp::pow, dtype)(y, base, expo, 6, 1, 1, 1, {});
  CHECK((y[0] == 32 && y[1] == 1 && y[3] == 1 && y[4] == 1 && y[5] == 25));
  if (L::is_signed) CHECK(y[2] == static_cast<T>(-1));
  loops_for(isa)->unary(UnaryOp::abs, dtype)(y, base, 6, 1, 1, {});
  CHECK(y[2] == (L::is_signed ? T(1) : static_cast<T>(-1)));
  loops_for(isa)->unary(UnaryOp::clamp, dtype)(y, base, 6, 1, 1, {0, 0, 1, 3});
  CHECK((y[0] == 2 && y[4] == 1 && y[5] == 3));
}

}  // namespace

TEST_CASE("integer loops wrap and never trap", "[kernels]") {
  for (Isa isa : isas()) {
    check_ints<uint8_t>(isa, static_cast<int>(DT::u8));
    check_ints<int8_t>(isa, static_cast<int>(DT::i8));
    check_ints<int16_t>(isa, static_cast<int>(DT::i16));
    check_ints<int32_t>(isa, static_cast<int>(DT::i32));
    check_ints<int64_t>(isa, static_cast<int>(DT::i64));
  }
}

// ---- casts and 16-bit floats ----

namespace {

/// Nearest value with `digits` significant bits and exponents from `lowest`, ties to even: by arithmetic.
double rounded(double x, int digits, int lowest, double largest) {
  if (x == 0 || !std::isfinite(x)) return x;
  int e;
  std::frexp(x, &e);
  const double ulp = std::ldexp(1.0, std::max(e - digits, lowest));
  const double r = std::nearbyint(x / ulp) * ulp;
  return std::fabs(r) > largest ? std::copysign(std::numeric_limits<double>::infinity(), x) : r;
}

}  // namespace

TEST_CASE("float16 and bfloat16 convert exactly and round to nearest even", "[kernels]") {
  for (uint32_t b = 0; b < 0x10000; ++b) {
    const uint16_t h = static_cast<uint16_t>(b);
    const float x = Half::from_bits(h);
    const int e = (h >> 10) & 31, m = h & 1023;
    const double sign = (h & 0x8000) != 0 ? -1 : 1;
    const double value =
        e == 31 ? (m != 0 ? NAN : INFINITY) : (e == 0 ? std::ldexp(m, -24) : std::ldexp(1024 + m, e - 25));
    if (std::isnan(value) ? !std::isnan(x) : static_cast<double>(x) != sign * value) FAIL("half " << b);
    const uint16_t back = Half(x).bits;
    if (back != (std::isnan(x) ? (h | 0x200) : h)) FAIL("half back " << b);
    const float y = BFloat16::from_bits(h);
    uint32_t u;
    std::memcpy(&u, &y, 4);
    if (u != b << 16) FAIL("bfloat16 " << b);
    if (BFloat16(y).bits != (std::isnan(y) ? (h | 0x40) : h)) FAIL("bfloat16 back " << b);
  }
  std::vector<float> x;
  for (uint64_t u = 0; u <= 0xffffffffu; u += 257) x.push_back(from_bits(static_cast<uint32_t>(u)));
  for (uint32_t b = 0; b < 0x7c00; ++b) {  // midpoints and their neighbours
    const double mid =
        0.5 * (static_cast<double>(Half::from_bits(static_cast<uint16_t>(b))) +
               (b == 0x7bff ? 65536.0 : static_cast<double>(Half::from_bits(static_cast<uint16_t>(b + 1)))));
    const float f = static_cast<float>(mid);
    for (float v : {f, std::nextafter(f, kInf), std::nextafter(f, -kInf)}) {
      x.push_back(v);
      x.push_back(-v);
    }
  }
  for (float v : x) {
    const float h = Half(v), want = static_cast<float>(rounded(v, 11, -24, 65504.0));
    if (std::isnan(v) ? !std::isnan(h) : h != want || std::signbit(h) != std::signbit(v))
      FAIL("to half " << v);
    const float bf = BFloat16(v), bwant = static_cast<float>(rounded(v, 8, -133, 3.3895313892515355e38));
    if (std::isnan(v) ? !std::isnan(bf) : bf != bwant) FAIL("to bfloat16 " << v);
  }
  // The loops, by instructions or not, agree bit for bit.
  const int64_t n = static_cast<int64_t>(x.size());
  std::vector<uint16_t> y(x.size());
  for (Isa isa : isas()) {
    loops_for(isa)->cast(F32, static_cast<int>(DT::f16))(y.data(), x.data(), n, 1, 1);
    for (size_t i = 0; i < x.size(); ++i) {
      if (y[i] != Half(x[i]).bits) FAIL(isa_name(isa) << " float16 of " << x[i]);
    }
    loops_for(isa)->cast(F32, static_cast<int>(DT::bf16))(y.data(), x.data(), n, 1, 1);
    for (size_t i = 0; i < x.size(); ++i) {
      if (y[i] != BFloat16(x[i]).bits) FAIL(isa_name(isa) << " bfloat16 of " << x[i]);
    }
    std::vector<uint16_t> all(0x10000);
    std::vector<float> f(all.size());
    for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<uint16_t>(i);
    loops_for(isa)->cast(static_cast<int>(DT::f16), F32)(f.data(), all.data(), 0x10000, 1, 1);
    for (size_t i = 0; i < all.size(); ++i) {
      const float want = Half::from_bits(all[i]);
      if (std::memcmp(&f[i], &want, 4) != 0) FAIL(isa_name(isa) << " float of half " << i);
    }
  }
}

TEST_CASE("casts between all dtypes", "[kernels]") {
  for (Isa isa : isas()) {
    const LoopTable& t = *loops_for(isa);
    for (int from = 0; from < 10; ++from) {
      for (int to = 0; to < 10; ++to) {
        // Small whole numbers survive any chain but through bool, and negative ones wrap in u8.
        std::vector<double> x;
        for (int i = 0; i < 1200; ++i) x.push_back(from == 0 ? i % 2 : (from == 1 ? i % 120 : i % 200 - 100));
        const int64_t n = 1200;
        std::vector<unsigned char> a(static_cast<size_t>(n * kSize[from])),
            b(static_cast<size_t>(n * kSize[to] * 2));
        t.cast(F64, from)(a.data(), x.data(), n, 1, 1);
        std::vector<double> y(x.size());
        bool ok = true;
        for (int64_t stride : {1, 2}) {
          t.cast(from, to)(b.data(), a.data(), n, stride, 1);
          t.cast(to, F64)(y.data(), b.data(), n, 1, stride);
          for (size_t i = 0; i < x.size(); ++i) {
            const double want = to == 0 ? (x[i] != 0 ? 1 : 0) : (to == 1 && x[i] < 0 ? x[i] + 256 : x[i]);
            ok &= y[i] == want;
          }
        }
        INFO(isa_name(isa) << " from " << from << " to " << to);
        CHECK(ok);
      }
    }
    const float wild[] = {kNan,  kInf,   -kInf, 3e9f,          -3e9f,
                          1e20f, 300.7f, -1.9f, 2147483520.0f, -2147483648.0f};
    int32_t i32[10];
    t.cast(F32, static_cast<int>(DT::i32))(i32, wild, 10, 1, 1);
    const int32_t lowest = std::numeric_limits<int32_t>::min();
    const int32_t want[] = {lowest, lowest, lowest, lowest, lowest, lowest, 300, -1, 2147483520, lowest};
    CHECK(std::equal(i32, i32 + 10, want));
    int64_t i64[10];
    t.cast(F32, static_cast<int>(DT::i64))(i64, wild, 10, 1, 1);
    CHECK((i64[0] == std::numeric_limits<int64_t>::min() && i64[3] == 3000000000 && i64[7] == -1));
    uint8_t u8[10];
    t.cast(F32, static_cast<int>(DT::u8))(u8, wild, 10, 1, 1);
    CHECK((u8[0] == 0 && u8[6] == 44 && u8[7] == 255));
    bool b1[10];
    t.cast(F32, static_cast<int>(DT::b1))(b1, wild, 10, 1, 1);
    CHECK((b1[0] && b1[7]));
  }
}

// ---- reductions ----

namespace {

double value_at(int dtype, const unsigned char* at) {
  double y;
  loops_for(Isa::baseline)->cast(dtype, F64)(&y, at, 1, 1, 1);
  return y;
}

}  // namespace

TEST_CASE("reductions over rows and columns", "[kernels]") {
  const int64_t sizes[] = {1, 2, 7, 8, 63, 64, 65, 500, 4096, 4097, 10000};
  for (Isa isa : isas()) {
    for (int d = 0; d < 10; ++d) {
      const bool floating = d >= static_cast<int>(DT::f16);
      const int sum_type = floating ? d : static_cast<int>(DT::i64);
      const double eps[] = {0, 0, 0, 0, 0, 0, 1e-3, 8e-3, 2e-7, 1e-15};
      for (int64_t n : sizes) {
        const std::vector<unsigned char> a = values(d, n, static_cast<unsigned>(n));
        double sum = 0, abs_sum = 0, squares = 0, best = -INFINITY, least = INFINITY;
        int64_t arg_best = 0, arg_least = 0;
        bool any = false, all = true;
        for (int64_t i = 0; i < n; ++i) {
          const double v = value_at(d, a.data() + i * kSize[d]);
          sum += v;
          abs_sum += std::fabs(v);
          squares += v * v;
          if (v > best) best = v, arg_best = i;
          if (v < least) least = v, arg_least = i;
          any |= v != 0;
          all &= v != 0;
        }
        // Rows; and a column of a matrix of three, so that both forms see the same data.
        const std::vector<unsigned char> a3 = spread(a, kSize[d], 3);
        for (int form = 0; form < 3; ++form) {
          unsigned char out[8 * 3];
          const auto reduce = [&](ReduceOp op) {
            if (form == 0) {
              loops_for(isa)->reduce(op, d)(out, a.data(), n, 1, kOneRow);
            } else if (form == 1) {
              loops_for(isa)->reduce(op, d)(out, a3.data(), n, 3, kOneRow);
            } else {
              loops_for(isa)->reduce_columns(op, d)(out, a3.data(), n, 3, 3);
            }
          };
          INFO(isa_name(isa) << " dtype " << d << " n " << n << " form " << form);
          const double e = eps[d];
          reduce(ReduceOp::sum);
          CHECK(std::fabs(value_at(sum_type, out) - sum) <= e * (std::fabs(sum) + 0.2 * abs_sum));
          reduce(ReduceOp::max);
          CHECK(value_at(d, out) == best);
          reduce(ReduceOp::min);
          CHECK(value_at(d, out) == least);
          reduce(ReduceOp::argmax);
          CHECK(value_at(static_cast<int>(DT::i64), out) == static_cast<double>(arg_best));
          reduce(ReduceOp::argmin);
          CHECK(value_at(static_cast<int>(DT::i64), out) == static_cast<double>(arg_least));
          reduce(ReduceOp::any);
          CHECK((out[0] != 0) == any);
          reduce(ReduceOp::all);
          CHECK((out[0] != 0) == all);
          reduce(ReduceOp::sum_wide);
          CHECK(std::fabs(value_at(floating ? F64 : static_cast<int>(DT::i64), out) - sum) <=
                (floating ? 2e-7 * (std::fabs(sum) + 0.1 * abs_sum) : 0));
          if (floating) {
            reduce(ReduceOp::mean);
            CHECK(std::fabs(value_at(d, out) * static_cast<double>(n) - sum) <=
                  e * (std::fabs(sum) + 0.2 * abs_sum));
            reduce(ReduceOp::sum_squares);
            CHECK(value_at(F64, out) == Approx(squares).epsilon(1e-6));
            reduce(ReduceOp::sum_abs);
            CHECK(value_at(F64, out) == Approx(abs_sum).epsilon(1e-6));
          }
        }
      }
    }
  }
}

TEST_CASE("reductions: empty, NaN, ties, products", "[kernels]") {
  for (Isa isa : isas()) {
    const LoopTable& t = *loops_for(isa);
    float y = 5;
    t.reduce(ReduceOp::sum, F32)(&y, nullptr, 0, 1, kOneRow);
    CHECK(y == 0);
    t.reduce(ReduceOp::prod, F32)(&y, nullptr, 0, 1, kOneRow);
    CHECK(y == 1);
    bool b = true;
    t.reduce(ReduceOp::any, F32)(&b, nullptr, 0, 1, kOneRow);
    CHECK(!b);
    t.reduce(ReduceOp::all, F32)(&b, nullptr, 0, 1, kOneRow);
    CHECK(b);
    for (size_t n : {size_t{6}, size_t{300}, size_t{9000}}) {
      std::vector<float> x(n, 1.0f);
      int64_t i = -1;
      t.reduce(ReduceOp::argmax, F32)(&i, x.data(), static_cast<int64_t>(n), 1, kOneRow);
      CHECK(i == 0);  // the first of equals
      x[n - 2] = kNan;
      x[n - 1] = kNan;
      x[3] = kInf;
      for (ReduceOp op : {ReduceOp::argmax, ReduceOp::argmin}) {
        t.reduce(op, F32)(&i, x.data(), static_cast<int64_t>(n), 1, kOneRow);
        CHECK(i == static_cast<int64_t>(n - 2));  // the first NaN
        t.reduce_columns(op, F32)(&i, x.data(), static_cast<int64_t>(n), 1, 1);
        CHECK(i == static_cast<int64_t>(n - 2));
      }
      for (ReduceOp op : {ReduceOp::max, ReduceOp::min, ReduceOp::sum}) {
        t.reduce(op, F32)(&y, x.data(), static_cast<int64_t>(n), 1, kOneRow);
        CHECK(std::isnan(y));
        t.reduce_columns(op, F32)(&y, x.data(), static_cast<int64_t>(n), 1, 1);
        CHECK(std::isnan(y));
      }
      std::fill(x.begin(), x.end(), -kInf);
      t.reduce(ReduceOp::argmax, F32)(&i, x.data(), static_cast<int64_t>(n), 1, kOneRow);
      CHECK(i == 0);
      t.reduce(ReduceOp::max, F32)(&y, x.data(), static_cast<int64_t>(n), 1, kOneRow);
      CHECK(y == -kInf);
    }
    const float factors[] = {1e30f, 1e30f, 1e-30f, 1e-30f, 2.0f, -3.0f};
    t.reduce(ReduceOp::prod, F32)(&y, factors, 6, 1, kOneRow);
    CHECK(y == Approx(-6.0f));
    t.reduce_columns(ReduceOp::prod, F32)(&y, factors, 6, 1, 1);
    CHECK(y == Approx(-6.0f));
    // A million small terms: block sums keep what one running float would lose.
    const std::vector<float> many(1000000, 0.1f);
    t.reduce(ReduceOp::sum, F32)(&y, many.data(), 1000000, 1, kOneRow);
    CHECK(y == Approx(100000.0).epsilon(1e-6));
    t.reduce_columns(ReduceOp::sum, F32)(&y, many.data(), 1000000, 1, 1);
    CHECK(y == Approx(100000.0).epsilon(1e-6));
  }
}

TEST_CASE("float sums are the same for every instruction set", "[kernels]") {
  for (int64_t n : {5, 64, 1000, 4096, 20000}) {
    const std::vector<unsigned char> a = values(F32, n, 9);
    float first = 0;
    loops_for(Isa::baseline)->reduce(ReduceOp::sum, F32)(&first, a.data(), n, 1, kOneRow);
    for (Isa isa : isas()) {
      float y = 0;
      loops_for(isa)->reduce(ReduceOp::sum, F32)(&y, a.data(), n, 1, kOneRow);
      CHECK(y == first);
    }
  }
}

// ---- softmax, moments, layer norm ----

TEST_CASE("softmax family over rows and columns", "[kernels]") {
  using D = std::vector<double>;
  for (Isa isa : isas()) {
    const LoopTable& t = *loops_for(isa);
    for (int d = static_cast<int>(DT::f16); d < 10; ++d) {
      const double tol[] = {0, 0, 0, 0, 0, 0, 2e-3, 2e-2, 2e-6, 1e-13};
      for (int64_t n : {1, 3, 10, 100, 1000, 5000}) {
        const int64_t rows = 3;
        const size_t total = static_cast<size_t>(rows * n);
        const std::vector<unsigned char> x = values(d, rows * n, 21), g = values(d, rows * n, 22);
        D xd(total), gd(total), soft(total), logs(total), lse(3), dx_soft(total), dx_log(total);
        for (size_t i = 0; i < total; ++i) {
          xd[i] = value_at(d, x.data() + i * static_cast<size_t>(kSize[d]));
          gd[i] = value_at(d, g.data() + i * static_cast<size_t>(kSize[d]));
        }
        const auto at = [&](int64_t r, int64_t i) { return static_cast<size_t>(r * n + i); };
        for (int64_t r = 0; r < rows; ++r) {
          double m = -INFINITY, s = 0;
          for (int64_t i = 0; i < n; ++i) m = std::max(m, xd[at(r, i)]);
          for (int64_t i = 0; i < n; ++i) s += std::exp(xd[at(r, i)] - m);
          lse[static_cast<size_t>(r)] = m + std::log(s);
          for (int64_t i = 0; i < n; ++i) {
            logs[at(r, i)] = xd[at(r, i)] - lse[static_cast<size_t>(r)];
            soft[at(r, i)] = std::exp(logs[at(r, i)]);
          }
        }
        // Backward reads the rounded results.
        std::vector<unsigned char> soft_in(x.size()), log_in(x.size());
        t.cast(F64, d)(soft_in.data(), soft.data(), rows * n, 1, 1);
        t.cast(F64, d)(log_in.data(), logs.data(), rows * n, 1, 1);
        for (int64_t r = 0; r < rows; ++r) {
          double dot = 0, sum = 0;
          for (int64_t i = 0; i < n; ++i) {
            dot += gd[at(r, i)] * value_at(d, soft_in.data() + at(r, i) * static_cast<size_t>(kSize[d]));
            sum += gd[at(r, i)];
          }
          for (int64_t i = 0; i < n; ++i) {
            dx_soft[at(r, i)] =
                value_at(d, soft_in.data() + at(r, i) * static_cast<size_t>(kSize[d])) * (gd[at(r, i)] - dot);
            dx_log[at(r, i)] =
                gd[at(r, i)] -
                std::exp(value_at(d, log_in.data() + at(r, i) * static_cast<size_t>(kSize[d]))) * sum;
          }
        }
        std::vector<unsigned char> out(x.size());
        const auto check = [&](const char* what, const D& want, int64_t count, bool transposed) {
          double error = 0;
          for (int64_t i = 0; i < count; ++i) {
            const int64_t j = transposed ? (i % rows) * n + i / rows : i;
            const double v = value_at(d, out.data() + i * kSize[d]);
            const double w = want[static_cast<size_t>(j)];
            error = std::max(error, std::fabs(v - w) / (1 + std::fabs(w)));
          }
          INFO(isa_name(isa) << " " << what << " dtype " << d << " n " << n << " transposed " << transposed);
          CHECK(error < tol[d]);
        };
        const NormTable& k = t.norm();
        k.softmax[d](out.data(), x.data(), rows, n, n, n);
        check("softmax", soft, rows * n, false);
        k.log_softmax[d](out.data(), x.data(), rows, n, n, n);
        check("log_softmax", logs, rows * n, false);
        k.logsumexp[d](out.data(), x.data(), rows, n, n);
        check("logsumexp", lse, rows, false);
        k.softmax_backward[d](out.data(), g.data(), soft_in.data(), rows, n, n);
        check("softmax_backward", dx_soft, rows * n, false);
        k.log_softmax_backward[d](out.data(), g.data(), log_in.data(), rows, n, n);
        check("log_softmax_backward", dx_log, rows * n, false);
        // The same with the rows as columns.
        const auto transpose = [&](const std::vector<unsigned char>& a) {
          std::vector<unsigned char> b(a.size());
          for (int64_t r = 0; r < rows; ++r) {
            for (int64_t i = 0; i < n; ++i) {
              std::memcpy(b.data() + (i * rows + r) * kSize[d], a.data() + (r * n + i) * kSize[d],
                          static_cast<size_t>(kSize[d]));
            }
          }
          return b;
        };
        const std::vector<unsigned char> xt = transpose(x), gt = transpose(g), st = transpose(soft_in),
                                         lt = transpose(log_in);
        k.softmax_columns[d](out.data(), xt.data(), n, rows, rows, rows);
        check("softmax", soft, rows * n, true);
        k.log_softmax_columns[d](out.data(), xt.data(), n, rows, rows, rows);
        check("log_softmax", logs, rows * n, true);
        k.logsumexp_columns[d](out.data(), xt.data(), n, rows, rows);
        check("logsumexp", lse, rows, false);
        k.softmax_backward_columns[d](out.data(), gt.data(), st.data(), n, rows, rows);
        check("softmax_backward", dx_soft, rows * n, true);
        k.log_softmax_backward_columns[d](out.data(), gt.data(), lt.data(), n, rows, rows);
        check("log_softmax_backward", dx_log, rows * n, true);
      }
    }
    // In place, and the infinities.
    std::vector<float> v(40, 0.0f);
    t.norm().softmax[F32](v.data(), v.data(), 1, 40, 40, 40);
    CHECK(v[7] == Approx(1.0 / 40));
    std::fill(v.begin(), v.end(), -kInf);
    float y = 0;
    t.norm().logsumexp[F32](&y, v.data(), 1, 40, 40);
    CHECK(y == -kInf);
    v[3] = kInf;
    t.norm().logsumexp[F32](&y, v.data(), 1, 40, 40);
    CHECK(y == kInf);
    v[3] = 0;
    t.norm().softmax[F32](v.data(), v.data(), 1, 40, 40, 40);
    CHECK((v[3] == 1 && v[4] == 0));
  }
}

TEST_CASE("moments and layer norm", "[kernels]") {
  for (Isa isa : isas()) {
    const LoopTable& t = *loops_for(isa);
    for (int d = static_cast<int>(DT::f16); d < 10; ++d) {
      const double tol[] = {0, 0, 0, 0, 0, 0, 4e-3, 4e-2, 5e-6, 1e-12};
      const bool wide = d == F64;
      const int stat = wide ? F64 : F32;
      for (int64_t n : {1, 5, 64, 300, 5000}) {
        const int64_t rows = 4;
        const size_t size = static_cast<size_t>(kSize[d]), stat_size = static_cast<size_t>(kSize[stat]);
        const std::vector<unsigned char> x = values(d, rows * n, 31), g = values(d, rows * n, 32),
                                         w = values(d, n, 33), b = values(d, n, 34);
        const auto X = [&](int64_t r, int64_t i) {
          return value_at(d, x.data() + static_cast<size_t>(r * n + i) * size);
        };
        const auto G = [&](int64_t r, int64_t i) {
          return value_at(d, g.data() + static_cast<size_t>(r * n + i) * size);
        };
        const auto W = [&](int64_t i) { return value_at(d, w.data() + static_cast<size_t>(i) * size); };
        std::vector<unsigned char> y(x.size()), dx(x.size()), mean(static_cast<size_t>(rows) * stat_size),
            rstd(mean.size()), dw(static_cast<size_t>(n) * stat_size), db(dw.size());
        const double eps = 1e-2;
        t.norm().layer_norm[d](y.data(), mean.data(), rstd.data(), x.data(), w.data(), b.data(), rows, n,
                               eps);
        t.norm().layer_norm_backward_input[d](dx.data(), g.data(), x.data(), mean.data(), rstd.data(),
                                              w.data(), rows, n);
        t.norm().layer_norm_backward_params[d](dw.data(), db.data(), g.data(), x.data(), mean.data(),
                                               rstd.data(), rows, n, n);
        double error = 0;
        std::vector<double> dw_ref(static_cast<size_t>(n)), db_ref(static_cast<size_t>(n));
        for (int64_t r = 0; r < rows; ++r) {
          double m = 0, m2 = 0, sv = 0, svh = 0;
          for (int64_t i = 0; i < n; ++i) m += X(r, i) / static_cast<double>(n);
          for (int64_t i = 0; i < n; ++i) m2 += (X(r, i) - m) * (X(r, i) - m);
          const double s = 1 / std::sqrt(m2 / static_cast<double>(n) + eps);
          double got_mean, got_m2;
          t.norm().moments[d](&got_mean, &got_m2, x.data() + static_cast<size_t>(r * n) * size, n, 1);
          CHECK(std::fabs(got_mean - m) < 1e-6);
          CHECK(got_m2 == Approx(m2).epsilon(1e-5).margin(1e-9));
          for (int64_t i = 0; i < n; ++i) {
            const double h = (X(r, i) - m) * s;
            sv += G(r, i) * W(i) / static_cast<double>(n);
            svh += G(r, i) * W(i) * h / static_cast<double>(n);
            dw_ref[static_cast<size_t>(i)] += G(r, i) * h;
            db_ref[static_cast<size_t>(i)] += G(r, i);
          }
          for (int64_t i = 0; i < n; ++i) {
            const double h = (X(r, i) - m) * s;
            const double want_y = h * W(i) + value_at(d, b.data() + static_cast<size_t>(i) * size);
            const double want_dx = s * (G(r, i) * W(i) - sv - h * svh);
            const size_t at = static_cast<size_t>(r * n + i) * size;
            error = std::max(error, std::fabs(value_at(d, y.data() + at) - want_y) / (1 + std::fabs(want_y)));
            error = std::max(error,
                             std::fabs(value_at(d, dx.data() + at) - want_dx) / (1 + s + std::fabs(want_dx)));
          }
        }
        for (int64_t i = 0; i < n; ++i) {
          const size_t at = static_cast<size_t>(i) * stat_size;
          error = std::max(error,
                           std::fabs(value_at(stat, dw.data() + at) - dw_ref[static_cast<size_t>(i)]) / 30);
          error = std::max(error,
                           std::fabs(value_at(stat, db.data() + at) - db_ref[static_cast<size_t>(i)]) / 30);
        }
        INFO(isa_name(isa) << " layer_norm dtype " << d << " n " << n);
        CHECK(error < tol[d]);
        // Moments of columns: the matrix read as (n, rows) with the same data.
        std::vector<double> cm(static_cast<size_t>(rows)), cm2(static_cast<size_t>(rows));
        t.norm().moments_columns[d](cm.data(), cm2.data(), x.data(), n, rows, rows);
        for (int64_t c = 0; c < rows; ++c) {
          double m = 0, m2 = 0;
          const auto V = [&](int64_t i) {
            return value_at(d, x.data() + static_cast<size_t>(i * rows + c) * size);
          };
          for (int64_t i = 0; i < n; ++i) m += V(i) / static_cast<double>(n);
          for (int64_t i = 0; i < n; ++i) m2 += (V(i) - m) * (V(i) - m);
          CHECK(std::fabs(cm[static_cast<size_t>(c)] - m) < 1e-6);
          CHECK(cm2[static_cast<size_t>(c)] == Approx(m2).epsilon(1e-5).margin(1e-9));
        }
      }
    }
    // A large common offset must not drown a small variance.
    std::vector<float> v(100000);
    for (size_t i = 0; i < v.size(); ++i) v[i] = 10000.0f + static_cast<float>(i % 2);
    double m, m2;
    t.norm().moments[F32](&m, &m2, v.data(), 100000, 1);
    CHECK(m2 / 100000 == Approx(0.25).epsilon(1e-3));
  }
}

// ---- random numbers ----

TEST_CASE("Philox4x32-10 gives the published vectors", "[kernels]") {
  const auto check = [](philox::Block b, uint32_t x0, uint32_t x1, uint32_t x2, uint32_t x3) {
    CHECK((b.x[0] == x0 && b.x[1] == x1 && b.x[2] == x2 && b.x[3] == x3));
  };
  const uint32_t f = 0xffffffffu;
  check(philox::philox4x32(0, 0, 0, 0, 0, 0), 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8);
  check(philox::philox4x32(f, f, f, f, f, f), 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd);
  check(philox::philox4x32(0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0),
        0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1);
}

TEST_CASE("random helpers have the right ranges and moments", "[kernels]") {
  CHECK(philox::uniform_float(0) == 0.0f);
  CHECK(philox::uniform_float(0xffffffffu) == 1.0f - 0x1p-24f);
  CHECK(philox::uniform_double(~uint64_t{0}) == 1.0 - 0x1p-53);
  CHECK(philox::bounded(0xffffffffu, uint32_t{10}) == 9);
  CHECK(philox::bounded(~uint64_t{0}, uint64_t{10}) == 9);
  double sum = 0, squares = 0, fourth = 0;
  const int n = 400000;
  for (int i = 0; i < n; i += 2) {
    const philox::Block b = philox::block(42, 1, static_cast<uint64_t>(i / 2));
    float z[2];
    philox::normal_pair(b.x[0], b.x[1], z[0], z[1]);
    for (float v : z) {
      sum += v;
      squares += static_cast<double>(v) * v;
      fourth += std::pow(static_cast<double>(v), 4);
    }
  }
  CHECK(std::fabs(sum / n) < 0.01);
  CHECK(squares / n == Approx(1).epsilon(0.01));
  CHECK(fourth / n == Approx(3).epsilon(0.03));
  float z0, z1;
  philox::normal_pair(uint32_t{0}, uint32_t{0}, z0, z1);  // the largest radius
  CHECK(std::isfinite(z0));
}

TEST_CASE("the instruction set can be named", "[kernels]") {
  CHECK(parse_isa("baseline") == Isa::baseline);
  CHECK(isas().size() >= 1);
  CHECK_THROWS_WITH(parse_isa("sse9"), Catch::Contains("expected baseline, avx2 or avx512, got 'sse9'"));
  CHECK(loops_for(active_isa()) == &loops());
}
