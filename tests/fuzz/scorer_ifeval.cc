// Every check of IFEval decides any text without a fault; what Python's JSON takes, our own reader finds well-formed too.
#include <cstdint>
#include <cstdlib>

#include "qeval/scorer/ifeval_checks.h"
#include "qeval/text/unicode.h"

namespace {

const qeval::IfevalModels& models() {
  static const auto made = [] {
    qeval::PunktFiles files{"dr\nmr\ne.g\n", "bach\tj\n", "the\n", "the\t46\nit\t114\n"};
    std::string en = R"({"freq": {"a": 3, "th": 2, "the": 2, " t": 2}, "n_words": [9, 8, 7], "name": "en"})";
    std::string de = R"({"freq": {"a": 2, "de": 2, "der": 2, " d": 2}, "n_words": [9, 8, 7], "name": "de"})";
    qeval::IfevalModels out;
    out.sentences = *qeval::SentenceSplitter::load(files);
    out.languages = *qeval::LanguageDetector::load({{"en", en}, {"de", de}}, "NGram.KANJI_1_0=\\u4F7C\\u6934\n");
    return out;
  }();
  return made;
}

const qeval::Json& kwargs() {
  static const qeval::Json all = {
      {"keywords", {"a", "b"}}, {"keyword", "a"}, {"frequency", 2}, {"relation", "at least"}, {"forbidden_words", {"a", "c"}},
      {"letter", "a"}, {"let_frequency", 1}, {"let_relation", "less than"}, {"language", "en"}, {"num_sentences", 2},
      {"num_paragraphs", 2}, {"nth_paragraph", 1}, {"first_word", "a"}, {"num_words", 2}, {"num_placeholders", 1},
      {"postscript_marker", "P.S."}, {"num_bullets", 1}, {"num_highlights", 1}, {"section_spliter", "Section"}, {"num_sections", 1},
      {"prompt_to_repeat", "a"}, {"end_phrase", "b"}, {"capital_frequency", 1}, {"capital_relation", "at least"}};
  return all;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 4096) return 0;
  std::string text = qeval::valid_utf8(std::string_view(reinterpret_cast<const char*>(data), size));
  for (const std::string& kind : qeval::ifeval_kinds())
    for (const std::string& variant : qeval::loose_variants(text)) (void)qeval::follows({kind, kwargs()}, variant, models());
  bool ours = qeval::is_python_json(text);
  auto strict = qeval::parse_json(text, 900);
  if (strict && !ours && text.size() < 4000 && text.find("\xef\xbb\xbf") != 0) std::abort();
  return 0;
}
