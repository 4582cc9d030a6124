#include <fmt/format.h>

#include "qeval/store/rows.h"

namespace qeval {
namespace {

Error missing(Database& db, const char* table, int64_t id) {
  return {ErrorKind::bad_input, fmt::format("{}: {} {} is missing; `qeval store check --store {}` lists all damage",
                                            db.path(), table, id, db.path())};
}

}  // namespace

Result<PreparedText> load_text(Database& db, int64_t id) {
  QEVAL_CHECK(read_text(db, id).map([](const std::string&) {}));
  Query query(db, "SELECT hash, codec, n_bytes, content FROM texts WHERE id = ?", id);
  if (!query.step()) return fail(missing(db, "text", id));
  return PreparedText{query.text(0), {static_cast<TextCodec>(query.integer(1)), query.text(3), query.integer(2)}};
}

Result<PreparedRequest> load_request(Database& db, int64_t id) {
  PreparedRequest out;
  int64_t prompt = 0, settings = 0;
  {
    Query query(db, "SELECT hash, kind, prompt_kind, prompt, continuation, settings, repeat FROM requests WHERE id = ?",
                id);
    if (!query.step()) return fail(missing(db, "request", id));
    out.hash = query.text(0);
    out.kind = static_cast<RequestKind>(query.integer(1));
    out.prompt_kind = static_cast<PromptKind>(query.integer(2));
    prompt = query.integer(3);
    out.continuation = query.text(4);
    settings = query.integer(5);
    out.repeat = static_cast<int>(query.integer(6));
  }
  QEVAL_TRY(out.prompt, load_text(db, prompt));
  QEVAL_TRY(out.settings, load_text(db, settings));
  return out;
}

Result<LoadedResponse> load_response(Database& db, int64_t id) {
  QEVAL_TRY(StoredResponse stored, read_response(db, id));
  LoadedResponse out;
  out.run = stored.decoded_in;
  out.prepared.key = prepare_key(stored.key);
  out.prepared.response = std::move(stored.response);
  out.prepared.response.text.clear();
  out.prepared.response.token_logprobs.clear();
  int64_t request = 0, text = 0;
  {
    Query query(db, "SELECT request, text, token_logprobs, created_ms FROM responses WHERE id = ?", id);
    if (!query.step()) return fail(missing(db, "response", id));
    request = query.integer(0);
    text = query.integer(1);
    out.prepared.token_logprobs = query.text(2);
    out.prepared.created_ms = query.integer(3);
  }
  QEVAL_TRY(out.prepared.request, load_request(db, request));
  if (text != 0) {
    QEVAL_TRY(out.prepared.text, load_text(db, text));
  }
  return out;
}

}  // namespace qeval
