#include "qeval/store/rows.h"

#include <fmt/format.h>

#include "qeval/store/exact_json.h"
#include "qeval/util/clock.h"

namespace qeval {
namespace {

Error damaged(Database& db, const char* table, int64_t id, const std::string& what) {
  return {ErrorKind::bad_input,
          fmt::format("{}: {} {} is damaged: {}; `qeval store check` lists all damage", db.path(), table, id, what)};
}

Json sampling_json(const Sampling& s) {
  return {{"temperature", s.temperature},
          {"top_p", s.top_p},
          {"top_k", s.top_k},
          {"min_p", s.min_p},
          {"repetition_penalty", s.repetition_penalty},
          {"presence_penalty", s.presence_penalty},
          {"frequency_penalty", s.frequency_penalty},
          {"seed", s.seed}};
}

Sampling sampling_from(const Json& json) {
  Sampling s;
  s.temperature = json_number(json, "temperature", s.temperature);
  s.top_p = json_number(json, "top_p", s.top_p);
  s.top_k = static_cast<int>(json_int(json, "top_k", s.top_k));
  s.min_p = json_number(json, "min_p", s.min_p);
  s.repetition_penalty = json_number(json, "repetition_penalty", s.repetition_penalty);
  s.presence_penalty = json_number(json, "presence_penalty", s.presence_penalty);
  s.frequency_penalty = json_number(json, "frequency_penalty", s.frequency_penalty);
  if (auto it = json.find("seed"); it != json.end() && it->is_number_integer()) s.seed = it->get<uint64_t>();
  return s;
}

std::string settings_text(const Request& request) {
  return encode_json({{"max_new_tokens", request.max_new_tokens},
                      {"until", request.until},
                      {"sampling", sampling_json(request.sampling)},
                      {"want_token_logprobs", request.want_token_logprobs},
                      {"json_schema", request.json_schema}});
}

Status read_settings(const std::string& text, Request* request) {
  QEVAL_TRY(Json json, decode_json(text));
  request->max_new_tokens = static_cast<int>(json_int(json, "max_new_tokens", request->max_new_tokens));
  if (auto it = json.find("until"); it != json.end() && it->is_array())
    for (const Json& item : *it)
      if (item.is_string()) request->until.push_back(item.get<std::string>());
  if (auto it = json.find("sampling"); it != json.end()) request->sampling = sampling_from(*it);
  request->want_token_logprobs = json_bool(json, "want_token_logprobs");
  request->json_schema = json_string(json, "json_schema");
  return {};
}

std::string chat_text(const ChatPrompt& chat) {
  // Not core's to_json(): that one merges `extra` into the message and could not be read back exactly.
  Json messages = Json::array();
  for (const Message& message : chat.messages)
    messages.push_back({{"role", message.role}, {"content", message.content}, {"extra", message.extra}});
  Json out = {{"messages", std::move(messages)},
              {"tools", chat.tools},
              {"continue_final_message", chat.continue_final_message}};
  out["enable_thinking"] = chat.enable_thinking ? Json(*chat.enable_thinking) : Json(nullptr);
  return encode_json(out);
}

Result<ChatPrompt> read_chat(const std::string& text) {
  QEVAL_TRY(Json json, decode_json(text));
  if (!json.is_object() || !json.contains("messages")) return bad_input("a chat without messages");
  ChatPrompt chat;
  for (const Json& item : json["messages"]) {
    Message message{json_string(item, "role"), json_string(item, "content"), nullptr};
    if (item.is_object() && item.contains("extra")) message.extra = item["extra"];
    chat.messages.push_back(std::move(message));
  }
  if (json.contains("tools")) chat.tools = json["tools"];
  chat.continue_final_message = json_bool(json, "continue_final_message");
  if (auto it = json.find("enable_thinking"); it != json.end() && it->is_boolean())
    chat.enable_thinking = it->get<bool>();
  return chat;
}

Result<Prompt> read_prompt(PromptKind kind, std::string text) {
  switch (kind) {
    case PromptKind::text:
      return Prompt(std::move(text));
    case PromptKind::tokens: {
      QEVAL_TRY(auto tokens, unpack_tokens(text));
      return Prompt(std::move(tokens));
    }
    case PromptKind::chat: {
      QEVAL_TRY(auto chat, read_chat(text));
      return Prompt(std::move(chat));
    }
  }
  return bad_input(fmt::format("unknown kind of prompt {}", static_cast<int>(kind)));
}

// A REAL column takes what it can hold; exact_doubles has all four where one of them cannot.
std::optional<double> sql_double(double value) { return survives_sql(value) ? std::optional(value) : std::nullopt; }

int nibble(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

std::string hex(std::string_view bytes) {
  std::string out;
  for (unsigned char byte : bytes) out += fmt::format("{:02x}", byte);
  return out;
}

}  // namespace

Result<PreparedText> prepare_text(std::string_view text) {
  QEVAL_TRY(PackedText packed, pack_text(text));
  return PreparedText{sha256_raw(text), std::move(packed)};
}

int64_t intern_text(Database& db, const PreparedText& text) {
  {
    Query query(db, "SELECT id FROM texts WHERE hash = ?", Blob{text.hash});
    if (query.step()) return query.integer(0);
  }
  Query(db, "INSERT INTO texts (hash, codec, n_bytes, content) VALUES (?, ?, ?, ?)", Blob{text.hash},
        static_cast<int>(text.packed.codec), text.packed.n_bytes, Blob{text.packed.bytes})
      .run();
  return db.last_insert_id();
}

Result<std::string> read_text(Database& db, int64_t id) {
  Query query(db, "SELECT hash, codec, n_bytes, content FROM texts WHERE id = ?", id);
  if (!query.step()) return fail(damaged(db, "text", id, "it is missing"));
  auto text = unpack_text(static_cast<TextCodec>(query.integer(1)), query.bytes(3), query.integer(2));
  if (!text) return fail(damaged(db, "text", id, text.error().message));
  if (sha256_raw(*text) != query.bytes(0)) return fail(damaged(db, "text", id, "its content does not match its hash"));
  return text;
}

Result<PreparedRequest> prepare_request(const Request& request) {
  PreparedRequest out;
  out.kind = request.kind;
  out.continuation = request.continuation;
  out.repeat = request.repeat;
  if (out.continuation.size() > kMaxTextBytes) return bad_input("a continuation is too long to be stored");
  std::string prompt;
  if (auto* text = std::get_if<std::string>(&request.prompt)) {
    prompt = *text;
  } else if (auto* tokens = std::get_if<std::vector<TokenId>>(&request.prompt)) {
    out.prompt_kind = PromptKind::tokens;
    prompt = pack_tokens(*tokens);
  } else {
    out.prompt_kind = PromptKind::chat;
    prompt = chat_text(std::get<ChatPrompt>(request.prompt));
  }
  QEVAL_TRY(out.prompt, prepare_text(prompt));
  QEVAL_TRY(out.settings, prepare_text(settings_text(request)));
  std::string identity =
      fmt::format("{} {} {} ", static_cast<int>(out.kind), static_cast<int>(out.prompt_kind), out.repeat);
  out.hash = sha256_raw(identity + out.prompt.hash + out.settings.hash + out.continuation);
  return out;
}

int64_t intern_request(Database& db, const PreparedRequest& request) {
  {
    Query query(db, "SELECT id FROM requests WHERE hash = ?", Blob{request.hash});
    if (query.step()) return query.integer(0);
  }
  int64_t prompt = intern_text(db, request.prompt), settings = intern_text(db, request.settings);
  Query(db,
        "INSERT INTO requests (hash, kind, prompt_kind, prompt, continuation, settings, repeat) VALUES (?, ?, ?, ?, ?, "
        "?, ?)",
        Blob{request.hash}, static_cast<int>(request.kind), static_cast<int>(request.prompt_kind), prompt,
        Blob{request.continuation}, settings, request.repeat)
      .run();
  return db.last_insert_id();
}

Result<Request> read_request(Database& db, int64_t id) {
  Request out;
  PromptKind prompt_kind{};
  int64_t prompt_row = 0, settings_row = 0;
  {
    Query query(db, "SELECT kind, prompt_kind, prompt, continuation, settings, repeat FROM requests WHERE id = ?", id);
    if (!query.step()) return fail(damaged(db, "request", id, "it is missing"));
    int64_t kind = query.integer(0);
    if (kind < 1 || kind > 3) return fail(damaged(db, "request", id, fmt::format("unknown kind {}", kind)));
    out.kind = static_cast<RequestKind>(kind);
    prompt_kind = static_cast<PromptKind>(query.integer(1));
    prompt_row = query.integer(2);
    out.continuation = query.text(3);
    settings_row = query.integer(4);
    out.repeat = static_cast<int>(query.integer(5));
  }
  QEVAL_TRY(std::string prompt, read_text(db, prompt_row));
  QEVAL_TRY(std::string settings, read_text(db, settings_row));
  auto parsed = read_prompt(prompt_kind, std::move(prompt));
  if (!parsed) return fail(damaged(db, "request", id, parsed.error().message));
  out.prompt = std::move(*parsed);
  if (auto status = read_settings(settings, &out); !status)
    return fail(damaged(db, "request", id, status.error().message));
  return out;
}

bool is_good(const Response& response) {
  return response.finish != FinishReason::failed && response.finish != FinishReason::cancelled;
}

PreparedKey prepare_key(const std::string& key) {
  if (key.size() != 64) return {key, false};
  std::string bytes;
  for (size_t i = 0; i < key.size(); i += 2) {
    int high = nibble(key[i]), low = nibble(key[i + 1]);
    if (high < 0 || low < 0) return {key, false};
    bytes += static_cast<char>(high * 16 + low);
  }
  return {std::move(bytes), true};
}

Result<PreparedResponse> prepare_response(const std::string& key, const Request& request, const Response& response) {
  PreparedResponse out;
  out.key = prepare_key(key);
  QEVAL_TRY(out.request, prepare_request(request));
  if (!response.text.empty()) {
    QEVAL_TRY(out.text, prepare_text(response.text));
  }
  if (!response.token_logprobs.empty()) {
    QEVAL_TRY(out.token_logprobs, pack_column(pack_logprobs(response.token_logprobs)));
  }
  out.response = response;
  out.response.text.clear();
  out.response.token_logprobs.clear();
  out.created_ms = utc_now_ms();
  return out;
}

int64_t intern_response(Database& db, RunId run, const PreparedResponse& prepared, int64_t request_row) {
  const Response& r = prepared.response;
  bool good = is_good(r);
  BlobOrText key = prepared.key;
  if (good) {
    Query query(db, "SELECT id FROM responses WHERE key = ? AND run = ? AND good = 1", key, run);
    if (query.step()) return query.integer(0);
  }
  auto optional_blob = [](const std::string& bytes) {
    return bytes.empty() ? std::nullopt : std::optional(Blob{bytes});
  };
  std::array<double, 4> doubles = {r.logprob_nats, r.queue_s, r.first_token_s, r.total_s};
  std::string exact;
  for (double value : doubles)
    if (!survives_sql(value)) exact = pack_doubles(doubles);
  std::optional<int64_t> text;
  if (prepared.text) text = intern_text(db, *prepared.text);
  Query(db,
        "INSERT INTO responses (key, run, request, good, created_ms, session_id, finish, failure, failure_message, "
        "text, stop_string, "
        "logprob_nats, is_greedy, n_prompt_tokens, n_cached_tokens, n_new_tokens, token_logprobs, queue_s, "
        "first_token_s, total_s, "
        "exact_doubles, truncated_prompt) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        key, run, request_row, good, prepared.created_ms, static_cast<int64_t>(r.id), static_cast<int>(r.finish),
        static_cast<int>(r.failure), optional_blob(r.failure_message), text, optional_blob(r.stop_string),
        sql_double(r.logprob_nats), r.is_greedy, r.n_prompt_tokens, r.n_cached_tokens, r.n_new_tokens,
        optional_blob(prepared.token_logprobs), sql_double(r.queue_s), sql_double(r.first_token_s),
        sql_double(r.total_s), optional_blob(exact), r.truncated_prompt)
      .run();
  return db.last_insert_id();
}

Result<StoredResponse> read_response(Database& db, int64_t id) {
  StoredResponse out;
  Response& r = out.response;
  int64_t text_row = 0;
  {
    Query query(db,
                "SELECT key, run, session_id, finish, failure, failure_message, text, stop_string, logprob_nats, "
                "is_greedy, n_prompt_tokens, "
                "n_cached_tokens, n_new_tokens, token_logprobs, queue_s, first_token_s, total_s, exact_doubles, "
                "truncated_prompt "
                "FROM responses WHERE id = ?",
                id);
    if (!query.step()) return fail(damaged(db, "response", id, "it is missing"));
    out.key = query.is_blob(0) ? hex(query.bytes(0)) : query.text(0);
    out.decoded_in = query.integer(1);
    r.id = static_cast<RequestId>(query.integer(2));
    int64_t finish = query.integer(3), failure = query.integer(4);
    if (finish < 1 || finish > 6 || failure < 0 || failure > 8)
      return fail(damaged(db, "response", id, "unknown finish reason or failure"));
    r.finish = static_cast<FinishReason>(finish);
    r.failure = static_cast<EngineFailure>(failure);
    r.failure_message = query.text(5);
    text_row = query.integer(6);
    r.stop_string = query.text(7);
    std::array<double, 4> doubles = {query.real(8), query.real(14), query.real(15), query.real(16)};
    if (!query.is_null(17) && !unpack_doubles(query.bytes(17), &doubles))
      return fail(damaged(db, "response", id, "its numbers"));
    r.logprob_nats = doubles[0], r.queue_s = doubles[1], r.first_token_s = doubles[2], r.total_s = doubles[3];
    r.is_greedy = query.integer(9) != 0;
    r.n_prompt_tokens = static_cast<int>(query.integer(10));
    r.n_cached_tokens = static_cast<int>(query.integer(11));
    r.n_new_tokens = static_cast<int>(query.integer(12));
    r.truncated_prompt = query.integer(18) != 0;
    if (!query.is_null(13)) {
      auto bytes = unpack_column(query.bytes(13));
      if (!bytes) return fail(damaged(db, "response", id, bytes.error().message));
      auto logprobs = unpack_logprobs(*bytes);
      if (!logprobs) return fail(damaged(db, "response", id, logprobs.error().message));
      r.token_logprobs = std::move(*logprobs);
    }
  }
  if (text_row != 0) {
    QEVAL_TRY(r.text, read_text(db, text_row));
  }
  return out;
}

std::optional<int64_t> find_response_row(Database& db, const PreparedKey& key, RunId prefer) {
  Query query(db, "SELECT id FROM responses WHERE key = ? AND good = 1 ORDER BY run = ? DESC, id LIMIT 1",
              BlobOrText(key), prefer);
  if (!query.step()) return std::nullopt;
  return query.integer(0);
}

int64_t task_row(Database& db, RunId run, const std::string& task) {
  {
    Query query(db, "SELECT id FROM run_tasks WHERE run = ? AND task = ?", run, task);
    if (query.step()) return query.integer(0);
  }
  Query(db,
        "INSERT INTO run_tasks (run, task, version, config, identity, n_docs, n_docs_total, data_note, done, summary, "
        "updated_ms) "
        "VALUES (?, ?, '', 'null', 'null', 0, 0, '', 0, 'null', ?)",
        run, task, utc_now_ms())
      .run();
  return db.last_insert_id();
}

void ensure_sample(Database& db, int64_t run_task, int64_t doc_id) {
  Query(db, "INSERT INTO samples (run_task, doc_id, doc, attempt) VALUES (?, ?, NULL, 0) ON CONFLICT DO NOTHING",
        run_task, doc_id)
      .run();
}

void link_row(Database& db, int64_t run_task, const RequestRef& ref, int64_t request_row, int64_t response_row,
              bool good) {
  Query(
      db,
      "INSERT INTO asked (run_task, doc_id, position, request, response) VALUES (?, ?, ?, ?, ?) "
      "ON CONFLICT (run_task, doc_id, position) DO UPDATE SET request = excluded.request, response = excluded.response "
      "WHERE ? OR asked.response IS NULL OR (SELECT good FROM responses WHERE id = asked.response) = 0",
      run_task, ref.doc_id, ref.index, request_row, response_row, good)
      .run();
}

}  // namespace qeval
