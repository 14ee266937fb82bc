// A file is 8 bytes with the length of the header (little endian), the header in JSON, and the tensors'
// bytes. The header's metadata hold how the tensors stand in the saved object, with a checksum of that and of
// the data.
#include "clew/io/serialize.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <set>
#include <sstream>
#include <tuple>

#include "clew/autograd/grad_mode.h"
#include "clew/ops/ops.h"
#include "io/json.h"

namespace clew {
namespace {

static_assert(std::endian::native == std::endian::little, "the format is little endian");

constexpr uint64_t kMaxHeader = 100'000'000;
constexpr int64_t kLimit = int64_t{1} << 62;
constexpr std::string_view kFormat = "clew-1";

struct Code {
  std::string_view name;
  DType dtype;
};
constexpr Code kCodes[] = {{"BOOL", kBool}, {"U8", kUInt8},   {"I8", kInt8},     {"I16", kInt16},
                           {"I32", kInt32}, {"I64", kInt64},  {"F16", kFloat16}, {"BF16", kBFloat16},
                           {"F32", kFloat}, {"F64", kFloat64}};

template <class... Parts>
[[noreturn]] void bad(const std::string& where, uint64_t offset, const Parts&... parts) {
  detail::raise<FileFormatError>("load: ", parts..., " (", where, ", offset ", offset, ")");
}

std::string_view code_of(DType t) {
  for (const Code& c : kCodes) {
    if (c.dtype == t) return c.name;
  }
  detail::raise<DTypeError>("save: expected a dtype that files hold, got ", t);
}

// CRC-32 as zlib computes it (polynomial 0xedb88320).
uint32_t crc32(const void* data, size_t n, uint32_t crc = 0) {
  static constexpr auto kTable = [] {
    std::array<uint32_t, 256> table{};
    for (uint32_t i = 0; i < 256; ++i) {
      uint32_t c = i;
      for (int k = 0; k < 8; ++k) c = (c & 1) != 0 ? 0xedb88320u ^ (c >> 1) : c >> 1;
      table[i] = c;
    }
    return table;
  }();
  crc = ~crc;
  for (const auto* p = static_cast<const uint8_t*>(data); n > 0; --n, ++p)
    crc = kTable[(crc ^ *p) & 0xff] ^ (crc >> 8);
  return ~crc;
}

std::string hex8(uint32_t v) {
  std::string s(8, '0');
  for (int i = 7; i >= 0; --i, v >>= 4) s[static_cast<size_t>(i)] = "0123456789abcdef"[v & 15];
  return s;
}

std::string listed(IntArrayRef values, std::string_view separator) {
  std::string s = "[";
  for (size_t i = 0; i < values.size(); ++i) {
    if (i > 0) s += separator;
    s += std::to_string(values[i]);
  }
  return s + "]";
}

struct Entry {
  std::string name;
  std::string_view code;
  DType dtype;
  Shape shape;
  int64_t begin, end;
};

uint32_t tree_checksum(const std::string& tree, std::vector<Entry> entries) {
  std::ranges::sort(entries, {}, &Entry::name);
  std::string text = std::string(kFormat) + "\n" + tree;
  for (const Entry& e : entries) {
    text += "\n" + e.name + "\n" + std::string(e.code) + listed(e.shape, ", ") + "[" +
            std::to_string(e.begin) + ", " + std::to_string(e.end) + "]";
  }
  return crc32(text.data(), text.size());
}

// ---- writing --------------------------------------------------------------------------------------

// Removes a file unless it was renamed away.
class Temporary {
 public:
  explicit Temporary(const std::filesystem::path& target)
      : path_(target.parent_path() /
              ("." + target.filename().string() + "." + std::to_string(getpid()) + ".tmp")),
        fd_(::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)) {
    if (fd_ < 0) fail("open");
  }
  ~Temporary() {
    if (fd_ >= 0) ::close(fd_);
    if (!path_.empty()) ::unlink(path_.c_str());
  }
  Temporary(const Temporary&) = delete;
  Temporary& operator=(const Temporary&) = delete;

  void write(const void* data, size_t n) {
    const char* p = static_cast<const char*>(data);
    while (n > 0) {
      const ssize_t done = ::write(fd_, p, n);
      if (done < 0 && errno == EINTR) continue;
      if (done < 0) fail("write");
      p += done;
      n -= static_cast<size_t>(done);
    }
  }
  void move_to(const std::filesystem::path& target) {
    if (::fsync(fd_) != 0) fail("sync");
    if (::close(std::exchange(fd_, -1)) != 0) fail("close");
    if (::rename(path_.c_str(), target.c_str()) != 0) fail("rename");
    path_.clear();
    // The rename itself is durable only when the folder is on disk too.
    const std::filesystem::path folder = target.parent_path();
    const int d = ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (d < 0) return;
    ::fsync(d);
    ::close(d);
  }

 private:
  [[noreturn]] void fail(const char* what) const {
    detail::raise<Error>("save: expected to ", what, " ", path_.string(), ", got: ", std::strerror(errno));
  }
  std::filesystem::path path_;
  int fd_;
};

// ---- reading --------------------------------------------------------------------------------------

Entry checked_entry(const std::string& name, const io::Json& v, const std::string& where) {
  const io::Json* code = v.find("dtype");
  const io::Json* shape = v.find("shape");
  const io::Json* offsets = v.find("data_offsets");
  if (code == nullptr || shape == nullptr || offsets == nullptr || v.object()->size() != 3 ||
      code->string() == nullptr || shape->array() == nullptr || offsets->array() == nullptr)
    bad(where, 8, "expected dtype, shape and data_offsets of tensor '", name, "', got something else");
  const auto* known = std::ranges::find(kCodes, std::string_view(*code->string()), &Code::name);
  if (known == std::end(kCodes))
    bad(where, 8, "expected a known dtype for tensor '", name, "', got '", *code->string(), "'");
  Entry e{name, known->name, known->dtype, {}, 0, 0};
  if (shape->array()->size() > 64)
    bad(where, 8, "expected at most 64 sizes for tensor '", name, "', got more");
  const auto item = static_cast<int64_t>(item_size(e.dtype));
  int64_t bytes = item;
  bool empty = false;
  for (const io::Json& n : *shape->array()) {
    const int64_t* size = n.integer();
    if (size == nullptr || *size < 0 || __builtin_mul_overflow(bytes, std::max<int64_t>(*size, 1), &bytes) ||
        bytes >= kLimit)
      bad(where, 8, "expected a shape of tensor '", name, "' that fits into memory, got another");
    empty = empty || *size == 0;
    e.shape.push_back(*size);
  }
  const auto& range = *offsets->array();
  if (range.size() != 2 || range[0].integer() == nullptr || range[1].integer() == nullptr ||
      *range[0].integer() < 0 || *range[1].integer() < 0)
    bad(where, 8, "expected two data_offsets for tensor '", name, "', got something else");
  e.begin = *range[0].integer();
  e.end = *range[1].integer();
  if (e.end - e.begin != (empty ? 0 : bytes))
    bad(where, 8, "expected ", empty ? 0 : bytes, " bytes for tensor '", name, "', got ", e.end - e.begin);
  return e;
}

// What the metadata say about the object that was saved; strings are empty for a file of another writer.
struct Metadata {
  std::string tree;
  uint32_t tree_crc = 0, data_crc = 0;
  bool ours = false;
};

Metadata checked_metadata(const io::Json* v, const std::string& where) {
  Metadata m;
  if (v == nullptr) return m;
  if (v->object() == nullptr) bad(where, 8, "expected strings in __metadata__, got something else");
  for (const auto& [name, value] : *v->object()) {
    if (value.string() == nullptr) bad(where, 8, "expected strings in __metadata__, got something else");
  }
  const auto text = [&](const char* key) {
    const io::Json* found = v->find(key);
    return found == nullptr ? std::string() : *found->string();
  };
  m.ours = v->find("tree") != nullptr || v->find("tree_crc32") != nullptr || v->find("data_crc32") != nullptr;
  if (!m.ours) return m;
  if (text("format") != kFormat) bad(where, 8, "expected format '", kFormat, "', got '", text("format"), "'");
  m.tree = text("tree");
  const auto sum = [&](const char* key) {
    const std::string s = text(key);
    if (s.size() != 8 || s.find_first_not_of("0123456789abcdef") != std::string::npos)
      bad(where, 8, "expected eight hexadecimal digits as ", key, ", got '", s.substr(0, 20), "'");
    return static_cast<uint32_t>(std::stoul(s, nullptr, 16));
  };
  m.tree_crc = sum("tree_crc32");
  m.data_crc = sum("data_crc32");
  return m;
}

// The tensors of a saved object by path, in the object's order.
NamedTensors by_path(const io::Json& tree, const NamedTensors& stored, const std::string& where) {
  struct Pending {
    std::string path;
    const io::Json* value;
  };
  const auto joined = [](const std::string& a, const std::string& b) { return a.empty() ? b : a + "." + b; };
  NamedTensors out;
  std::vector<Pending> pending{{"", &tree}};
  while (!pending.empty()) {
    const Pending p = std::move(pending.back());
    pending.pop_back();
    std::vector<Pending> below;
    const auto add_list = [&](const io::Json::Array& items) {
      for (size_t i = 0; i < items.size(); ++i)
        below.push_back({joined(p.path, std::to_string(i)), &items[i]});
    };
    const io::Json* tag = p.value->find("$");
    const std::string* kind = tag == nullptr ? nullptr : tag->string();
    if (p.value->array() != nullptr) {
      add_list(*p.value->array());
    } else if (p.value->object() == nullptr) {
      continue;
    } else if (tag == nullptr) {
      for (const auto& [name, value] : *p.value->object()) below.push_back({joined(p.path, name), &value});
    } else if (kind != nullptr && *kind == "tensor") {
      const io::Json* name = p.value->find("name");
      const auto found = std::ranges::find_if(stored, [&](const auto& entry) {
        return name != nullptr && name->string() != nullptr && entry.first == *name->string();
      });
      if (found == stored.end())
        bad(where, 8, "expected the name of a tensor at '", p.path, "', got another");
      Tensor t = found->second;
      const io::Json* offset = p.value->find("offset");
      const io::Json* shape = p.value->find("shape");
      if (offset != nullptr || shape != nullptr) {
        if (offset == nullptr || offset->integer() == nullptr || shape == nullptr ||
            shape->array() == nullptr)
          bad(where, 8, "expected offset and shape of a part at '", p.path, "', got something else");
        Shape sizes;
        int64_t numel = 1;
        for (const io::Json& n : *shape->array()) {
          if (n.integer() == nullptr || *n.integer() < 0 ||
              __builtin_mul_overflow(numel, *n.integer(), &numel))
            bad(where, 8, "expected sizes of a part at '", p.path, "', got something else");
          sizes.push_back(*n.integer());
        }
        if (*offset->integer() < 0 || *offset->integer() > t.numel() - numel)
          bad(where, 8, "expected a part within ", t.numel(), " elements at '", p.path, "', got another");
        t = reshape(narrow(t.reshape({-1}), 0, *offset->integer(), numel), sizes);
      }
      out.emplace_back(p.path, std::move(t));
    } else if (kind != nullptr && (*kind == "dict" || *kind == "odict")) {
      const io::Json* pairs = p.value->find("v");
      if (pairs == nullptr || pairs->array() == nullptr) bad(where, 8, "expected pairs in a dict, got none");
      for (const io::Json& pair : *pairs->array()) {
        if (pair.array() == nullptr || pair.array()->size() != 2)
          bad(where, 8, "expected pairs in a dict, got none");
        const io::Json& key = (*pair.array())[0];
        const std::string name = key.string() != nullptr    ? *key.string()
                                 : key.integer() != nullptr ? std::to_string(*key.integer())
                                                            : std::string("?");
        below.push_back({joined(p.path, name), &(*pair.array())[1]});
      }
    } else if (const io::Json* items = p.value->find("v"); items != nullptr && items->array() != nullptr) {
      add_list(*items->array());
    }
    pending.insert(pending.end(), below.rbegin(), below.rend());
  }
  return out;
}

}  // namespace

void save(const NamedTensors& tensors, const std::filesystem::path& path) {
  const NoGradGuard guard;
  struct Stored {
    Entry entry;
    Tensor data;
    size_t order;
  };
  std::vector<Stored> stored;
  std::string tree = "{";
  std::set<std::string> names;
  using Place = std::tuple<const void*, DType, std::vector<int64_t>>;
  std::map<Place, std::string> written;
  for (const auto& [name, tensor] : tensors) {
    CLEW_CHECK(tensor.defined(), ValueError, "save: expected tensors, got an undefined one ('", name, "')");
    CLEW_CHECK(names.insert(name).second && name != "__metadata__" && name != "$", ValueError,
               "save: expected names that differ, got '", name, "' twice or reserved");
    const Tensor data = contiguous(tensor.detach().to(std::nullopt, kCPU));
    const Place place{
        data.numel() > 0 ? data.raw_data() : &name, data.dtype(), {data.sizes().begin(), data.sizes().end()}};
    const auto [found, fresh] = written.emplace(place, name);
    if (tree.size() > 1) tree += ",";
    io::append_quoted(tree, name);
    tree += R"(:{"$":"tensor","name":)";
    io::append_quoted(tree, found->second);
    tree += "}";
    if (fresh)
      stored.push_back(
          {{name, code_of(data.dtype()), data.dtype(), data.sizes().vec(), 0, 0}, data, stored.size()});
  }
  tree += "}";
  // Wider dtypes first, so that every tensor stands at a multiple of its item size without gaps.
  std::ranges::sort(stored, [](const Stored& a, const Stored& b) {
    const size_t left = item_size(a.entry.dtype), right = item_size(b.entry.dtype);
    return left != right ? left > right : a.order < b.order;
  });
  int64_t end = 0;
  uint32_t data_crc = 0;
  std::vector<Entry> entries;
  for (Stored& s : stored) {
    s.entry.begin = end;
    s.entry.end = end += static_cast<int64_t>(s.data.nbytes());
    if (s.data.numel() > 0) data_crc = crc32(s.data.raw_data(), s.data.nbytes(), data_crc);
    entries.push_back(s.entry);
  }
  std::string header = R"({"__metadata__":{"format":"clew-1","tree":)";
  io::append_quoted(header, tree);
  header += R"(,"tree_crc32":")" + hex8(tree_checksum(tree, entries)) + R"(","data_crc32":")" +
            hex8(data_crc) + "\"}";
  for (const Entry& e : entries) {
    header += ",";
    io::append_quoted(header, e.name);
    header += R"(:{"dtype":")" + std::string(e.code) + R"(","shape":)" + listed(e.shape, ",") +
              R"(,"data_offsets":[)" + std::to_string(e.begin) + "," + std::to_string(e.end) + "]}";
  }
  header += "}";
  header.append((64 - (header.size() + 8) % 64) % 64, ' ');
  CLEW_CHECK(header.size() <= kMaxHeader, ValueError, "save: expected a header of at most ", kMaxHeader,
             " bytes, got ", header.size());
  Temporary file(path);
  const uint64_t length = header.size();
  file.write(&length, sizeof(length));
  file.write(header.data(), header.size());
  for (const Stored& s : stored) {
    if (s.data.numel() > 0) file.write(s.data.raw_data(), s.data.nbytes());
  }
  file.move_to(path);
}

NamedTensors load(const std::filesystem::path& path) {
  const std::string where = path.string();
  std::ifstream file(path, std::ios::binary);
  CLEW_CHECK(file, Error, "load: expected a file that can be read, got ", where, ": ", std::strerror(errno));
  file.seekg(0, std::ios::end);
  const auto size = static_cast<uint64_t>(file.tellg());
  file.seekg(0);
  uint64_t length = 0;
  char head[8] = {};
  if (size < 8 || !file.read(head, 8)) bad(where, 0, "expected 8 bytes with the header's length, got ", size);
  if (std::string_view(head, 4) == "PK\x03\x04" || head[0] == '\x80')
    bad(where, 0, "expected a safetensors file, got a zip or pickle file (such files can run code)");
  std::memcpy(&length, head, 8);
  if (length > kMaxHeader || length < 2)
    bad(where, 0, "expected a header length in [2, ", kMaxHeader, "], got ", length);
  if (8 + length > size)
    bad(where, 0, "expected a header within the file's ", size, " bytes, got one of ", length);
  std::string text(length, '\0');
  if (!file.read(text.data(), static_cast<std::streamsize>(length)))
    bad(where, 8, "expected a header of ", length, " bytes, got less");
  if (text[0] != '{') bad(where, 8, "expected a header that begins with '{', got another");
  const io::Json header = io::parse_json(text, where);
  const Metadata metadata = checked_metadata(header.find("__metadata__"), where);
  std::vector<Entry> entries;
  for (const auto& [name, value] : *header.object()) {
    if (name != "__metadata__") entries.push_back(checked_entry(name, value, where));
  }
  std::ranges::sort(entries, {}, [](const Entry& e) { return std::pair(e.begin, e.end); });
  int64_t end = 0;
  for (const Entry& e : entries) {
    if (e.begin != end)
      bad(where, 8 + length, "expected tensor '", e.name, "' to begin at ", end, ", got ", e.begin);
    end = e.end;
  }
  if (8 + length + static_cast<uint64_t>(end) != size)
    bad(where, 8 + length, "expected ", end, " bytes of data, got ", size - 8 - length);
  if (metadata.ours && tree_checksum(metadata.tree, entries) != metadata.tree_crc)
    bad(where, 8, "expected a header with checksum ", hex8(metadata.tree_crc), ", got another");
  NamedTensors stored;
  uint32_t crc = 0;
  for (const Entry& e : entries) {
    const Tensor t = empty(e.shape, e.dtype);
    if (t.numel() > 0) {
      auto* bytes = static_cast<char*>(t.raw_data());
      if (!file.read(bytes, e.end - e.begin))
        bad(where, 8 + length, "expected the bytes of '", e.name, "', got less");
      if (e.dtype == kBool && std::any_of(bytes, bytes + t.numel(), [](char c) { return c != 0 && c != 1; }))
        bad(where, 8 + length, "expected bytes 0 and 1 in bool tensor '", e.name, "', got others");
      crc = crc32(bytes, t.nbytes(), crc);
    }
    stored.emplace_back(e.name, t);
  }
  if (!metadata.ours) return stored;
  if (crc != metadata.data_crc)
    bad(where, 8 + length, "expected data with checksum ", hex8(metadata.data_crc), ", got ", hex8(crc));
  const NoGradGuard guard;
  return by_path(io::parse_json(metadata.tree, where), stored, where);
}

void save(const nn::Module& module, const std::filesystem::path& path) { save(module.state_dict(), path); }
void load(const nn::Module& module, const std::filesystem::path& path, bool strict) {
  module.load_state_dict(load(path), strict);
}
void save(const optim::Optimizer& optimizer, const std::filesystem::path& path) {
  save(optimizer.state_dict(), path);
}
void load(optim::Optimizer& optimizer, const std::filesystem::path& path) {
  optimizer.load_state_dict(load(path));
}

}  // namespace clew
