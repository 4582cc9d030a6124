#!/usr/bin/env python3
"""Write golden_filters.json and golden_exact_match.json from the real filters and metrics of lm-evaluation-harness.

Needs: pip install --no-deps lm_eval; pip install numpy sacrebleu more_itertools tqdm scikit-learn
"""
import json
import pathlib
import random

from lm_eval.api import metrics
from lm_eval.filters import extraction, selection, transformation

HERE = pathlib.Path(__file__).parent
FILTERS = {
    "take_first": selection.TakeFirstFilter, "take_first_k": selection.TakeKFilter,
    "majority_vote": selection.MajorityVoteFilter, "regex": extraction.RegexFilter,
    "regex_pos": extraction.POSFilter, "multi_choice_regex": extraction.MultiChoiceRegexFilter,
    "remove_whitespace": extraction.WhitespaceFilter, "lowercase": transformation.LowercaseFilter,
    "uppercase": transformation.UppercaseFilter, "map": transformation.MapFilter,
}
FLEX = {"function": "regex", "group_select": -1, "regex_pattern": r"(-?[$0-9.,]{2,})|(-?[0-9]+)"}
FIRST = {"function": "take_first"}
TEXTS = [
    "", " ", "\n\n", "18", "#### 18", "####18", "#### -1,234.50\n", "She has 5 + 3 = 8 eggs.\n#### 8 eggs", "#### 3\n#### 4",
    "The answer is 18.", "The answer is -$1,200.00. Done.", "the ANSWER is 7", "The answer is 12 apples.\nThe answer is 13.",
    "$18.00", "1,000,000", "costs $5, then 6", "-5", "no number here", "... ,,, ..", "\\boxed{42}", "**42**",
    "The final answer is 72", "The final answer is $1,234.", "The best answer is B", "(B)", "B", " B.", "b", "Answer: (C)",
    "answer is (D) because", "A: B", "I think: C is right", "The capital is Paris.", "Paris and London", "paris", "PARIS!",
    "Guilty of Romance", "Guilty", "Größe: 3", "ΑΣ ς σ", "İstanbul", "日本語の答えは 42 です。", "٣٤ and ४२", "\u00a0padded\u2003",
    "tab\tand\r\ncrlf 9\r\n", "[('dog', 'NOUN'), ('runs', 'VERB')]", "('a', 'DET')", "x" * 300 + " 77", "🙂 8 🙂", "A", "yes",
    "Yes.", "No", "{'k': 1}", "a b  c", "3.14.15", "--4", "1e5", "The answer is: $x = 5$", "final: A) or (A)",
]
DOCS = [
    {"choices": ["Paris", "London", "Guilty", "Guilty of Romance"]},
    {"choices": ["a (b)", "1 + 1", "C++", ""]},
    {"choices": ["Größe", "İstanbul.", "日本語"]},
]
PIPELINES = [
    [FIRST],
    [{"function": "regex"}, FIRST],
    [{"function": "regex", "regex_pattern": r"#### (\-?[0-9\.\,]+)"}, FIRST],
    [{"function": "regex", "regex_pattern": r"The answer is (\-?[0-9\.\,]+)."}, FIRST],
    [FLEX, FIRST],
    [{"function": "regex", "group_select": -1, "regex_pattern": r"The final answer is ((-?[$0-9.,]{2,})|(-?[0-9]+))"}, FIRST],
    [{"function": "regex", "regex_pattern": r"(\d*)"}, FIRST],
    [{"function": "regex", "regex_pattern": r"\w+", "group_select": -2, "fallback": "?"}, FIRST] ,
    [{"function": "regex", "regex_pattern": r"(?i)answer is:?\s*\(?([A-D])\)?"}, FIRST],
    [{"function": "regex", "regex_pattern": r"(?<=answer is )(.*)(?=\.)", "fallback": "[none]"}, FIRST],
    [{"function": "regex", "regex_pattern": r"\((A|B|C|D)\)|\b(A|B|C|D)\b"}, FIRST],
    [{"function": "regex", "regex_pattern": r"(?:x|y)*?(z?)"}, FIRST],
    [{"function": "multi_choice_regex", "regex_pattern": r"(\([A-Z]\))"}, FIRST],
    [{"function": "multi_choice_regex", "group_select": -1, "ignore_case": True, "ignore_punctuation": True,
      "regex_pattern": r"(\([A-Z]\))"}, FIRST],
    [{"function": "multi_choice_regex", "ignore_case": True, "regexes_to_ignore": ["[^a-z ]", "the "],
      "regex_pattern": r"answer is ([A-D])"}, FIRST],
    [{"function": "regex_pos"}, FIRST],
    [{"function": "remove_whitespace"}, FIRST],
    [{"function": "lowercase"}, FIRST],
    [{"function": "uppercase"}, FIRST],
    [{"function": "lowercase"}, {"function": "map", "mapping_dict": {"yes": 1, "no": "0", "a": None}, "default_value": -1}, FIRST],
    [{"function": "map", "mapping_dict": {"A": "x"}}, FIRST],
    [{"function": "remove_whitespace"}, {"function": "majority_vote"}, FIRST],
    [{"function": "take_first_k", "k": 3}, FLEX, {"function": "majority_vote"}, FIRST],
    [{"function": "take_first_k", "k": 2}],
    [FLEX],
]


def run(pipeline, responses, doc):
    state = [list(responses)]
    for step in pipeline:
        arguments = {k: v for k, v in step.items() if k != "function"}
        state = list(FILTERS[step["function"]](**arguments).apply(state, [doc]))
    return state[0]


def filter_cases():
    rng = random.Random(11)
    cases = []
    for pipeline in PIPELINES:
        sizes = 5 if any(s["function"] in ("majority_vote", "take_first_k") for s in pipeline) else 1
        for i, text in enumerate(TEXTS):
            responses = [text] + rng.choices(TEXTS, k=sizes - 1)
            if sizes == 5 and i % 2:
                responses[3] = responses[4] = responses[2]
            doc = DOCS[i % len(DOCS)] if "choice" in pipeline[0]["function"] else DOCS[0]
            try:
                expected = run(pipeline, responses, doc)
            except IndexError:
                continue  # group_select out of range: lm-eval stops, qeval says that nothing was found
            cases.append({"steps": pipeline, "doc": doc, "responses": responses, "expected": expected})
    return cases


EM_OPTIONS = [
    {}, {"ignore_case": True}, {"ignore_punctuation": True}, {"ignore_numbers": True},
    {"ignore_case": True, "ignore_punctuation": True},
    {"ignore_case": True, "ignore_punctuation": False, "regexes_to_ignore": [",", "\\$", "(?s).*#### ", "\\.$"]},
    {"regexes_to_ignore": ["\\b(?:The |the |An |A |The |a |an )", "'s$"], "ignore_case": True, "ignore_punctuation": True},
    {"regexes_to_ignore": ["^\\s+|\\s+$"], "ignore_numbers": True, "ignore_case": True},
    {"regexes_to_ignore": ["(\\d+)\\.0+\\b", "[^\\w]"]},
]
# No text whose lower case is longer: numpy cuts it to the old length, which is its accident and nobody's rule.
EM_PAIRS = [
    ("18", "x\nShe makes 9 * 2 = 18.\n#### 18"), ("18.", "#### 18"), ("$1,234", "a\n#### 1234"), ("1,234.00", "#### 1234"),
    ("[invalid]", "#### 5"), ("", "#### 5"), ("", ""), ("The dog", "dog"), ("a dog's", "Dog"), ("Paris!", "paris"), ("B", "(B)"),
    ("(b)", "B"), ("ΑΣ", "ας"), ("STRASSE", "straße"), ("a1b2", "ab"), ("٣", ""), ("“quoted”", "quoted"),
    ("it’s", "its"), ("a-b_c", "abc"), (" 5 ", "5"), ("5\n", "5"), ("3.0", "3"), ("3.00 m", " m"), ("x\n#### 7\n#### 8", "8"),
    ("Yes", "yes"), ("yes ", "yes"), ("日本", "日本"), ("é", "é"), ("5.", "5"), ("5.\n", "5"), ("5..", "5."),
]


def exact_match_cases():
    cases = []
    for options in EM_OPTIONS:
        for prediction, reference in EM_PAIRS:
            value = metrics.exact_match_hf_evaluate(predictions=[prediction], references=[reference], **options)["exact_match"]
            cases.append({"options": options, "prediction": prediction, "reference": reference, "expected": float(value)})
    return cases


def pair_cases():
    rng = random.Random(3)
    cases = []
    for classes, size in ((2, 5), (2, 100), (2, 4), (3, 60), (4, 200), (1, 3)):
        pairs = [[rng.randrange(classes), rng.randrange(classes)] for _ in range(size)]
        case = {"pairs": pairs, "mcc": float(metrics.matthews_corrcoef(pairs))}
        if classes == 2:
            case["f1"] = float(metrics.f1_score(pairs))
        cases.append(case)
    return cases


def write(name, value):
    (HERE / name).write_text("[\n" + ",\n".join(json.dumps(v, ensure_ascii=False) for v in value) + "\n]\n", encoding="utf-8")


write("golden_filters.json", filter_cases())
write("golden_exact_match.json", exact_match_cases())
write("golden_pairs.json", pair_cases())
