#include "io/json.h"

#include <charconv>
#include <set>

#include "clew/core/error.h"

namespace clew::io {
namespace {

constexpr int kMaxDepth = 1000;

class Parser {
 public:
  Parser(std::string_view text, const std::string& where) : text_(text), where_(where) {}

  Json whole() {
    Json v = value(0);
    skip_space();
    if (at_ < text_.size()) bad("the end of the text");
    return v;
  }

 private:
  [[noreturn]] void bad(const char* expected) const {
    detail::raise<FileFormatError>("load: expected ", expected, " in JSON, got ",
                                   at_ < text_.size() ? "'" + std::string(1, text_[at_]) + "'" : "the end",
                                   " (", where_, ", character ", at_, ")");
  }
  void skip_space() {
    while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != std::string_view::npos)
      ++at_;
  }
  bool take(char c) {
    skip_space();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  bool take(std::string_view word) {
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }

  Json value(int depth) {
    if (depth > kMaxDepth) bad("at most 1000 levels");
    skip_space();
    if (at_ == text_.size()) bad("a value");
    switch (text_[at_]) {
      case '{':
        return object(depth);
      case '[':
        return array(depth);
      case '"':
        return {string()};
      default:
        break;
    }
    if (take("true")) return {true};
    if (take("false")) return {false};
    if (take("null")) return {nullptr};
    return number();
  }

  Json object(int depth) {
    ++at_;
    Json::Object out;
    std::set<std::string, std::less<>> seen;
    if (take('}')) return {std::move(out)};
    do {
      skip_space();
      if (at_ == text_.size() || text_[at_] != '"') bad("a key");
      std::string key = string();
      if (!seen.insert(key).second) bad("keys that differ");
      if (!take(':')) bad("':'");
      out.emplace_back(std::move(key), value(depth + 1));
    } while (take(','));
    if (!take('}')) bad("',' or '}'");
    return {std::move(out)};
  }

  Json array(int depth) {
    ++at_;
    Json::Array out;
    if (take(']')) return {std::move(out)};
    do {
      out.push_back(value(depth + 1));
    } while (take(','));
    if (!take(']')) bad("',' or ']'");
    return {std::move(out)};
  }

  Json number() {
    const char* first = text_.data() + at_;
    const char* last = text_.data() + text_.size();
    const size_t digits = at_ + (text_[at_] == '-' ? 1 : 0);
    if (digits >= text_.size() || text_[digits] < '0' || text_[digits] > '9') bad("a value");
    int64_t i = 0;
    const auto whole = std::from_chars(first, last, i);
    if (whole.ec == std::errc() &&
        (whole.ptr == last || std::string_view(".eE").find(*whole.ptr) == std::string_view::npos)) {
      at_ = static_cast<size_t>(whole.ptr - text_.data());
      return {i};
    }
    double d = 0;
    const auto real = std::from_chars(first, last, d);
    if (real.ec != std::errc()) bad("a number in range");
    at_ = static_cast<size_t>(real.ptr - text_.data());
    return {d};
  }

  uint32_t hex4() {
    uint32_t code = 0;
    if (at_ + 4 > text_.size()) bad("four hexadecimal digits");
    const char* first = text_.data() + at_;
    const auto done = std::from_chars(first, first + 4, code, 16);
    if (done.ec != std::errc() || done.ptr != first + 4) bad("four hexadecimal digits");
    at_ += 4;
    return code;
  }

  static void append_utf8(std::string& out, uint32_t c) {
    const auto tail = [&](int shift) { out += static_cast<char>(0x80 | ((c >> shift) & 0x3f)); };
    if (c < 0x80) {
      out += static_cast<char>(c);
    } else if (c < 0x800) {
      out += static_cast<char>(0xc0 | (c >> 6));
      tail(0);
    } else if (c < 0x10000) {
      out += static_cast<char>(0xe0 | (c >> 12));
      tail(6);
      tail(0);
    } else {
      out += static_cast<char>(0xf0 | (c >> 18));
      tail(12);
      tail(6);
      tail(0);
    }
  }

  std::string string() {
    ++at_;
    std::string out;
    while (true) {
      if (at_ == text_.size()) bad("'\"'");
      const char c = text_[at_];
      if (static_cast<unsigned char>(c) < 0x20) bad("no control characters in a string");
      ++at_;
      if (c == '"') return out;
      if (c != '\\') {
        out += c;
        continue;
      }
      if (at_ == text_.size()) bad("an escape");
      const char e = text_[at_++];
      static constexpr std::string_view kNames = "\"\\/bfnrt", kValues = "\"\\/\b\f\n\r\t";
      if (const size_t i = kNames.find(e); i != std::string_view::npos) {
        out += kValues[i];
      } else if (e == 'u') {
        uint32_t code = hex4();
        if (code >= 0xd800 && code < 0xdc00 && take("\\u")) {
          const uint32_t low = hex4();
          if (low < 0xdc00 || low >= 0xe000) bad("the second half of a surrogate pair");
          code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        }
        append_utf8(out, code);
      } else {
        --at_;
        bad("an escape");
      }
    }
  }

  std::string_view text_;
  const std::string& where_;
  size_t at_ = 0;
};

}  // namespace

const Json* Json::find(std::string_view key) const {
  const Object* o = object();
  if (o == nullptr) return nullptr;
  for (const auto& [name, v] : *o) {
    if (name == key) return &v;
  }
  return nullptr;
}

Json parse_json(std::string_view text, const std::string& where) { return Parser(text, where).whole(); }

void append_quoted(std::string& out, std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += "\\u00";
      out += kHex[(c >> 4) & 15];
      out += kHex[c & 15];
    } else {
      out += c;
    }
  }
  out += '"';
}

}  // namespace clew::io
