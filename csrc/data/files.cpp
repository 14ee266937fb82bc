// IDX and CSV files.
#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>

#include "clew/autograd/grad_mode.h"
#include "clew/data/dataset.h"
#include "clew/ops/ops.h"

namespace clew::data {
namespace {

struct IdxType {
  uint8_t code;
  DType dtype;
};
constexpr IdxType kIdxTypes[] = {{0x08, kUInt8}, {0x09, kInt8},  {0x0b, kInt16},
                                 {0x0c, kInt32}, {0x0d, kFloat}, {0x0e, kDouble}};

std::string read_whole(const char* op, const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  CLEW_CHECK(file, Error, op, ": expected a file that can be read, got ", path.string(), ": ",
             std::strerror(errno));
  return {std::istreambuf_iterator<char>(file), {}};
}

// The format is big endian.
void reverse_items(char* data, int64_t count, size_t item) {
  if (item == 1) return;
  for (int64_t i = 0; i < count; ++i, data += item) std::reverse(data, data + item);
}

}  // namespace

Tensor read_idx(const std::filesystem::path& path) {
  const std::string content = read_whole("read_idx", path);
  const auto bad = [&](size_t offset, const auto&... parts) {
    clew::detail::raise<FileFormatError>("read_idx: expected ", parts..., " (", path.string(), ", offset ",
                                         offset, ")");
  };
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(content[i]); };
  if (content.size() < 4 || byte(0) != 0 || byte(1) != 0)
    bad(0, "two zero bytes, a type and a rank, got something else");
  const auto* type = std::ranges::find(kIdxTypes, byte(2), &IdxType::code);
  if (type == std::end(kIdxTypes)) bad(2, "a type code of IDX, got ", static_cast<int>(byte(2)));
  const size_t rank = byte(3), start = 4 + 4 * rank;
  if (content.size() < start) bad(4, rank, " sizes, got the end of the file");
  Shape shape;
  int64_t count = 1;
  for (size_t d = 0; d < rank; ++d) {
    uint32_t n = 0;
    for (size_t k = 0; k < 4; ++k) n = n << 8 | byte(4 + 4 * d + k);
    shape.push_back(n);
    if (__builtin_mul_overflow(count, static_cast<int64_t>(n), &count))
      bad(4, "sizes that fit into memory, got others");
  }
  const size_t item = item_size(type->dtype), available = content.size() - start;
  if (count > static_cast<int64_t>(available / item) || static_cast<size_t>(count) * item != available)
    bad(start, count, " elements of ", item, " bytes, got ", available, " bytes");
  Tensor t = empty(shape, type->dtype);
  if (count > 0) {
    std::memcpy(t.raw_data(), content.data() + start, available);
    reverse_items(static_cast<char*>(t.raw_data()), count, item);
  }
  return t;
}

void write_idx(const Tensor& tensor, const std::filesystem::path& path) {
  const auto* type = std::ranges::find(kIdxTypes, tensor.dtype(), &IdxType::dtype);
  CLEW_CHECK(type != std::end(kIdxTypes), DTypeError,
             "write_idx: expected uint8, int8, int16, int32, float32 or float64, got ", tensor.dtype());
  CLEW_CHECK(tensor.dim() < 256, ShapeError, "write_idx: expected at most 255 dimensions, got ",
             tensor.dim());
  const NoGradGuard guard;
  const Tensor plain = clone(contiguous(tensor.detach().to(std::nullopt, kCPU)));
  std::string header{'\0', '\0', static_cast<char>(type->code), static_cast<char>(plain.dim())};
  for (const int64_t n : plain.sizes()) {
    for (int shift = 24; shift >= 0; shift -= 8) header += static_cast<char>(n >> shift & 0xff);
  }
  reverse_items(static_cast<char*>(plain.raw_data()), plain.numel(), item_size(plain.dtype()));
  std::ofstream file(path, std::ios::binary);
  file << header;
  file.write(static_cast<const char*>(plain.raw_data()), static_cast<std::streamsize>(plain.nbytes()));
  file.flush();
  CLEW_CHECK(file, Error, "write_idx: expected to write ", path.string(), ", got: ", std::strerror(errno));
}

Tensor read_csv(const std::filesystem::path& path, const CsvOptions& options) {
  const std::string content = read_whole("read_csv", path);
  std::vector<float> values;
  int64_t line = 0, rows = 0, columns = -1;
  const auto bad = [&](int64_t column, const auto&... parts) {
    clew::detail::raise<FileFormatError>("read_csv: expected ", parts..., " (", path.string(), ", line ",
                                         line, ", column ", column, ")");
  };
  for (size_t at = 0; at < content.size();) {
    const size_t end = std::min(content.find('\n', at), content.size());
    std::string_view text(content.data() + at, end - at);
    at = end + 1;
    ++line;
    if (text.ends_with('\r')) text.remove_suffix(1);
    if (line <= options.skip_rows || text.find_first_not_of(" \t") == std::string_view::npos) continue;
    int64_t column = 0;
    for (size_t begin = 0; begin <= text.size(); ++column) {
      const size_t stop = std::min(text.find(options.separator, begin), text.size());
      std::string_view cell = text.substr(begin, stop - begin);
      begin = stop + 1;
      while (cell.starts_with(' ')) cell.remove_prefix(1);
      while (cell.ends_with(' ')) cell.remove_suffix(1);
      if (cell.starts_with('+')) cell.remove_prefix(1);
      float v = 0;
      const auto done = std::from_chars(cell.data(), cell.data() + cell.size(), v);
      if (done.ec != std::errc() || done.ptr != cell.data() + cell.size())
        bad(column + 1, "a number, got '", cell.substr(0, 40), "'");
      values.push_back(v);
    }
    if (columns < 0) columns = column;
    if (column != columns) bad(column, columns, " columns as in the rows before, got ", column);
    ++rows;
  }
  Tensor t = empty({rows, std::max<int64_t>(columns, 0)}, kFloat);
  std::ranges::copy(values, t.data<float>());
  return t;
}

TensorDataset csv_rows(const std::filesystem::path& path, const CsvOptions& options, int64_t target_column) {
  const Tensor table = read_csv(path, options);
  const int64_t columns = table.size(1), at = target_column < 0 ? target_column + columns : target_column;
  CLEW_CHECK(at >= 0 && at < columns, IndexError, "csv_rows: expected target_column within ", columns,
             " columns, got ", target_column, " (", path.string(), ")");
  const TensorList others{narrow(table, 1, 0, at), narrow(table, 1, at + 1, columns - at - 1)};
  return TensorDataset(cat(others, 1), select(table, 1, at).contiguous());
}

TensorDataset idx_images(const std::filesystem::path& images, const std::filesystem::path& labels) {
  const Tensor pixels = read_idx(images), classes = read_idx(labels);
  CLEW_CHECK(pixels.dtype() == kUInt8 && pixels.dim() == 3, FileFormatError,
             "idx_images: expected uint8 images of shape (N, H, W), got ", pixels.dtype(), " ",
             pixels.sizes(), " (", images.string(), ")");
  CLEW_CHECK(classes.dtype() == kUInt8 && classes.dim() == 1 && classes.size(0) == pixels.size(0),
             FileFormatError, "idx_images: expected ", pixels.size(0), " uint8 labels, got ", classes.dtype(),
             " ", classes.sizes(), " (", labels.string(), ")");
  return TensorDataset(unsqueeze(pixels.to(kFloat) / 255.0, 1), classes.to(kInt64));
}

}  // namespace clew::data
