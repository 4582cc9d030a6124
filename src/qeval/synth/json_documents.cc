#include <fmt/format.h>

#include "qeval/synth/generators.h"

namespace qeval::synth {
namespace {

// Names that need escapes, spaces or more than ASCII; from level 4 on.
const std::vector<std::string>& odd_names() {
  static const std::vector<std::string> names = {"größe", "first name", "naïve", "名前", "price/kg", "a\"b", "back\\slash", "ключ", "with.dot", "émigré"};
  return names;
}
const std::vector<std::string>& odd_texts() {
  static const std::vector<std::string> texts = {"say \"hi\"", "C:\\temp\\new", "café – bar", "東京", "50 % {off}", "it's [here]", "tab\\t is no tab", "Ωmega & <b>", "née \"O'Neil\"", "🙂 ok"};
  return texts;
}

struct Made {
  Json schema, value;
};

class DocumentMaker {
 public:
  DocumentMaker(PyRandom& random, int level) : random_(random), level_(level) {}

  Made object(const std::string& path, int depth) {
    Made out{{{"type", "object"}}, Json::object()};
    Json properties = Json::object(), required = Json::array();
    int n = depth == 0 ? level_ + 2 : 2;
    for (const std::string& name : names(n)) {
      Made field = value(path.empty() ? name : path + " → " + name, depth);
      properties[name] = std::move(field.schema);
      required.push_back(name);
      out.value[name] = std::move(field.value);
    }
    // A property that no fact speaks of stays away.
    if (level_ >= 2 && depth == 0) properties["note_" + random_.choice(words())] = {{"type", "string"}};
    out.schema["properties"] = std::move(properties);
    out.schema["required"] = std::move(required);
    out.schema["additionalProperties"] = false;
    return out;
  }
  const std::string& facts() const { return facts_; }

 private:
  std::vector<std::string> names(int n) {
    std::vector<std::string> out = pick(random_, words(), static_cast<size_t>(n));
    if (level_ >= 4) out[random_.randbelow(out.size())] = random_.choice(odd_names());
    return out;
  }

  void fact(const std::string& path, const std::string& text) { facts_ += fmt::format("- {}: {}\n", path, text); }

  std::string text() { return level_ >= 3 && coin(random_) ? random_.choice(odd_texts()) : random_.choice(people()); }

  Made value(const std::string& path, int depth) {
    int kinds = level_ == 1 ? 4 : level_ == 2 ? 6 : 8;
    switch (between(random_, 0, kinds - 1)) {
      case 0: return leaf(path, text());
      case 1: return whole(path);
      case 2: return half(path);
      case 3: {
        bool yes = coin(random_);
        fact(path, yes ? "true" : "false");
        return {{{"type", "boolean"}}, yes};
      }
      case 4: return choice(path);
      case 5: return list(path);
      case 6: return depth < (level_ >= 5 ? 2 : 1) ? object(path, depth + 1) : choice(path);
      default: return depth < 1 ? objects(path, depth) : list(path);
    }
  }

  Made leaf(const std::string& path, const std::string& chosen) {
    fact(path, "the text ‹" + chosen + "›");
    return {{{"type", "string"}, {"maxLength", 60}}, chosen};
  }

  Made whole(const std::string& path) {
    int low = between(random_, -20, 20), chosen = low + between(random_, 0, 300);
    fact(path, std::to_string(chosen));
    return {{{"type", "integer"}, {"minimum", low}, {"maximum", low + 300}}, chosen};
  }

  Made half(const std::string& path) {
    double chosen = between(random_, 0, 200) + 0.5;
    fact(path, fmt::format("{}", chosen));
    return {{{"type", "number"}}, chosen};
  }

  Made choice(const std::string& path) {
    std::vector<std::string> options = pick(random_, words(), 3);
    if (level_ >= 4) options[0] = random_.choice(odd_texts());
    std::string chosen = random_.choice(options);
    fact(path, "the text ‹" + chosen + "›");
    return {{{"enum", options}}, chosen};
  }

  Made list(const std::string& path) {
    Json items = Json::array();
    bool numbers = coin(random_);
    std::string shown;
    int n = between(random_, 1, level_ + 1);
    for (int i = 0; i < n; ++i) {
      if (i > 0) shown += ", ";
      if (numbers) {
        items.push_back(between(random_, 1, 99));
        shown += items.back().dump();
      } else {
        std::string one = text();
        items.push_back(one);
        shown += "‹" + one + "›";
      }
    }
    fact(path, fmt::format("a list of {} {}: {}", n, numbers ? "numbers" : "texts", shown));
    return {{{"type", "array"}, {"items", {{"type", numbers ? "integer" : "string"}}}, {"minItems", 1}, {"maxItems", 8}}, std::move(items)};
  }

  Made objects(const std::string& path, int depth) {
    Made first = object(path + " → 1", depth + 1);
    Json items = Json::array({first.value});
    return {{{"type", "array"}, {"items", std::move(first.schema)}, {"minItems", 1}, {"maxItems", 4}}, std::move(items)};
  }

  PyRandom& random_;
  int level_;
  std::string facts_;
};

}  // namespace

Json make_json_document(PyRandom& random, int level) {
  DocumentMaker maker(random, level);
  Made made = maker.object("", 0);
  std::string question = "Write one JSON document that is valid against this JSON Schema and holds these facts. Answer with the document alone.\n\n"
                         "JSON Schema:\n" + dump_json(made.schema) + "\n\nFacts:\n" + maker.facts();
  question.pop_back();
  return {{"level", level}, {"question", question}, {"schema", std::move(made.schema)}, {"target", dump_json(made.value)},
          {"messages", Json::array({{{"role", "user"}, {"content", question}}})}};
}

}  // namespace qeval::synth
