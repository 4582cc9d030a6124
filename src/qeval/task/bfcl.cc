#include "qeval/task/bfcl.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "qeval/core/tool_call.h"
#include "qeval/tools/gold_calls.h"

namespace qeval {
namespace {

enum class Language { python, java, javascript };

Language language_of(const std::string& id) {
  if (id.rfind("simple_javascript", 0) == 0) return Language::javascript;
  return id.rfind("simple_java", 0) == 0 ? Language::java : Language::python;
}

void append(Json& schema, const std::string& text) { schema["description"] = json_string(schema, "description") + text; }

const char* hint(Language language) {
  switch (language) {
    case Language::java: return " Note that the provided function is in Java 8 SDK syntax.";
    case Language::javascript: return " Note that the provided function is in JavaScript syntax.";
    default: return " Note that the provided function is in Python 3 syntax.";
  }
}

// json.dumps(value): one line, ", " and ": " between, only ASCII.
std::string one_line(const Json& value) {
  if (value.is_object()) {
    std::string out = "{";
    for (const auto& [key, item] : value.items()) out += (out.size() > 1 ? ", " : "") + Json(key).dump(-1, ' ', true) + ": " + one_line(item);
    return out + "}";
  }
  if (value.is_array()) {
    std::string out = "[";
    for (const Json& item : value) out += (out.size() > 1 ? ", " : "") + one_line(item);
    return out + "]";
  }
  return value.dump(-1, ' ', true, Json::error_handler_t::replace);
}

// A literal of another language is asked for as text; its declared type goes into the description.
void as_literal(Json& property, Language language) {
  std::string type = json_string(property, "type");
  const char* name = language == Language::java ? "Java" : "JavaScript";
  if (type == "any") append(property, fmt::format(" This parameter can be of any type of {} object in string representation.", name));
  else append(property, fmt::format(" This is {} {} type parameter in string representation.", name, type));
  bool list = language == Language::java ? type == "ArrayList" || type == "Array" : type == "array";
  if (list) {
    append(property, fmt::format(" The list elements are of type {}; they are not in string representation.",
                                 property.contains("items") ? json_string(property["items"], "type") : ""));
    property.erase("items");
  }
  if (language == Language::javascript && type == "dict" && property.contains("properties")) {
    append(property, " The dictionary entries have the following schema; they are not in string representation. " + one_line(property["properties"]));
    property.erase("properties");
  }
  property["type"] = "string";
}

std::string schema_type(const std::string& type) {
  static const std::map<std::string, std::string> names = {
      {"integer", "integer"}, {"number", "number"}, {"float", "number"}, {"string", "string"}, {"boolean", "boolean"},
      {"bool", "boolean"}, {"array", "array"}, {"list", "array"}, {"dict", "object"}, {"object", "object"}, {"tuple", "array"},
      {"any", "string"}, {"byte", "integer"}, {"short", "integer"}, {"long", "integer"}, {"double", "number"}, {"char", "string"},
      {"ArrayList", "array"}, {"Array", "array"}, {"HashMap", "object"}, {"Hashtable", "object"}, {"Queue", "array"},
      {"Stack", "array"}, {"Any", "string"}, {"String", "string"}, {"Bigint", "integer"}};
  auto it = names.find(type);
  return it == names.end() ? "string" : it->second;
}

void properties_to_json_schema(Json& properties);
void items_to_json_schema(Json& items);

void to_json_schema(Json& property) {
  if (!property.is_object()) return;
  std::string type = json_string(property, "type");
  if (type == "float") {
    property["format"] = "float";
    append(property, " This is a float type value.");
  }
  property["type"] = schema_type(type);
  if (property["type"] != "array" && property["type"] != "object") return;
  if (property.contains("properties")) properties_to_json_schema(property["properties"]);
  else if (property.contains("items") && property["items"].is_object()) items_to_json_schema(property["items"]);
}

void properties_to_json_schema(Json& properties) {
  if (!properties.is_object()) return;
  for (auto& [name, inner] : properties.items()) to_json_schema(inner);
}

// Of items only the types change, as in the package.
void items_to_json_schema(Json& items) {
  items["type"] = schema_type(json_string(items, "type"));
  if (items["type"] == "array" && items.contains("items") && items["items"].is_object()) items["items"]["type"] = schema_type(json_string(items["items"], "type"));
  else if (items["type"] == "object" && items.contains("properties")) properties_to_json_schema(items["properties"]);
}

Json tool_of(Json doc) {
  std::string name = json_string(doc, "name");
  std::replace(name.begin(), name.end(), '.', '_');
  doc["name"] = name;
  Json& parameters = doc["parameters"];
  parameters["type"] = "object";
  if (parameters.contains("properties"))
    for (auto& [key, property] : parameters["properties"].items()) to_json_schema(property);
  return doc;
}

// A right answer in the model's own syntax; text where no call is due.
std::string gold_text(const Json& doc, Language language) {
  CallLanguage checked = language == Language::java ? CallLanguage::java : language == Language::javascript ? CallLanguage::javascript : CallLanguage::python;
  if (doc.contains("ground_truth") && doc["ground_truth"].is_array()) {
    std::vector<ServerToolCall> calls;
    for (const Call& call : gold_calls(checked, doc["function"], doc["ground_truth"], true)) calls.push_back({"", call.name, dump_json(call.arguments_json())});
    return text_with_tool_calls("", calls);
  }
  bool relevance = json_string(doc, "id").rfind("live_relevance", 0) == 0;
  if (!relevance || doc["function"].empty()) return "None of the functions serves this request.";
  return text_with_tool_calls("", {{"", underscored(json_string(doc["function"][0], "name")), "{}"}});
}

Result<Json> bfcl_doc(size_t index, Json doc) {
  if (!doc.contains("question") || !doc["question"].is_array() || doc["question"].empty() || !doc["question"][0].is_array() || doc["question"][0].empty())
    return bad_input(fmt::format("doc {}: process_docs needs the field 'question', a list of turns", index));
  if (!doc.contains("function") || !doc["function"].is_array()) return bad_input(fmt::format("doc {}: process_docs needs the field 'function', a list", index));
  Language language = language_of(json_string(doc, "id"));
  Json docs = doc["function"], functions = Json::array();
  for (Json& function : docs) {
    if (!function.is_object() || !function.contains("name")) return bad_input(fmt::format("doc {}: a function without a name", index));
    append(function, hint(language));
    if (language != Language::python && function.contains("parameters") && function["parameters"].contains("properties"))
      for (auto& [name, property] : function["parameters"]["properties"].items()) as_literal(property, language);
    functions.push_back(tool_of(function));
  }
  doc["messages"] = doc["question"][0];
  doc["tools"] = tool_list(functions);
  doc["docs"] = std::move(docs);
  doc["gold"] = gold_text(doc, language);
  return doc;
}

Json tools_of(const Json& docs) {
  Json functions = Json::array();
  for (const Json& doc : docs) functions.push_back(tool_of(doc));
  return tool_list(functions);
}

// Takes the doc of this name out of `docs`; null where it is not there.
Json take_doc(Json& docs, const Json& name) {
  for (size_t i = 0; i < docs.size(); ++i) {
    if (docs[i].value("name", Json()) != name) continue;
    Json out = docs[i];
    docs.erase(i);
    return out;
  }
  return nullptr;
}

// Functions that are held back until a turn; as in the package their docs carry no hint of the language.
Json held_back(const Json& missed, Json& docs) {
  Json added = Json::object();
  if (!missed.is_object()) return added;
  for (const auto& [turn, names] : missed.items()) {
    Json later = Json::array();
    for (const Json& name : names)
      if (Json doc = take_doc(docs, name); !doc.is_null()) later.push_back(std::move(doc));
    Json tools = tools_of(later);
    added[turn] = {{"tools", std::move(tools)}, {"docs", std::move(later)}};
  }
  return added;
}

Result<Json> multi_turn_doc(size_t index, Json doc) {
  for (const char* field : {"question", "function", "involved_classes", "ground_truth"})
    if (!doc.contains(field) || !doc[field].is_array()) return bad_input(fmt::format("doc {}: process_docs needs the field '{}', a list", index, field));
  if (!doc.contains("initial_config") || !doc["initial_config"].is_object()) return bad_input(fmt::format("doc {}: process_docs needs the field 'initial_config'", index));
  Json docs = doc["function"];
  for (const Json& function : docs)
    if (!function.is_object() || !function.contains("parameters")) return bad_input(fmt::format("doc {}: a function without parameters", index));
  Json added = held_back(doc.value("missed_function", Json()), docs);
  for (Json& function : docs) append(function, hint(Language::python));
  Json out = {{"id", doc["id"]}, {"turns", doc["question"]}, {"involved_classes", doc["involved_classes"]}, {"initial_config", doc["initial_config"]},
              {"ground_truth", doc["ground_truth"]}, {"tools", tools_of(docs)}};
  out["docs"] = std::move(docs);
  if (!added.empty()) out["added"] = std::move(added);
  return out;
}

}  // namespace

Result<std::vector<Json>> bfcl_multi_turn_docs(std::vector<Json> docs) {
  for (size_t i = 0; i < docs.size(); ++i) {
    QEVAL_TRY(docs[i], multi_turn_doc(i, std::move(docs[i])));
  }
  return docs;
}

Result<std::vector<Json>> bfcl_docs(std::vector<Json> docs) {
  for (size_t i = 0; i < docs.size(); ++i) {
    QEVAL_TRY(docs[i], bfcl_doc(i, std::move(docs[i])));
  }
  return docs;
}

}  // namespace qeval
