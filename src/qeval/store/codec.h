#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "qeval/core/request.h"
#include "qeval/util/result.h"

// How values lie in columns. Numbers are little-endian; part of the file format (doc/store.md).
namespace qeval {

enum class TextCodec { raw = 0, zstd = 1 };    // stored; never renumber
constexpr size_t kCompressFrom = 256;          // bytes; shorter texts gain nothing
constexpr size_t kMaxTextBytes = 900'000'000;  // SQLite refuses rows over 1,000,000,000 bytes

struct PackedText {
  TextCodec codec = TextCodec::raw;
  std::string bytes;
  int64_t n_bytes = 0;  // of the text
};
// Compressed from kCompressFrom on, where that makes it smaller. Error (bad_input) over kMaxTextBytes.
Result<PackedText> pack_text(std::string_view text);
// Error (bad_input) where the bytes are not what pack_text wrote.
Result<std::string> unpack_text(TextCodec codec, std::string_view bytes, int64_t n_bytes);

// One column: a byte with the codec, then the packed text.
Result<std::string> pack_column(std::string_view text);
Result<std::string> unpack_column(std::string_view bytes);

std::string sha256_raw(std::string_view bytes);  // 32 bytes

std::string pack_doubles(const std::array<double, 4>& values);  // 32 bytes
bool unpack_doubles(std::string_view bytes, std::array<double, 4>* values);
// SQLite turns NaN into NULL and may turn -0.0 into 0.0.
bool survives_sql(double value);

std::string pack_tokens(const std::vector<TokenId>& tokens);  // 4 bytes each
Result<std::vector<TokenId>> unpack_tokens(std::string_view bytes);
std::string pack_logprobs(const std::vector<TokenLogprob>& logprobs);  // 4 + 8 bytes each
Result<std::vector<TokenLogprob>> unpack_logprobs(std::string_view bytes);

}  // namespace qeval
