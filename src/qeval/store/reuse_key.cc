#include <array>

#include "qeval/store/exact_json.h"
#include "qeval/store/store.h"
#include "qeval/util/hash.h"

namespace qeval {
namespace {

// Raise it when equal requests no longer mean equal answers: everything stored is then asked again.
constexpr int kKeyVersion = 1;

// How the engine is reached or called, not what it computes.
constexpr std::array kLeftOut = {"preset", "base_url",  "base_urls",         "api_key", "headers",
                                 "proxy",  "timeout_s", "connect_timeout_s", "retries", "max_pending"};

Json without_connection(const Json& identity) {
  if (!identity.is_object()) return identity;
  Json out = identity;
  for (const char* key : kLeftOut) out.erase(key);
  return out;
}

}  // namespace

std::string reuse_key(const Request& request, const Json& weights_identity, const Json& engine_identity) {
  Json engine = without_connection(engine_identity);
  if (engine.is_object() && engine.contains("settings")) engine["settings"] = without_connection(engine["settings"]);
  Json all = {{"key_version", kKeyVersion},
              {"request", request_identity(request)},
              {"weights", weights_identity},
              {"engine", std::move(engine)}};
  return sha256_hex(canonical_json(escape_json(all)));
}

}  // namespace qeval
