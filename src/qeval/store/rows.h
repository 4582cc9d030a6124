#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "qeval/core/request.h"
#include "qeval/store/codec.h"
#include "qeval/store/database.h"
#include "qeval/store/store.h"

// Rows of texts, requests, responses and what hangs on them. prepare_* do the costly part (hash, compress, encode) on
// the caller's thread; the others run inside a transaction of the writer, or on a reading connection.
namespace qeval {

struct PreparedText {
  std::string hash;  // 32 bytes
  PackedText packed;
};
Result<PreparedText> prepare_text(std::string_view text);
int64_t intern_text(Database& db, const PreparedText& text);
// Error (bad_input, names the row) where it is damaged.
Result<std::string> read_text(Database& db, int64_t id);

enum class PromptKind { text = 1, tokens = 2, chat = 3 };  // stored; never renumber

struct PreparedRequest {
  std::string hash;  // 32 bytes over everything below
  RequestKind kind = RequestKind::generate;
  PromptKind prompt_kind = PromptKind::text;
  PreparedText prompt, settings;
  std::string continuation;
  int repeat = 0;
};
Result<PreparedRequest> prepare_request(const Request& request);
int64_t intern_request(Database& db, const PreparedRequest& request);
Result<Request> read_request(Database& db, int64_t id);

// A response that answers its request; failed and cancelled ones are asked again.
bool is_good(const Response& response);

// Reuse keys are SHA-256 in hex and stored as 32 bytes; any other text is stored as it is.
struct PreparedKey {
  std::string bytes;
  bool is_hash = false;
  operator BlobOrText() const { return {bytes, is_hash}; }
};
PreparedKey prepare_key(const std::string& key);

struct PreparedResponse {
  PreparedKey key;
  PreparedRequest request;
  Response response;
  std::optional<PreparedText> text;
  std::string token_logprobs;  // packed column, "" = none
  int64_t created_ms = 0;
};
Result<PreparedResponse> prepare_response(const std::string& key, const Request& request, const Response& response);
// Inserts unless the run has a good response with that key; the row that now holds for the run.
int64_t intern_response(Database& db, RunId run, const PreparedResponse& response, int64_t request_row);
// As prepare_* made them, from another store; `run` is that store's number. Texts are checked against their hashes.
Result<PreparedText> load_text(Database& db, int64_t id);
Result<PreparedRequest> load_request(Database& db, int64_t id);
struct LoadedResponse {
  PreparedResponse prepared;
  RunId run = 0;
};
Result<LoadedResponse> load_response(Database& db, int64_t id);

Result<StoredResponse> read_response(Database& db, int64_t id);
std::optional<int64_t> find_response_row(Database& db, const PreparedKey& key, RunId prefer);

// Made empty where absent.
int64_t task_row(Database& db, RunId run, const std::string& task);
void ensure_sample(Database& db, int64_t run_task, int64_t doc_id);
// Points a question at a response; a good response is never replaced by one that is not.
void link_row(Database& db, int64_t run_task, const RequestRef& ref, int64_t request_row, int64_t response_row,
              bool good);

constexpr int kMaxRequestIndex = 65'535;

}  // namespace qeval
