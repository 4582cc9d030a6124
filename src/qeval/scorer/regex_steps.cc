#include <fmt/format.h>
#include <utf8proc.h>

#include <algorithm>
#include <unordered_map>

#include "qeval/scorer/filter_steps.h"
#include "qeval/text/unicode.h"

namespace qeval {
namespace {

constexpr const char* kDefaultPattern = R"(#### (\-?[0-9\.\,]+))";
constexpr const char* kDefaultFallback = "[invalid]";

// The group_select-th match, negative from the end: whole, or its one group, or the first non-empty of several;
// stripped. nullopt: no such match, or all of several groups empty.
Result<std::optional<std::string>> select(const Regex& regex, int64_t group_select, std::string_view text) {
  QEVAL_TRY(auto matches, regex.findall(text));
  int64_t n = static_cast<int64_t>(matches.size());
  int64_t at = group_select < 0 ? n + group_select : group_select;
  if (at < 0 || at >= n) return std::optional<std::string>();
  const std::vector<std::string>& groups = matches[static_cast<size_t>(at)];
  for (const std::string& group : groups)
    if (groups.size() == 1 || !group.empty()) return std::optional<std::string>(py_strip(group));
  return std::optional<std::string>();
}

// As select; a pattern that gives up is noted and counts as no match.
std::optional<std::string> select_or_note(const Regex& regex, int64_t group_select, std::string_view text,
                                          Filtered& state) {
  auto found = select(regex, group_select, text);
  if (found) return *found;
  state.note = "the filter's pattern gave up: " + found.error().message;
  return std::nullopt;
}

const std::string& text_of(const Json& value) {
  static const std::string none;
  return value.is_string() ? value.get_ref<const std::string&>() : none;
}

class RegexStep : public FilterFunction {
 public:
  RegexStep(Regex regex, int64_t group_select, std::string fallback)
      : regex_(std::move(regex)), group_select_(group_select), fallback_(std::move(fallback)) {}

  void apply(Filtered& state, const Sample&) const override {
    for (size_t i = 0; i < state.values.size(); ++i) {
      auto found = select_or_note(regex_, group_select_, text_of(state.values[i]), state);
      if (i == 0) state.fallback = !found || found->empty();
      state.values[i] = found ? *found : fallback_;
    }
  }

 private:
  Regex regex_;
  int64_t group_select_;
  std::string fallback_;
};

// As Python's re.escape: the lengths of its results decide the order of the branches below.
std::string escaped(std::string_view literal) {
  constexpr std::string_view special = "()[]{}?*+-|^$\\.&~# \t\n\r\v\f";
  std::string out;
  for (char c : literal) {
    if (special.find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

std::string without_punctuation(std::string_view text) {
  std::vector<uint32_t> kept;
  for (uint32_t point : code_points(text)) {
    utf8proc_category_t category = utf8proc_category(static_cast<utf8proc_int32_t>(point));
    if (category < UTF8PROC_CATEGORY_PC || category > UTF8PROC_CATEGORY_PO) kept.push_back(point);
  }
  return to_utf8(kept);
}

class MultiChoiceStep : public FilterFunction {
 public:
  struct Options {
    int64_t group_select = 0;
    std::string fallback;
    bool ignore_case = false, ignore_punctuation = false;
    std::vector<Regex> regexes_to_ignore;
  };
  MultiChoiceStep(Regex regex, Options options) : regex_(std::move(regex)), options_(std::move(options)) {}

  void apply(Filtered& state, const Sample& sample) const override {
    Choices choices = prepare(sample);
    for (size_t i = 0; i < state.values.size(); ++i) {
      std::string answer = find(text_of(state.values[i]), choices, state);
      if (i == 0) state.fallback = answer.empty();
      state.values[i] = answer.empty() ? options_.fallback : answer;
    }
  }

 private:
  struct Choices {
    std::unordered_map<std::string, std::string> letter_of_text, letter_of_letter;
    std::optional<Regex> texts, letters;
  };

  std::string simplified(std::string text) const {
    for (const Regex& regex : options_.regexes_to_ignore)
      if (auto rest = regex.sub("", text)) text = std::move(*rest);
    if (options_.ignore_case) text = py_lower(text);
    if (options_.ignore_punctuation) text = without_punctuation(text);
    return text;
  }

  Choices prepare(const Sample& sample) const {
    std::vector<std::string> texts = sample.choices;
    if (auto it = sample.doc.find("choices"); sample.doc.is_object() && it != sample.doc.end() && it->is_array()) {
      texts.clear();
      for (const Json& choice : *it) texts.push_back(filtered_text(choice));
    }
    Choices out;
    std::vector<std::string> patterns;
    std::string letters;
    for (size_t i = 0; i < texts.size() && i < 26; ++i) {
      std::string letter(1, static_cast<char>('A' + i)), shown = "(" + letter + ")";
      std::string text = simplified(py_strip(texts[i]));
      patterns.push_back(escaped(text));
      out.letter_of_text[text] = shown;
      out.letter_of_letter[letter] = shown;
      letters += (letters.empty() ? "" : "|") + letter;
    }
    // Longest first, so that a choice which begins another one cannot shadow it.
    std::stable_sort(patterns.begin(), patterns.end(),
                     [](const std::string& a, const std::string& b) { return n_code_points(a) > n_code_points(b); });
    if (auto regex = Regex::compile(fmt::format("{}", fmt::join(patterns, "|")))) out.texts = std::move(*regex);
    if (auto regex = Regex::compile(R"(:[\s]*()" + letters + ")")) out.letters = std::move(*regex);
    return out;
  }

  std::string find(const std::string& text, const Choices& choices, Filtered& state) const {
    auto direct = select_or_note(regex_, options_.group_select, text, state);
    if (direct && !direct->empty()) return *direct;
    auto named = [&](const std::optional<Regex>& regex, const std::string& subject, const auto& letter_of) {
      auto found = regex ? select_or_note(*regex, options_.group_select, subject, state) : std::nullopt;
      if (!found || found->empty()) return std::string();  // also where an empty choice matches everywhere
      auto it = letter_of.find(*found);
      return it == letter_of.end() ? *found : it->second;
    };
    std::string by_text = named(choices.texts, simplified(text), choices.letter_of_text);
    return !by_text.empty() ? by_text : named(choices.letters, text, choices.letter_of_letter);
  }

  Regex regex_;
  Options options_;
};

class TagStep : public FilterFunction {
 public:
  TagStep(Regex pairs, Json fallback) : pairs_(std::move(pairs)), fallback_(std::move(fallback)) {}
  void apply(Filtered& state, const Sample&) const override {
    for (size_t i = 0; i < state.values.size(); ++i) {
      Json tags = Json::array();
      if (auto matches = pairs_.findall(text_of(state.values[i])))
        for (const auto& match : *matches)
          if (match.size() > 1) tags.push_back(match[1]);
      if (i == 0) state.fallback = tags.empty();
      state.values[i] = tags.empty() ? fallback_ : tags;
    }
  }

 private:
  Regex pairs_;
  Json fallback_;
};

Result<Regex> main_pattern(StepArguments& arguments) {
  QEVAL_TRY(std::string pattern, arguments.text("regex_pattern", kDefaultPattern));
  auto regex = Regex::compile(pattern);
  if (!regex) return fail(regex.error().in(arguments.wrong("regex_pattern", "a Python regular expression").message));
  return regex;
}

}  // namespace

StepResult make_regex_step(StepArguments arguments, std::string& fallback_out) {
  QEVAL_TRY(Regex regex, main_pattern(arguments));
  QEVAL_TRY(int64_t group_select, arguments.integer("group_select", 0));
  QEVAL_TRY(std::string fallback, arguments.text("fallback", kDefaultFallback));
  QEVAL_CHECK(arguments.done());
  fallback_out = fallback;
  return std::make_shared<RegexStep>(std::move(regex), group_select, std::move(fallback));
}

StepResult make_multi_choice_step(StepArguments arguments, std::string& fallback_out) {
  QEVAL_TRY(Regex regex, main_pattern(arguments));
  MultiChoiceStep::Options options;
  QEVAL_TRY(options.group_select, arguments.integer("group_select", 0));
  QEVAL_TRY(options.fallback, arguments.text("fallback", kDefaultFallback));
  QEVAL_TRY(options.ignore_case, arguments.boolean("ignore_case", false));
  QEVAL_TRY(options.ignore_punctuation, arguments.boolean("ignore_punctuation", false));
  QEVAL_TRY(options.regexes_to_ignore, arguments.patterns("regexes_to_ignore"));
  QEVAL_CHECK(arguments.done());
  fallback_out = options.fallback;
  return std::make_shared<MultiChoiceStep>(std::move(regex), std::move(options));
}

StepResult make_tag_step(StepArguments arguments) {
  // lm-eval accepts a pattern and an index here and uses neither.
  QEVAL_CHECK(main_pattern(arguments));
  QEVAL_CHECK(arguments.integer("group_select", 0));
  Json fallback = arguments.any("fallback");
  if (fallback.is_null()) fallback = Json::array({"invalid"});
  QEVAL_CHECK(arguments.done());
  QEVAL_TRY(Regex pairs, Regex::compile(R"(\('([^']*)', '([^']*)'\))"));
  return std::make_shared<TagStep>(std::move(pairs), std::move(fallback));
}

}  // namespace qeval
