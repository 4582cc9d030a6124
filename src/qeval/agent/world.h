#pragma once

#include <optional>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "qeval/util/json.h"

namespace qeval::agent {

// Why a call did nothing. Codes: unknown_tool, invalid_arguments, missing_parameter, unknown_parameter, wrong_type,
// invalid_value (the model's doing); not_found, conflict, not_allowed, unavailable (the world's answer).
struct ToolError {
  std::string code, message;
};
using ToolResult = tl::expected<Json, ToolError>;

struct Tool {
  std::string name, description;
  Json parameters;      // JSON Schema of one object: string, integer, boolean, array of strings, enum, required
  bool writes = false;  // can change the state
  // `arguments` fit the schema. Reads and changes the state only; on error the caller drops what was changed.
  ToolResult (*run)(Json& state, const Json& arguments) = nullptr;
};

// A simulated workplace: tools over a JSON state. Deterministic: no clock, no randomness, no input but the arguments.
struct World {
  std::string name, title;
  std::string policy;  // what the agent is told of its work
  std::vector<Tool> tools;
  const Tool* find(const std::string& tool) const;
};
const std::vector<World>& worlds();
const World* find_world(const std::string& name);

// The OpenAI tool list of a world, without the tools in `hidden`.
Json tool_list(const World& world, const std::vector<std::string>& hidden = {});

struct CallOutcome {
  Json reply;              // what the agent reads: the result, or {"error": {"code", "message"}}
  std::string error_code;  // "" = done
  bool changed = false;    // the state is another one now
  bool ok() const { return error_code.empty(); }
};
// Checks the arguments against the schema, then runs the tool; the state changes on success only. Any JSON is safe.
CallOutcome call_tool(const World& world, const std::string& tool, const Json& arguments, Json& state);
CallOutcome failed_call(const ToolError& error);
// The call itself was wrong, not the world's answer to it.
bool is_invalid_call(const std::string& error_code);

// --- for the worlds' own files
struct Param {
  const char* name;
  const char* type;  // string, integer, boolean, strings
  const char* description;
  bool required = true;
  std::vector<std::string> allowed = {};
};
Json parameters(const std::vector<Param>& params);
tl::unexpected<ToolError> refuse(std::string code, std::string message);
// Text of the model's for a message: one line, at most 60 characters, valid UTF-8.
std::string quote(const std::string& text);
std::string text_of(const Json& arguments, const char* key);
bool has(const Json& object, const std::string& key);
bool contains_ignoring_case(const std::string& text, const std::string& part);
bool is_date(const std::string& text);  // YYYY-MM-DD, an existing day
bool is_time(const std::string& text);  // HH:MM

World files_world();
World office_world();
World shop_world();
World tickets_world();

}  // namespace qeval::agent
