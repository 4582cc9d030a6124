#include "qeval/scorer/filter.h"

#include <fmt/format.h>

#include <functional>
#include <unordered_map>

#include "qeval/scorer/code_extract.h"
#include "qeval/scorer/filter_steps.h"
#include "qeval/text/python_literal.h"
#include "qeval/text/unicode.h"

namespace qeval {
namespace {

// A text function on each value; others pass unchanged.
class MapText : public FilterFunction {
 public:
  using Function = std::function<std::string(std::string_view, const Sample&)>;
  explicit MapText(Function function) : function_(std::move(function)) {}
  void apply(Filtered& state, const Sample& sample) const override {
    for (Json& value : state.values)
      if (value.is_string()) value = function_(value.get_ref<const std::string&>(), sample);
  }

 private:
  Function function_;
};

class TakeFirst : public FilterFunction {
 public:
  void apply(Filtered& state, const Sample&) const override {
    if (state.values.size() > 1) state.values.erase(state.values.begin() + 1, state.values.end());
    state.single = true;
  }
};

class TakeFirstK : public FilterFunction {
 public:
  explicit TakeFirstK(size_t k) : k_(k) {}
  void apply(Filtered& state, const Sample&) const override {
    if (state.values.size() > k_)
      state.values.erase(state.values.begin() + static_cast<ptrdiff_t>(k_), state.values.end());
  }

 private:
  size_t k_;
};

class MajorityVote : public FilterFunction {
 public:
  void apply(Filtered& state, const Sample&) const override {
    if (state.values.empty()) return;
    std::unordered_map<std::string, size_t> counts;
    for (const Json& value : state.values) ++counts[filtered_text(value)];
    size_t best = 0, best_count = 0;
    for (size_t i = 0; i < state.values.size(); ++i) {
      size_t count = counts[filtered_text(state.values[i])];
      if (count > best_count) best = i, best_count = count;
    }
    state.values = {Json(state.values[best])};
  }
};

class MapValue : public FilterFunction {
 public:
  MapValue(Json mapping, Json fallback) : mapping_(std::move(mapping)), fallback_(std::move(fallback)) {}
  void apply(Filtered& state, const Sample&) const override {
    for (Json& value : state.values) {
      auto it = value.is_string() ? mapping_.find(value.get_ref<const std::string&>()) : mapping_.end();
      value = it == mapping_.end() ? fallback_ : *it;
    }
  }

 private:
  Json mapping_, fallback_;
};

StepResult step(std::shared_ptr<const FilterFunction> made, const StepArguments& arguments) {
  QEVAL_CHECK(arguments.done());
  return made;
}

StepResult make_text_step(const StepArguments& arguments, std::string (*function)(std::string_view)) {
  return step(std::make_shared<MapText>([function](std::string_view text, const Sample&) { return function(text); }),
              arguments);
}

StepResult make_map_step(StepArguments arguments) {
  Json mapping = arguments.any("mapping_dict");
  if (mapping.is_null()) mapping = Json::object();
  if (!mapping.is_object()) return fail(arguments.wrong("mapping_dict", "a mapping"));
  Json fallback = arguments.any("default_value");
  return step(std::make_shared<MapValue>(std::move(mapping), std::move(fallback)), arguments);
}

StepResult make_take_first_k(StepArguments arguments, const TaskSpec& spec) {
  QEVAL_TRY(int64_t k, arguments.integer("k", 0));
  if (k < 1) return fail(arguments.wrong("k", "a whole number of at least 1"));
  if (k > spec.repeats) return fail(arguments.wrong("k", fmt::format("at most {}, the task's repeats", spec.repeats)));
  return step(std::make_shared<TakeFirstK>(static_cast<size_t>(k)), arguments);
}

// Name of the hook without its module; "" where there is none.
std::string hook_name(const Json& value) {
  std::string name = value.is_object()   ? json_string(value, "!function")
                     : value.is_string() ? value.get<std::string>()
                                         : "";
  size_t dot = name.rfind('.');
  return dot == std::string::npos ? name : name.substr(dot + 1);
}

std::string strip_text(std::string_view text) { return py_strip(text); }
// Code hooks that our own python_tests tasks name; the whole answer is what such a task's protocol scores.
StepResult make_custom_step(StepArguments arguments, const TaskSpec& spec) {
  std::string hook = hook_name(arguments.any("filter_fn"));
  bool mbpp = spec.name.find("mbpp") != std::string::npos || spec.dataset_title.find("mbpp") != std::string::npos;
  CodeExtract how = CodeExtract::raw;
  bool prompt = false;
  if (hook == "build_predictions" && !mbpp) {
    prompt = true;
  } else if (hook == "build_predictions_instruct") {
    how = CodeExtract::fence_cut;
    prompt = true;
  } else if (hook == "build_predictions" || hook == "extract_code_blocks") {
    how = CodeExtract::first_fence;
  } else {
    return fail(arguments.wrong("filter_fn",
                                fmt::format("a hook that qeval has: build_predictions, build_predictions_instruct, "
                                            "extract_code_blocks; Python hooks such as '{}' cannot run here",
                                            hook)));
  }
  return step(std::make_shared<MapText>([how, prompt](std::string_view text, const Sample& sample) {
                return (prompt ? json_string(sample.doc, "prompt") : "") + extract_code(how, text);
              }),
              arguments);
}

StepResult make_step(const FilterStep& wanted, const TaskSpec& spec, const std::string& place, std::string& fallback) {
  StepArguments arguments(wanted.arguments, place);
  const std::string& name = wanted.function;
  if (name == "take_first") return step(std::make_shared<TakeFirst>(), arguments);
  if (name == "take_first_k") return make_take_first_k(std::move(arguments), spec);
  if (name == "majority_vote") return step(std::make_shared<MajorityVote>(), arguments);
  if (name == "regex") return make_regex_step(std::move(arguments), fallback);
  if (name == "multi_choice_regex") return make_multi_choice_step(std::move(arguments), fallback);
  if (name == "regex_pos") return make_tag_step(std::move(arguments));
  if (name == "remove_whitespace") return make_text_step(arguments, strip_text);
  if (name == "lowercase") return make_text_step(arguments, py_lower);
  if (name == "uppercase") return make_text_step(arguments, py_upper);
  if (name == "map") return make_map_step(std::move(arguments));
  if (name == "custom") return make_custom_step(std::move(arguments), spec);
  return bad_input(
      fmt::format("{}: filter '{}' is not supported; known: take_first, take_first_k, majority_vote, regex, "
                  "multi_choice_regex, regex_pos, remove_whitespace, lowercase, uppercase, map, custom",
                  place, name));
}

}  // namespace

StepArguments::StepArguments(const Json& arguments, std::string place)
    : left_(arguments.is_object() ? arguments : Json::object()), place_(std::move(place)) {
  left_.erase("function");
}

bool StepArguments::has(const std::string& key) const { return left_.contains(key) && !left_[key].is_null(); }

Json StepArguments::any(const std::string& key) {
  if (!left_.contains(key)) return nullptr;
  Json value = left_[key];
  left_.erase(key);
  return value;
}

Error StepArguments::wrong(const std::string& key, const std::string& expected) const {
  return {ErrorKind::bad_input, fmt::format("{}: {}: expected {}", place_, key, expected)};
}

Result<std::string> StepArguments::text(const std::string& key, const std::string& fallback) {
  Json value = any(key);
  if (value.is_null()) return fallback;
  if (!value.is_string()) return fail(wrong(key, "a text"));
  return value.get<std::string>();
}

Result<int64_t> StepArguments::integer(const std::string& key, int64_t fallback) {
  Json value = any(key);
  if (value.is_null()) return fallback;
  if (!value.is_number_integer()) return fail(wrong(key, "a whole number"));
  return value.get<int64_t>();
}

Result<bool> StepArguments::boolean(const std::string& key, bool fallback) {
  Json value = any(key);
  if (value.is_null()) return fallback;
  if (!value.is_boolean()) return fail(wrong(key, "true or false"));
  return value.get<bool>();
}

Result<std::vector<Regex>> StepArguments::patterns(const std::string& key) {
  Json value = any(key);
  std::vector<Regex> out;
  if (value.is_null()) return out;
  if (!value.is_array()) return fail(wrong(key, "a list of regular expressions"));
  for (const Json& item : value) {
    if (!item.is_string()) return fail(wrong(key, "a list of regular expressions"));
    auto compiled = Regex::compile(item.get<std::string>());
    if (!compiled) return fail(compiled.error().in(fmt::format("{}: {}", place_, key)));
    out.push_back(std::move(*compiled));
  }
  return out;
}

Status StepArguments::done() const {
  if (left_.empty()) return {};
  return bad_input(fmt::format("{}: unknown key '{}'", place_, left_.begin().key()));
}

Result<FilterChain> FilterChain::compile(const FilterPipeline& pipeline, const TaskSpec& spec) {
  FilterChain chain;
  chain.name_ = pipeline.name;
  if (pipeline.steps.empty()) chain.steps_.push_back(std::make_shared<TakeFirst>());
  for (size_t i = 0; i < pipeline.steps.size(); ++i) {
    const FilterStep& wanted = pipeline.steps[i];
    std::string place = fmt::format("{}: filter_list: {}: step {} ({})", spec.file.empty() ? spec.name : spec.file,
                                    pipeline.name, i + 1, wanted.function);
    QEVAL_TRY(auto made, make_step(wanted, spec, place, chain.fallback_));
    chain.steps_.push_back(std::move(made));
  }
  return chain;
}

Filtered FilterChain::apply(const std::vector<std::string>& responses, const Sample& sample) const {
  Filtered state;
  state.values.assign(responses.begin(), responses.end());
  for (const auto& function : steps_) function->apply(state, sample);
  return state;
}

std::string filtered_text(const Json& value) {
  return value.is_string() ? value.get<std::string>() : python_str(value);
}

}  // namespace qeval
