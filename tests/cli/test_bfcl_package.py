"""Our verdicts on function calls against those of the package bfcl-eval: every single-turn case, and mutated answers.

Runs where QEVAL_BFCL_SITE names a folder into which pip installed bfcl-eval (--no-deps), tenacity, filelock,
tree-sitter==0.21.3, tree-sitter-java==0.21.0 and tree-sitter-javascript==0.21.4, or, with QEVAL_TEST_FULL=1, where pip
can install them now. QEVAL_BFCL_SHOW=N prints the first N disagreements.
"""
import copy
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import types
import unittest

DATA = os.environ.get("QEVAL_DATA_DIR", "")
VERDICTS = pathlib.Path(os.environ.get("QEVAL", "qeval")).resolve().parent / "tests" / "call_verdicts"
PACKAGES = ["tenacity", "filelock", "tree-sitter==0.21.3", "tree-sitter-java==0.21.0", "tree-sitter-javascript==0.21.4"]
PYTHON = ["simple_python", "multiple", "parallel", "parallel_multiple", "live_simple", "live_multiple", "live_parallel",
          "live_parallel_multiple"]
OTHER = ["simple_java", "simple_javascript"]
ALONE = ["irrelevance", "live_irrelevance", "live_relevance"]


def site_packages():
    given = os.environ.get("QEVAL_BFCL_SITE")
    if given:
        return given
    if os.environ.get("QEVAL_TEST_FULL") != "1":
        raise unittest.SkipTest("bfcl-eval: set QEVAL_BFCL_SITE, or QEVAL_TEST_FULL=1 to install it with pip")
    folder = tempfile.mkdtemp(prefix="qeval-bfcl-")
    for what in (["--no-deps", "bfcl-eval==2026.3.23"], PACKAGES):
        done = subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--target", folder, *what],
                              capture_output=True, text=True, timeout=600)
        if done.returncode != 0:
            raise unittest.SkipTest("pip cannot install bfcl-eval here: " + done.stderr[-300:])
    return folder


class Package:
    """The package's own checker and decoder, without the model handlers that its imports would pull in."""

    def __init__(self, site):
        sys.path.insert(0, site)
        models = types.ModuleType("bfcl_eval.constants.model_config")
        models.MODEL_CONFIG_MAPPING = {"plain": types.SimpleNamespace(underscore_to_dot=False),
                                       "under": types.SimpleNamespace(underscore_to_dot=True)}
        sys.modules["bfcl_eval.constants.model_config"] = models
        from bfcl_eval.constants.enums import Language, ReturnFormat
        from bfcl_eval.eval_checker.ast_eval.ast_checker import ast_checker
        from bfcl_eval.model_handler import utils
        import bfcl_eval.utils as general
        self.languages = {"python": Language.PYTHON, "java": Language.JAVA, "javascript": Language.JAVASCRIPT}
        self.formats = {"python": ReturnFormat.PYTHON, "java": ReturnFormat.JAVA, "javascript": ReturnFormat.JAVASCRIPT}
        self.ast_checker, self.utils, self.general = ast_checker, utils, general

    def check(self, functions, calls, accepted, language, category, underscored):
        if not self.general.is_function_calling_format_output(calls):
            return False
        return self.ast_checker(functions, calls, accepted, self.languages[language], category,
                                "under" if underscored else "plain")["valid"]

    def decode(self, text, language):
        return self.utils.default_decode_ast_prompting(text, self.formats[language])


def rows(name):
    return [json.loads(line) for line in (pathlib.Path(DATA) / "bfcl" / name).read_text().splitlines() if line.strip()]


def cases(category):
    return list(zip(rows(f"BFCL_v4_{category}.json"), rows(f"BFCL_v4_{category}.answer.json")))


def language_of(category):
    return "java" if category.endswith("java") else "javascript" if category.endswith("javascript") else "python"


def kind_of(category):
    return "parallel" if "parallel" in category else "multiple" if "multiple" in category else "simple"


def gold_value(accepted):
    for value in accepted:
        if value != "":
            return value
    return ""


def gold_dict(value):
    """Accepted dicts hold lists of accepted values; a model writes one of each."""
    if isinstance(value, dict):
        return {k: gold_dict(gold_value(v)) if isinstance(v, list) else v for k, v in value.items() if not (isinstance(v, list) and gold_value(v) == "" and "" in v)}
    if isinstance(value, list):
        return [gold_dict(v) for v in value]
    return value


def gold_calls(accepted):
    out = []
    for call in accepted:
        (name, parameters), = call.items()
        out.append({name: {k: gold_dict(gold_value(v)) for k, v in parameters.items() if not (gold_value(v) == "" and "" in v)}})
    return out


def python_text(calls):
    return "[" + ", ".join(f"{name}({', '.join(f'{k}={v!r}' for k, v in arguments.items())})"
                           for call in calls for name, arguments in call.items()) + "]"


def hermes_text(calls):
    return "\n".join("<tool_call>\n" + json.dumps({"name": name, "arguments": arguments}, ensure_ascii=False) + "\n</tool_call>"
                     for call in calls for name, arguments in call.items())


class Mutator:
    """Changes a right answer in one of the ways that models go wrong, or in ways that must not matter."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def value(self, value):
        r = self.random
        if isinstance(value, bool):
            return r.choice([not value, int(value), str(value), None])
        if isinstance(value, int):
            return r.choice([value + 1, float(value), str(value), bool(value), -value, [value], value * 10 ** 20])
        if isinstance(value, float):
            return r.choice([int(value), value + 0.5, str(value), [value], -value])
        if isinstance(value, str):
            return r.choice([value.upper(), value.lower(), value + ".", value.replace(" ", "_"), value.replace(",", " "), " " + value + " ",
                             value + "é", value.replace("'", '"'), "ſ" + value, value[::-1], value + " x", [value], 5, "", value.title(),
                             value.replace("-", "/"), value + "^*", "İ" + value, {"value": value}])
        if isinstance(value, dict) and value:
            out = dict(value)
            key = r.choice(list(out))
            how = r.randrange(4)
            if how == 0:
                del out[key]
            elif how == 1:
                out["extra"] = 1
            elif how == 2:
                out[key] = self.value(out[key])
            else:
                out = dict(reversed(list(out.items())))
            return out
        if isinstance(value, (list, tuple)) and value:
            out = list(value)
            i = r.randrange(len(out))
            how = r.randrange(6)
            if how == 0:
                out.reverse()
            elif how == 1:
                out.append(out[i])
            elif how == 2:
                del out[i]
            elif how == 3:
                out[i] = self.value(out[i])
            elif how == 4:
                return tuple(out)
            else:
                out[i] = [out[i]]
            return out
        return self.random.choice(["x", 0, [], {}, None])

    def calls(self, calls, functions):
        r = self.random
        calls = copy.deepcopy(calls)
        i = r.randrange(len(calls))
        (name, arguments), = calls[i].items()
        how = r.randrange(10)
        if how < 4 and arguments:
            key = r.choice(list(arguments))
            arguments[key] = self.value(arguments[key])
        elif how == 4 and arguments:
            del arguments[r.choice(list(arguments))]
        elif how == 5:
            properties = r.choice(functions)["parameters"]["properties"]
            arguments[r.choice(list(properties) + ["invented"])] = r.choice([1, "x", None, [1], True])
        elif how == 6:
            calls.insert(r.randrange(len(calls) + 1), copy.deepcopy(r.choice(calls)))
        elif how == 7:
            r.shuffle(calls)
            if len(calls) > 1 and r.random() < 0.5:
                calls.pop()
        elif how == 8:
            calls[i] = {r.choice([f["name"] for f in functions] + [name + "_x", name.upper(), name.replace(".", "_")]): arguments}
        else:
            calls[i] = {name: dict(reversed(list(arguments.items())))}
        return calls

    def text(self, text):
        """What stands around or inside a Python-style answer."""
        r = self.random
        return r.choice([
            lambda: text, lambda: text, lambda: text, lambda: text[1:-1], lambda: "```\n" + text + "\n```", lambda: "`" + text + "`",
            lambda: "```python\n" + text + "\n```", lambda: "Here: " + text, lambda: text + " Done.", lambda: text[:-1], lambda: text[:len(text) // 2],
            lambda: "\n  " + text + "\n", lambda: "'" + text + "'", lambda: text.replace("(", "(1, ", 1), lambda: text.replace("=", " = "),
            lambda: text.replace(", ", ",\n"), lambda: text.replace("(", "( # note\n", 1), lambda: text.replace("True", "true"), lambda: text.replace("'", '"'),
            lambda: text.replace("[", "(", 1)[:-1] + ")", lambda: "[" + text + "]", lambda: text + text, lambda: text.replace("=", "=+", 1),
            lambda: text.replace("=", "=-", 1), lambda: text.replace("=", "=1+", 1), lambda: text.replace("=", "=f", 1), lambda: text.replace("=", "=g(1)+", 1),
            lambda: text.replace(")", ", **{'a': 1})", 1), lambda: text.replace(")", ", *[1])", 1), lambda: text.replace("=", "=x[0] or ", 1),
            lambda: text.replace(")", ", class=1)", 1), lambda: text.replace("=", "=not ", 1), lambda: text.replace("=", "=~", 1), lambda: text.replace("=", "=10**", 1),
        ])()




class BfclPackage(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not DATA or not (pathlib.Path(DATA) / "bfcl").is_dir():
            raise unittest.SkipTest("QEVAL_DATA_DIR has no bfcl folder")
        if not VERDICTS.exists():
            raise unittest.SkipTest(f"{VERDICTS} is not built")
        cls.package = Package(site_packages())

    def ours(self, requests):
        done = subprocess.run([str(VERDICTS)], input="".join(json.dumps(r) + "\n" for r in requests), capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr[-1000:])
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual(len(lines), len(requests))
        return lines

    def theirs(self, category, functions, accepted, text=None, calls=None, underscored=False):
        """(verdict, decoded, what was raised after decoding)"""
        language = language_of(category)
        try:
            decoded = self.package.decode(text, language) if calls is None else calls
        except Exception:
            return False, False, None
        filled = not self.package.general.is_empty_output(decoded)
        try:
            return self.package.check(functions, decoded, accepted, language, category, underscored), filled, None
        except Exception as error:
            return False, filled, error

    def compare(self, asked):
        """asked: (category, functions, accepted, {"text"} or {"calls"}, underscored)"""
        requests = []
        for category, functions, accepted, answer, underscored in asked:
            request = {"functions": functions, "accepted": accepted, "category": kind_of(category), "language": language_of(category), "underscored": underscored}
            if "text" in answer:
                request.update(op="answer", syntax=answer.get("syntax", language_of(category)), text=answer["text"])
            else:
                request.update(op="calls", calls=[{"name": n, "arguments": a} for call in answer["calls"] for n, a in call.items()])
            requests.append(request)
        wrong, n_valid, n_raised = [], 0, 0
        for (category, functions, accepted, answer, underscored), mine in zip(asked, self.ours(requests)):
            valid, decoded, error = self.theirs(category, functions, accepted, answer.get("text"), answer.get("calls"), underscored)
            n_valid += valid
            n_raised += error is not None
            if mine.get("valid") != valid or ("text" in answer and mine.get("decoded") != decoded):
                wrong.append((category, answer, "package:", valid, decoded, repr(error), "ours:", mine))
        for line in wrong[:int(os.environ.get("QEVAL_BFCL_SHOW", "5"))]:
            print(line, file=sys.stderr)
        print(f"{len(asked)} answers, {n_valid} right, {n_raised} on which the package raises, {len(wrong)} disagreements", file=sys.stderr)
        return wrong, n_valid

    def test_every_gold_answer_and_its_empty_twin(self):
        asked = []
        for category in PYTHON:
            for doc, answer in cases(category):
                gold = gold_calls(answer["ground_truth"])
                asked.append((category, doc["function"], answer["ground_truth"], {"text": python_text(gold)}, False))
                asked.append((category, doc["function"], answer["ground_truth"], {"text": ""}, False))
                asked.append((category, doc["function"], answer["ground_truth"], {"text": "I cannot do that."}, False))
        wrong, n_valid = self.compare(asked)
        self.assertEqual(wrong, [])
        self.assertGreater(n_valid, 2300)

    def test_irrelevance_decodes_alike(self):
        asked = []
        texts = ["", "[]", "None of the functions can be used.", "[f(x=1)]", "f()", "[f]", "f(x=1) and g(y=2)", "[f(x=1), g()]", "5", "[[f(x=1)]]"]
        for i, category in enumerate(ALONE):
            for j, doc in enumerate(rows(f"BFCL_v4_{category}.json")):
                accepted = [{"f": {}}]
                asked.append(("simple_python", [{"name": "f", "parameters": {"properties": {}, "required": []}}], accepted, {"text": texts[(i + j) % len(texts)]}, False))
        wrong, _ = self.compare(asked)
        self.assertEqual(wrong, [])

    def test_mutated_answers_as_text(self):
        mutator, asked = Mutator(1), []
        for round_ in range(4):
            for category in PYTHON:
                for doc, answer in cases(category):
                    gold = gold_calls(answer["ground_truth"])
                    calls = mutator.calls(gold, doc["function"])
                    text = mutator.text(python_text(calls)) if round_ % 2 else python_text(calls)
                    asked.append((category, doc["function"], answer["ground_truth"], {"text": text}, False))
        wrong, n_valid = self.compare(asked)
        self.assertGreater(len(asked), 9000)
        self.assertGreater(n_valid, 500)
        self.assertEqual(wrong, [])

    def test_mutated_answers_as_calls(self):
        mutator, asked = Mutator(2), []
        for round_ in range(3):
            for category in PYTHON:
                for doc, answer in cases(category):
                    calls = json.loads(json.dumps(mutator.calls(gold_calls(answer["ground_truth"]), doc["function"])))
                    if round_ == 2:
                        calls = [{n.replace(".", "_"): a} for call in calls for n, a in call.items()]
                    asked.append((category, doc["function"], answer["ground_truth"], {"calls": calls}, round_ == 2))
        wrong, n_valid = self.compare(asked)
        self.assertGreater(n_valid, 500)
        self.assertEqual(wrong, [])

    def test_other_languages(self):
        mutator, asked = Mutator(3), []
        for round_ in range(6):
            for category in OTHER:
                for doc, answer in cases(category):
                    calls = gold_calls(answer["ground_truth"])
                    for call in calls:
                        for arguments in call.values():
                            for key, value in arguments.items():
                                arguments[key] = value if isinstance(value, str) else json.dumps(value)
                    if round_:
                        calls = mutator.calls(calls, doc["function"])
                    asked.append((category, doc["function"], answer["ground_truth"], {"calls": calls}, False))
        wrong, _ = self.compare(asked)
        self.assertEqual(wrong, [])

    def test_docs_are_asked_alike(self):
        from bfcl_eval.constants.enums import ModelStyle
        utils, general = self.package.utils, self.package.general
        for category in PYTHON + OTHER + ALONE:
            docs = rows(f"BFCL_v4_{category}.json")
            for doc, mine in zip(docs, self.ours([{"op": "doc", "doc": d} for d in docs])):
                theirs = copy.deepcopy(doc)
                theirs["function"] = general._func_doc_language_specific_pre_processing(theirs["function"], category)
                self.assertEqual(mine["docs"], theirs["function"], doc["id"])
                messages = utils.system_prompt_pre_processing_chat_model(copy.deepcopy(theirs["question"][0]), theirs["function"], doc["id"])
                self.assertEqual(mine["prompt"], messages[0]["content"], doc["id"])
                tools = utils.convert_to_tool(theirs["function"], utils.GORILLA_TO_OPENAPI, ModelStyle.OPENAI_COMPLETIONS)
                self.assertEqual(mine["tools"], tools, doc["id"])

    def test_multi_turn_docs_are_asked_alike(self):
        from bfcl_eval.constants.default_prompts import DEFAULT_USER_PROMPT_FOR_ADDITIONAL_FUNCTION_PROMPTING
        from bfcl_eval.constants.enums import ModelStyle
        from bfcl_eval.constants.executable_backend_config import MULTI_TURN_FUNC_DOC_FILE_MAPPING
        utils, general = self.package.utils, self.package.general
        to_tools = lambda docs: utils.convert_to_tool(docs, utils.GORILLA_TO_OPENAPI, ModelStyle.OPENAI_COMPLETIONS)
        for category in ["base", "miss_func", "miss_param", "long_context"]:
            docs = [{**doc, **answer} for doc, answer in zip(rows(f"multi_turn/BFCL_v4_multi_turn_{category}.json"), rows(f"multi_turn/BFCL_v4_multi_turn_{category}.answer.json"))]
            for doc in docs:
                doc["function"] = [f for c in doc["involved_classes"] for f in rows(f"multi_turn/func_doc/{MULTI_TURN_FUNC_DOC_FILE_MAPPING[c]}")]
            theirs = general.add_language_specific_hint_to_function_doc(general.populate_test_cases_with_predefined_functions(copy.deepcopy(docs)))
            for doc, mine, their in zip(docs, self.ours([{"op": "turns_doc", "doc": d} for d in docs]), theirs):
                self.assertEqual(mine["docs"], their["function"], doc["id"])
                self.assertEqual(mine["tools"], to_tools(their["function"]), doc["id"])
                messages = utils.system_prompt_pre_processing_chat_model([{"role": "user", "content": "x"}], their["function"], doc["id"])
                self.assertEqual(mine["prompt"], messages[0]["content"], doc["id"])
                self.assertEqual({t: a["docs"] for t, a in mine["added"].items()}, their.get("missed_function", {}), doc["id"])
                for turn, added in mine["added"].items():
                    self.assertEqual(added["tools"], to_tools(their["missed_function"][turn]), doc["id"])
                    self.assertEqual(added["prompt"], DEFAULT_USER_PROMPT_FOR_ADDITIONAL_FUNCTION_PROMPTING.format(functions=their["missed_function"][turn]), doc["id"])


if __name__ == "__main__":
    unittest.main()
