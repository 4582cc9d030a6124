#include "qeval/store/codec.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <zstd.h>

#include <bit>
#include <cmath>
#include <memory>
#include <new>

namespace qeval {
namespace {

constexpr int kZstdLevel = 3;

void append_le(std::string* out, uint64_t value, int n_bytes) {
  for (int i = 0; i < n_bytes; ++i) out->push_back(static_cast<char>(value >> (8 * i)));
}

uint64_t read_le(const char* bytes, int n_bytes) {
  uint64_t value = 0;
  for (int i = 0; i < n_bytes; ++i) value |= static_cast<uint64_t>(static_cast<unsigned char>(bytes[i])) << (8 * i);
  return value;
}

}  // namespace

Result<PackedText> pack_text(std::string_view text) {
  if (text.size() > kMaxTextBytes)
    return bad_input(
        fmt::format("a text of {} bytes is too long to be stored (at most {})", text.size(), kMaxTextBytes));
  PackedText out;
  out.n_bytes = static_cast<int64_t>(text.size());
  if (text.size() >= kCompressFrom) {
    thread_local std::unique_ptr<ZSTD_CCtx, size_t (*)(ZSTD_CCtx*)> context(ZSTD_createCCtx(), ZSTD_freeCCtx);
    std::string buffer(ZSTD_compressBound(text.size()), '\0');
    size_t n = ZSTD_compressCCtx(context.get(), buffer.data(), buffer.size(), text.data(), text.size(), kZstdLevel);
    if (!ZSTD_isError(n) && n < text.size()) {
      buffer.resize(n);
      out.codec = TextCodec::zstd;
      out.bytes = std::move(buffer);
      return out;
    }
  }
  out.bytes = text;
  return out;
}

Result<std::string> unpack_text(TextCodec codec, std::string_view bytes, int64_t n_bytes) {
  if (n_bytes < 0 || n_bytes > static_cast<int64_t>(kMaxTextBytes))
    return bad_input("stored text has an impossible length");
  if (codec == TextCodec::raw) {
    if (static_cast<int64_t>(bytes.size()) != n_bytes) return bad_input("stored text has lost its end");
    return std::string(bytes);
  }
  if (codec != TextCodec::zstd)
    return bad_input(fmt::format("stored text has unknown codec {}", static_cast<int>(codec)));
  if (ZSTD_getFrameContentSize(bytes.data(), bytes.size()) != static_cast<unsigned long long>(n_bytes))
    return bad_input("stored text is damaged (compressed length)");
  try {
    std::string out(static_cast<size_t>(n_bytes), '\0');
    size_t n = ZSTD_decompress(out.data(), out.size(), bytes.data(), bytes.size());
    if (ZSTD_isError(n)) return bad_input(fmt::format("stored text is damaged ({})", ZSTD_getErrorName(n)));
    if (n != out.size()) return bad_input("stored text is damaged (length)");
    return out;
  } catch (const std::bad_alloc&) {
    return fail(ErrorKind::environment, fmt::format("no memory for a stored text of {} bytes", n_bytes));
  }
}

Result<std::string> pack_column(std::string_view text) {
  QEVAL_TRY(PackedText packed, pack_text(text));
  packed.bytes.insert(packed.bytes.begin(), static_cast<char>(packed.codec));
  return std::move(packed.bytes);
}

Result<std::string> unpack_column(std::string_view bytes) {
  if (bytes.empty()) return bad_input("stored column is empty");
  auto codec = static_cast<TextCodec>(bytes[0]);
  bytes.remove_prefix(1);
  auto n_bytes = static_cast<int64_t>(bytes.size());
  if (codec == TextCodec::zstd) {
    unsigned long long size = ZSTD_getFrameContentSize(bytes.data(), bytes.size());
    if (size > kMaxTextBytes) return bad_input("stored column is damaged");
    n_bytes = static_cast<int64_t>(size);
  }
  return unpack_text(codec, bytes, n_bytes);
}

std::string sha256_raw(std::string_view bytes) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_Digest(bytes.data(), bytes.size(), digest, &size, EVP_sha256(), nullptr);
  return std::string(reinterpret_cast<char*>(digest), size);
}

std::string pack_doubles(const std::array<double, 4>& values) {
  std::string out;
  for (double value : values) append_le(&out, std::bit_cast<uint64_t>(value), 8);
  return out;
}

bool unpack_doubles(std::string_view bytes, std::array<double, 4>* values) {
  if (bytes.size() != 8 * values->size()) return false;
  for (size_t i = 0; i < values->size(); ++i) (*values)[i] = std::bit_cast<double>(read_le(bytes.data() + 8 * i, 8));
  return true;
}

bool survives_sql(double value) { return !std::isnan(value) && !(value == 0 && std::signbit(value)); }

std::string pack_tokens(const std::vector<TokenId>& tokens) {
  std::string out;
  out.reserve(tokens.size() * 4);
  for (TokenId token : tokens) append_le(&out, static_cast<uint32_t>(token), 4);
  return out;
}

Result<std::vector<TokenId>> unpack_tokens(std::string_view bytes) {
  if (bytes.size() % 4 != 0) return bad_input("stored token list is damaged");
  std::vector<TokenId> out(bytes.size() / 4);
  for (size_t i = 0; i < out.size(); ++i)
    out[i] = static_cast<TokenId>(static_cast<uint32_t>(read_le(bytes.data() + 4 * i, 4)));
  return out;
}

std::string pack_logprobs(const std::vector<TokenLogprob>& logprobs) {
  std::string out;
  out.reserve(logprobs.size() * 12);
  for (const TokenLogprob& item : logprobs) {
    append_le(&out, static_cast<uint32_t>(item.token), 4);
    append_le(&out, std::bit_cast<uint64_t>(item.logprob_nats), 8);
  }
  return out;
}

Result<std::vector<TokenLogprob>> unpack_logprobs(std::string_view bytes) {
  if (bytes.size() % 12 != 0) return bad_input("stored token log-probabilities are damaged");
  std::vector<TokenLogprob> out(bytes.size() / 12);
  for (size_t i = 0; i < out.size(); ++i) {
    out[i].token = static_cast<TokenId>(static_cast<uint32_t>(read_le(bytes.data() + 12 * i, 4)));
    out[i].logprob_nats = std::bit_cast<double>(read_le(bytes.data() + 12 * i + 4, 8));
  }
  return out;
}

}  // namespace qeval
