"""Verdicts of lm-eval's IFEval checks on texts written here, over the small models of the fixtures.

python3 make_ifeval_cases.py   (needs: pip install lm_eval==0.4.13 nltk langdetect immutabledict; writes ifeval.json)
"""
import json
import pathlib
import sys

HERE = pathlib.Path(__file__).parent
FIXTURE = HERE.parents[2] / "reference" / "fixtures" / "ifeval"

import langdetect
import nltk
from langdetect.detector_factory import DetectorFactory
from nltk.tokenize.destructive import NLTKWordTokenizer
from nltk.tokenize.punkt import PunktParameters, PunktSentenceTokenizer

nltk.data.find = lambda *a, **k: ""
import importlib.util
import types

# The package's folder alone: importing lm_eval itself wants PyTorch.
ROOT = pathlib.Path(importlib.util.find_spec("lm_eval").origin).parent
for name, folder in (("lm_eval", ROOT), ("lm_eval.tasks", ROOT / "tasks"), ("lm_eval.tasks.ifeval", ROOT / "tasks" / "ifeval")):
    module = types.ModuleType(name)
    module.__path__ = [str(folder)]
    sys.modules[name] = module
from lm_eval.tasks.ifeval import instructions_registry, instructions_util


def punkt():
    folder, params = FIXTURE / "punkt" / "english", PunktParameters()
    params.abbrev_types = set((folder / "abbrev_types.txt").read_text().split("\n")) - {""}
    params.sent_starters = set((folder / "sent_starters.txt").read_text().split("\n")) - {""}
    params.collocations = {tuple(x.split("\t")) for x in (folder / "collocations.tab").read_text().split("\n") if x}
    for line in filter(None, (folder / "ortho_context.tab").read_text().split("\n")):
        word, flags = line.split("\t")
        params.ortho_context[word] = int(flags)
    return PunktSentenceTokenizer(params)


FACTORY = DetectorFactory()
FACTORY.set_seed(0)
FACTORY.load_json_profile([(FIXTURE / "langdetect/profiles" / n).read_text() for n in sorted(p.name for p in (FIXTURE / "langdetect/profiles").iterdir())])


def detect(text):
    detector = FACTORY.create()
    detector.append(text)
    return detector.detect()


SPLITTER = punkt()
langdetect.detect = detect
instructions_util._get_sentence_tokenizer = lambda: SPLITTER
instructions_util.nltk.word_tokenize = lambda text: [w for s in SPLITTER.tokenize(text) for w in NLTKWordTokenizer().tokenize(s)]

EN = "the old harbour lies quiet in the morning when the boats have left"
CASES = [
    ("keywords:existence", {"keywords": ["harbour", "Boat"]}, ["The boats left the HARBOUR.", "Only boats.", "harbourboat"]),
    ("keywords:frequency", {"keyword": " boat ", "frequency": 2, "relation": "at least"}, ["boat BOAT", "boats boat boat", "boat"]),
    ("keywords:frequency", {"keyword": "boat", "frequency": 2, "relation": "less than"}, ["boat", "boat boat", "none"]),
    ("keywords:forbidden_words", {"forbidden_words": ["boat", "sea"]}, ["boats and seas", "a boat", "The SEA.", "sea-side", "nothing"]),
    ("keywords:letter_frequency", {"letter": "Q", "let_frequency": 3, "let_relation": "at least"}, ["qQq", "qq", "quack Quick queue"]),
    ("keywords:letter_frequency", {"letter": "a", "let_frequency": 2, "let_relation": "less than"}, ["a", "Aa", "zzz"]),
    ("language:response_language", {"language": "de"}, ["Die Kinder spielen zwischen den Häusern.", EN, "12345", "!!!"]),
    ("language:response_language", {"language": "hi"}, ["वह उनमें से हर एक को जानती है", EN]),
    ("length_constraints:number_sentences", {"num_sentences": 3, "relation": "at least"}, ["One. Two. Three.", "Dr. Smith came. He left.", "A! B? C.", "one"]),
    ("length_constraints:number_sentences", {"num_sentences": 2, "relation": "less than"}, ["One only.", "One. Two.", "At 5 p.m. he left."]),
    ("length_constraints:number_paragraphs", {"num_paragraphs": 2}, ["a\n***\nb", "a *** b", "***a***b***", "a", "a\n***\n***\nb", "a***b***c", "a******b", " ***\n a *** b \n***"]),
    ("length_constraints:number_words", {"num_words": 4, "relation": "at least"}, ["one two three four", "one-two three's", "eins zwei drei", "a_b c1 d é", "日 本 語 x"]),
    ("length_constraints:number_words", {"num_words": 3, "relation": "less than"}, ["one two", "one two three", "don't"]),
    ("length_constraints:nth_paragraph_first_word", {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "Boats"},
     ["First one.\n\nBoats leave.", "First.\n\n\"boats' are", "First.\n\nThe boats", "First.\n\nboats.\n\nThird", "Boats", "a\n\n\n\nboats", "a\n\n\n\n\n\nboats go", "x\n\nboats, and"]),
    ("detectable_content:number_placeholders", {"num_placeholders": 2}, ["[a] and [b]", "[a]", "[[a]]", "[a\n] [b]", "[] []", "[a][b"]),
    ("detectable_content:postscript", {"postscript_marker": "P.S."}, ["Text.\nP.S. more", "text p. s. x", "p.p.s", "PS: no", "p.s.", "P.S"]),
    ("detectable_content:postscript", {"postscript_marker": "P.P.S"}, ["P.P.S more", "p. p. s", "P.S. more", "p.p.s."]),
    ("detectable_content:postscript", {"postscript_marker": "Note:"}, ["a\nnote: b", "NOTE: x", "not"]),
    ("detectable_format:number_bullet_lists", {"num_bullets": 2}, ["* a\n* b", "- a\n- b", "* a\n- b", "* a", "*a\n\n *b", "** a\n* b\n* c", "*\n* b", "\n\n* a\n\n\n* b\n", "* a * b\n--\n", "text\n* a\n  - b", "*\n", "* a\n\u00a0* b", "*\n*\n*a"]),
    ("detectable_format:constrained_response", {}, ["I think: My answer is yes. Sure.", "My answer is yes", "My answer is maybe."]),
    ("detectable_format:number_highlighted_sections", {"num_highlights": 2}, ["*a* and *b*", "**a** b", "*a*", "* * *a* **b**", "***a***", "*a\nb* *c*", "** ** **x**", "*a**b*", "****", "*a* **b"]),
    ("detectable_format:multiple_sections", {"section_spliter": "SECTION", "num_sections": 2}, ["SECTION 1\na\nSECTION 2\nb", "SECTION 1", "Section 1 Section 2", "SECTION1 SECTION2", "SECTION A SECTION B"]),
    ("detectable_format:json_format", {}, ["{\"a\": 1}", "```json\n{\"a\": [1, 2]}\n```", "```\n[]\n```", "{'a': 1}", "Here: {\"a\": 1}", "{\"a\": 1", "NaN", "```JSON\n{\"b\": \"x\\ny\"}```", "{\"a\": 1} x", "\"just text\"", "```json```json\n1\n```"]),
    ("detectable_format:title", {}, ["<<A poem>>\nText", "<< >> x", "<A>", "<<A\nB>>", "<<>>", "<<>>>", "a <<b>> c <<d>>", "<<<<>>>>", "<< > >>"]),
    ("combination:two_responses", {}, ["One\n******\nTwo", "One******One", "One", "******One******Two******", "One******\n******Two", "a******b******c", "a *** *** b"]),
    ("combination:repeat_prompt", {"prompt_to_repeat": " Write a Poem. "}, ["write a poem. Roses are red", "Sure! Write a poem.", "Write a poem"]),
    ("startend:end_checker", {"end_phrase": " Is that all? "}, ["Yes. IS THAT ALL?", "\"Yes. Is that all?\"", "Is that all? No.", "Is that all"]),
    ("change_case:capital_word_frequency", {"capital_frequency": 2, "capital_relation": "at least"}, ["THE old HARBOUR", "The Old", "NASA's I A.", "I'M U.S.", "A-B c", "ÄÖ 12 X1", "DON'T"]),
    ("change_case:capital_word_frequency", {"capital_frequency": 2, "capital_relation": "less than"}, ["one WORD", "TWO WORDS", "none"]),
    ("change_case:english_capital", {}, ["THE MEN COME BACK AND TELL WHAT THEY HAVE SEEN", "The men come back", "DIE KINDER SPIELEN ZWISCHEN DEN HÄUSERN UND WARTEN", "123", "THERE IS ALWAYS SOMETHING NEW THAT NOBODY WOULD HAVE THOUGHT OF"]),
    ("change_case:english_lowercase", {}, ["the men come back and tell what they have seen", "The men come back", "die kinder spielen zwischen den häusern", "123", "x"]),
    ("punctuation:no_comma", {}, ["No comma here.", "One, two.", "全角，"]),
    ("startend:quotation", {}, ["\"All of it.\"", "\"Half", " \"spaces\" ", "\"", "'single'", "“curly”"]),
]


def main():
    out = []
    for kind, kwargs, texts in CASES:
        for text in texts:
            instruction = instructions_registry.INSTRUCTION_DICT[kind](kind)
            instruction.build_description(**{k: v for k, v in kwargs.items() if v})
            follows = bool(text.strip() and instruction.check_following(text))
            out.append({"id": kind, "kwargs": kwargs, "text": text, "follows": follows})
    kinds = {k: {c["follows"] for c in out if c["id"] == k} for k in instructions_registry.INSTRUCTION_DICT}
    short = [k for k, v in kinds.items() if len(v) < 2]
    if short:
        sys.exit(f"no passing or no failing text for {short}")
    (HERE / "ifeval.json").write_text(json.dumps(out, ensure_ascii=False, indent=0))
    print(len(out), "cases")


main()
