"""Multi-turn function calling: our verdicts and results against the package bfcl-eval's own, and the whole way through a
server that plays given trajectories.

Runs where QEVAL_BFCL_PYTHON names a Python (or virtual environment) that has bfcl-eval and mpmath, or, with
QEVAL_TEST_FULL=1, where pip can install them now. QEVAL_BFCL_SHOW=N prints the first N disagreements.
"""
import copy
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

from qeval_test import BINARY, DATA, QevalTest, main
from scripted_server import ScriptedServer

CATEGORIES = ["base", "miss_func", "miss_param", "long_context"]
FOLDER = pathlib.Path(DATA) / "bfcl" / "multi_turn"
VERDICTS = pathlib.Path(BINARY).resolve().parent / "tests" / "call_verdicts"
REFERENCE = pathlib.Path(__file__).resolve().parent.parent / "support" / "bfcl_reference.py"
NO_PYTHON = "/bin/false"


def package_python():
    given = os.environ.get("QEVAL_BFCL_PYTHON")
    if given:
        return given if os.path.isfile(given) else os.path.join(given, "bin", "python3")
    if os.environ.get("QEVAL_TEST_FULL") != "1":
        raise unittest.SkipTest("bfcl-eval: set QEVAL_BFCL_PYTHON, or QEVAL_TEST_FULL=1 to install it with pip")
    folder = tempfile.mkdtemp(prefix="qeval-bfcl-")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    done = subprocess.run([folder + "/bin/pip", "install", "-q", "--no-deps", "bfcl-eval==2026.3.23", "mpmath==1.3.0"], capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        raise unittest.SkipTest("pip cannot install bfcl-eval here: " + done.stderr[-300:])
    return folder + "/bin/python3"


def rows(name):
    return [json.loads(line) for line in (FOLDER / name).read_text().splitlines() if line.strip()]


def cases(category):
    """Documents, each with its answer as data: turns of one step a call, as far as the benchmark's limit lets."""
    import ast
    docs = {}
    for file in (FOLDER / "func_doc").glob("*.json"):
        for line in file.read_text().splitlines():
            doc = json.loads(line)
            docs[(file.stem, doc["name"])] = list(doc["parameters"]["properties"])
    stems = {"GorillaFileSystem": "gorilla_file_system", "MathAPI": "math_api", "MessageAPI": "message_api", "TwitterAPI": "posting_api", "TicketAPI": "ticket_api",
             "TradingBot": "trading_bot", "TravelAPI": "travel_booking", "VehicleControlAPI": "vehicle_control"}
    out = []
    for doc, answer in zip(rows(f"BFCL_v4_multi_turn_{category}.json"), rows(f"BFCL_v4_multi_turn_{category}.answer.json")):
        turns = []
        for turn in answer["ground_truth"]:
            calls = []
            for text in turn:
                node = ast.parse(text, mode="eval").body
                names = next(docs[(stems[c], node.func.id)] for c in doc["involved_classes"] if (stems[c], node.func.id) in docs)
                arguments = {names[i]: ast.literal_eval(v) for i, v in enumerate(node.args)}
                arguments.update((k.arg, ast.literal_eval(k.value)) for k in node.keywords)
                calls.append({"name": node.func.id, "arguments": arguments})
            turns.append([[call] for call in calls[:19]] + ([calls[19:]] if len(calls) > 19 else []))
        out.append({"doc": doc, "accepted": answer["ground_truth"], "turns": turns})
    return out


class Mutator:
    """Changes a right trajectory in ways that models go wrong, or that must not matter."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def value(self, value):
        r = self.random
        if isinstance(value, bool):
            return r.choice([not value, None, "x"])
        if isinstance(value, (int, float)):
            return r.choice([value + 1, float(value), str(value), -value, [value], None])
        if isinstance(value, str):
            return r.choice([value + "x", value.upper(), "", 7, [value], None, "it's \"quoted\" \\ \n é", {"a": value}])
        if isinstance(value, list) and value:
            return r.choice([value[1:], list(reversed(value)), value + value[:1], value[0], {}])
        return r.choice([1, "x", [], {}])

    def turns(self, turns, names):
        r = self.random
        turns = copy.deepcopy(turns)
        filled = [i for i, turn in enumerate(turns) if turn]
        i = r.choice(filled)
        steps, k = turns[i], r.randrange(len(turns[i]))
        call = r.choice(steps[k])
        how = r.randrange(12)
        if how == 0:
            del steps[k]
        elif how == 1:
            r.shuffle(steps)
        elif how == 2:
            steps.insert(r.randrange(len(steps) + 1), copy.deepcopy(steps[k]))
        elif how in (3, 4) and call["arguments"]:
            key = r.choice(list(call["arguments"]))
            call["arguments"][key] = self.value(call["arguments"][key])
        elif how == 5 and call["arguments"]:
            del call["arguments"][r.choice(list(call["arguments"]))]
        elif how == 6:
            call["arguments"][r.choice(["invented", "name", "force"])] = r.choice([1, "x", None])
        elif how == 7:
            call["name"] = r.choice(names + [call["name"] + "_x", call["name"].upper(), "no_such_tool", "Tools." + call["name"], "exit", "a.kill"])
        elif how == 8:
            turns[i] = [[c for step in steps for c in step]]
        elif how == 9:
            turns[i] = []
        elif how == 10 and len(filled) > 1:
            j = r.choice([x for x in filled if x != i])
            turns[j].extend(turns[i])
            turns[i] = [] if r.random() < 0.5 else turns[i][:1]
        else:
            for turn in turns:
                if not turn:
                    turn.append(copy.deepcopy(steps[k]))
        return [[step for step in turn if step][:20] for turn in turns]


class Package(QevalTest):
    @classmethod
    def setUpClass(cls):
        if not DATA or not FOLDER.is_dir():
            raise unittest.SkipTest("QEVAL_DATA_DIR has no bfcl/multi_turn folder")
        cls.python = package_python()
        cls.cases = {category: cases(category) for category in CATEGORIES}

    def ask(self, argv, trajectories, **more):
        lines = "".join(json.dumps({"id": c["doc"]["id"], "initial_config": c["doc"]["initial_config"], "involved_classes": c["doc"]["involved_classes"],
                                    "turns": c["turns"], "accepted": c["accepted"], **more}) + "\n" for c in trajectories)
        # Some of the package's results are printed sets; the sandbox fixes their order, so that a resumed run asks the same.
        done = subprocess.run(argv, input=lines, capture_output=True, text=True, env={**os.environ, "PYTHONHASHSEED": "0"})
        self.assertEqual(done.returncode, 0, done.stderr[-2000:])
        out = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual(len(out), len(trajectories))
        return out

    def reference(self, trajectories):
        return self.ask([self.python, "-B", str(REFERENCE)], trajectories)

    def mutated(self, seed, n_rounds, categories=CATEGORIES, limit=None):
        mutator, out = Mutator(seed), []
        for _ in range(n_rounds):
            for category in categories:
                for case in self.cases[category][:limit]:
                    names = sorted({call["name"] for turn in case["turns"] for step in turn for call in step})
                    out.append({**case, "turns": mutator.turns(case["turns"], names)})
        return out


class Verdicts(Package):
    def setUp(self):
        super().setUp()
        if not VERDICTS.exists():
            self.skipTest(f"{VERDICTS} is not built")

    def compare(self, trajectories):
        theirs = self.reference(trajectories)
        ours = self.ask([str(VERDICTS)], trajectories, op="turns", python=self.python)
        wrong = [(c["doc"]["id"], c["turns"], "package:", t, "ours:", o) for c, t, o in zip(trajectories, theirs, ours)
                 if (o.get("valid"), o.get("error_type"), o.get("results")) != (t["valid"], t["error_type"], t["results"])]
        for line in wrong[:int(os.environ.get("QEVAL_BFCL_SHOW", "3"))]:
            print(line, file=sys.stderr)
        n_valid = sum(t["valid"] for t in theirs)
        kinds = sorted({t["error_type"] for t in theirs})
        print(f"{len(trajectories)} trajectories, {n_valid} right, {kinds}, {len(wrong)} disagreements", file=sys.stderr)
        self.assertEqual(len(wrong), 0)
        return n_valid, kinds

    def test_gold(self):
        gold = [case for category in CATEGORIES for case in self.cases[category]]
        n_valid, _ = self.compare(gold)
        self.assertEqual(n_valid, 800)
        silent = [{**case, "turns": [[] for _ in case["turns"]]} for case in gold]
        n_valid, _ = self.compare(silent)
        self.assertEqual(n_valid, 0)

    def test_mutated(self):
        trajectories = self.mutated(1, 3)
        n_valid, kinds = self.compare(trajectories)
        self.assertGreater(len(trajectories), 2000)
        self.assertGreater(n_valid, 200)
        self.assertLess(n_valid, len(trajectories) - 500)
        self.assertLessEqual({"multi_turn:instance_state_mismatch", "multi_turn:execution_response_mismatch", "multi_turn:empty_turn_model_response"}, set(kinds))

    def test_other_back_ends(self):
        some = [case for category in CATEGORIES for case in self.cases[category][::40]]
        for backend in ("landlock", "namespaces-once"):
            answers = self.ask([str(VERDICTS)], some, op="turns", python=self.python, backend=backend)
            if "error" in answers[0]:
                self.skipTest(f"{backend}: {answers[0]['error']}")
            self.assertEqual([a["valid"] for a in answers], [True] * 20, backend)

    def test_calls_are_data(self):
        """Names that the package would hand to eval(), and texts that it would change, do nothing here."""
        case = self.cases["base"][0]
        forging = ("__import__('bfcl_eval.eval_checker.multi_turn_eval.multi_turn_checker', fromlist=['x']).__dict__"
                   ".update(state_checker=lambda *a: {'valid': True}, response_checker=lambda *a: {'valid': True})")
        forge = {"name": "execute_multi_turn_func_call", "arguments": {"func_call_list": [forging], "initial_config": {}, "involved_classes": [], "model_name": "m", "test_entry_id": "t"}}
        forged = {**case, "turns": [[[forge]] for _ in case["turns"]]}
        self.assertIs(self.reference([forged])[0]["valid"], True, "the package can be talked into it")
        self.assertIs(self.ask([str(VERDICTS)], [forged], op="turns", python=self.python)[0]["valid"], False)
        hostile = [forge, {"name": "__import__", "arguments": {"name": "os"}}, {"name": "CLASS_FILE_PATH_MAPPING.clear", "arguments": {}}, {"name": "print", "arguments": {}},
                   {"name": "__class__", "arguments": {}}, {"name": "_load_scenario", "arguments": {"scenario": {}}}, {"name": "cd(folder='document') or cd", "arguments": {}},
                   {"name": "cd", "arguments": {"folder": "x", "self": 1}}, {"name": "cd", "arguments": {"folder='document') or self.cd(folder": "x"}}, {"name": "", "arguments": {}}]
        silent = [[[call]] for call in hostile[:len(case["turns"])]]
        planted = {**case, "turns": [[[call] for call in hostile]] + silent[1:]}
        answer, = self.ask([str(VERDICTS)], [planted], op="turns", python=self.python)
        self.assertIs(answer["valid"], False)
        self.assertEqual(answer["error_type"], "multi_turn:instance_state_mismatch")
        for step in answer["results"][0]:
            self.assertRegex(step[0], "^Error during execution: ")
        first = copy.deepcopy(case["turns"])
        first[0] = [[{"name": "touch", "arguments": {"file_name": "note"}}, {"name": "echo", "arguments": {"content": "def sort(x): cd (y)", "file_name": "note"}},
                     {"name": "cat", "arguments": {"file_name": "note"}}]]
        answer, = self.ask([str(VERDICTS)], [{**case, "turns": first}], op="turns", python=self.python)
        self.assertEqual(json.loads(answer["results"][0][0][2])["file_content"], "def sort(x): cd (y)")

    def test_a_call_without_an_end_is_the_models_doing(self):
        case = next(c for c in self.cases["base"] if "MathAPI" in c["doc"]["involved_classes"])
        turns = [[[{"name": "power", "arguments": {"base": 7, "exponent": 10 ** 10}}]]] + [[] for _ in case["turns"][1:]]
        answer, = self.ask([str(VERDICTS)], [{**case, "turns": turns}], op="turns", python=self.python)
        self.assertNotIn("error", answer)
        self.assertIs(answer["valid"], False)
        self.assertIn(answer["fault"], ["time_out", "memory_limit", "runtime_error", None])


class Conversations(Package):
    """A server plays trajectories; what comes out must be what the package says of them."""

    def play(self, trajectories, delay=0):
        plans = {}
        for case in trajectories:
            answers = []
            for turn in case["turns"]:
                answers += [("", [(c["name"], c["arguments"]) for c in step]) for step in turn] + [("That is all.", [])]
            plans[case["doc"]["question"][0][0]["content"]] = answers

        def answer(request):
            time.sleep(delay)
            first = next(m["content"] for m in request["messages"] if m["role"] == "user")
            given = sum(m["role"] == "assistant" for m in request["messages"])
            return plans[first][given] if first in plans else None

        server = ScriptedServer(answer)
        self.addCleanup(server.close)
        return server

    def arguments(self, server, category, trajectories, *more):
        ids = [int(c["doc"]["id"].rsplit("_", 1)[1]) for c in trajectories]
        samples = self.write("samples.json", json.dumps({f"bfcl_multi_turn_{category}": ids}))
        return ["run", "--engine", "openai", "--base-url", server.url, "--model", "scripted", "--tasks", f"bfcl_multi_turn_{category}", "--data-dir", DATA,
                "--samples", samples, "--bfcl-python", self.python, "--weights-id", "scripted", "--no-tracker", "--output-path", self.folder / "out", *more]

    def chosen(self, seed, category, n):
        """Documents that their first message tells apart, each gold or mutated."""
        seen, out = set(), []
        for gold, mutated in zip(self.cases[category], self.mutated(seed, 1, [category])):
            text = gold["doc"]["question"][0][0]["content"]
            if text in seen or len(out) == n:
                continue
            seen.add(text)
            out.append(gold if len(out) % 3 == 0 else mutated)
        return out

    def accuracies(self, category):
        file = max((self.folder / "out").rglob(f"samples_bfcl_multi_turn_{category}_*.jsonl"))
        return {row["doc_id"]: row["acc"] for row in map(json.loads, file.read_text().splitlines())}

    def test_every_category(self):
        for category in CATEGORIES:
            with self.subTest(category):
                trajectories = self.chosen(5, category, 24)
                server = self.play(trajectories)
                self.expect(0, *self.arguments(server, category, trajectories, "--store", category + ".db"))  # categories share prompts
                expected = {int(c["doc"]["id"].rsplit("_", 1)[1]): float(t["valid"]) for c, t in zip(trajectories, self.reference(trajectories))}
                self.assertEqual(self.accuracies(category), expected)
                self.assertGreater(sum(expected.values()), 7)
                self.assertLess(sum(expected.values()), 24)
                self.check_messages(server, trajectories)

    def check_messages(self, server, trajectories):
        """The last request of each conversation holds every result, and functions appear when they are due."""
        by_text = {c["doc"]["question"][0][0]["content"]: (c, t) for c, t in zip(trajectories, self.reference(trajectories))}
        longest = {}
        for request in server.requests:
            text = next(m["content"] for m in request["messages"] if m["role"] == "user")
            if len(request["messages"]) > len(longest.get(text, {"messages": []})["messages"]):
                longest[text] = request
        for text, request in longest.items():
            case, reference = by_text[text]
            told = [m["content"] for m in request["messages"] if m["role"] == "tool"]
            self.assertEqual(told, [r for turn in reference["results"] for step in turn for r in step], case["doc"]["id"])
            users = [m["content"] for m in request["messages"] if m["role"] == "user"]
            self.assertEqual(len(users), len(case["turns"]))
            held = [name for names in case["doc"].get("missed_function", {}).values() for name in names]
            first = next(r for r in server.requests if len(r["messages"]) == 1 and r["messages"][0]["content"] == text)
            self.assertFalse(set(held) & {t["function"]["name"] for t in first["tools"]})
            self.assertLessEqual(set(held), {t["function"]["name"] for t in request["tools"]})
            for turn in case["doc"].get("missed_function", {}):
                self.assertEqual(users[int(turn)], "I have updated some more functions you can choose from. What about now?")

    def test_killed_and_resumed_asks_nothing_twice(self):
        trajectories = [c for c in self.chosen(6, "base", 12)]
        server = self.play(trajectories, delay=0.05)
        process = self.start(*self.arguments(server, "base", trajectories, "--set", "max_num_seqs=2"))
        while len(server.requests) < 30 and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        before = len(server.requests)
        self.expect(0, *self.arguments(server, "base", trajectories, "--set", "max_num_seqs=2"))
        asked = [json.dumps(r["messages"]) for r in server.requests]
        self.assertGreater(len(asked), before)
        self.assertLessEqual(len(asked) - len(set(asked)), 3, "only what was under way when it died")
        expected = {int(c["doc"]["id"].rsplit("_", 1)[1]): float(t["valid"]) for c, t in zip(trajectories, self.reference(trajectories))}
        self.assertEqual(self.accuracies("base"), expected)
        complete = self.expect(0, *self.arguments(server, "base", trajectories, "--set", "max_num_seqs=2"))
        self.assertIn("complete already", complete.err)
        changed = self.expect(0, "rescore", "1", "--data-dir", DATA, "--bfcl-python", self.python)
        self.assertIn("12 samples scored again, 0 changed", changed.out)
        kept = self.expect(0, "rescore", "1", "--data-dir", DATA, "--bfcl-python", NO_PYTHON)
        self.assertIn("keeps its scores", kept.out)


    def test_tools_that_break_are_no_score_and_are_tried_again(self):
        site = pathlib.Path(subprocess.run([self.python, "-c", "import bfcl_eval, os; print(os.path.dirname(os.path.dirname(bfcl_eval.__file__)))"],
                                           capture_output=True, text=True, check=True).stdout.strip())
        broken = self.folder / "broken" / "site-packages"
        shutil.copytree(site / "bfcl_eval", broken / "bfcl_eval", ignore=shutil.ignore_patterns("data", "__pycache__"))
        for info in site.glob("bfcl_eval-*.dist-info"):
            shutil.copytree(info, broken / info.name)
        utils = broken / "bfcl_eval" / "eval_checker" / "multi_turn_eval" / "multi_turn_utils.py"
        utils.write_text(utils.read_text().replace("    if is_evaL_run:\n", "    raise RuntimeError('broken on purpose')\n    if is_evaL_run:\n", 1))
        trajectories = self.chosen(7, "base", 3)
        server = self.play(trajectories)
        failed = self.expect(1, *self.arguments(server, "base", trajectories, "--json"), PYTHONPATH=str(broken))
        task, = failed.json()["tasks"]
        self.assertEqual(task["n_infrastructure"], 3)
        self.assertIn("broken on purpose", failed.err)
        again = self.expect(0, *self.arguments(server, "base", trajectories, "--json"))
        task, = again.json()["tasks"]
        self.assertEqual((again.json()["run"], task["n_infrastructure"]), (failed.json()["run"], 0))
        expected = {int(c["doc"]["id"].rsplit("_", 1)[1]): float(t["valid"]) for c, t in zip(trajectories, self.reference(trajectories))}
        self.assertEqual(self.accuracies("base"), expected)


class WithoutThePackage(QevalTest):
    def test_pending_with_the_reason_and_the_line_to_type(self):
        outcome = self.expect(0, *self.run_args("--bfcl-python", NO_PYTHON, "--json", tasks="arc_challenge,bfcl_multi_turn"))
        pending = {p["task"]: p["reason"] for p in outcome.json()["pending"]}
        self.assertEqual(set(pending), {f"bfcl_multi_turn_{c}" for c in CATEGORIES})
        for reason in pending.values():
            self.assertIn("pip install --no-deps bfcl-eval==2026.3.23", reason)
        self.assertEqual([t["task"] for t in outcome.json()["tasks"]], ["arc_challenge"])
        tracker = (self.folder / "TRACKER.md").read_text()
        self.assertRegex(tracker, r"bfcl_multi_turn_base, .*bfcl_multi_turn_miss_param:\*\* ⏳ Pending: .*pip install --no-deps")

    def test_alone_they_load_no_model(self):
        outcome = self.expect(0, "run", "--model", "fake", "--engine", "fake", "--fake-script", self.write("script.json", "{}"), "--tasks", "bfcl_multi_turn_base",
                              "--data-dir", self.folder, "--bfcl-python", NO_PYTHON)
        self.assertIn("pending", outcome.out)
        self.assertIn("--bfcl-python", outcome.out)

    def test_doctor_and_selfcheck_say_so(self):
        self.assertIn("needs the benchmark's own tools", self.qeval("doctor", "--bfcl-python", NO_PYTHON).out)
        outcome = self.expect(0, "selfcheck", "--tasks", "bfcl_multi_turn", "--fixtures-only", "--bfcl-python", NO_PYTHON, "--json").json()
        self.assertEqual((outcome["n_failed"], outcome["n_not_checked"]), (0, 4))
        shown = self.expect(0, "selfcheck", "--tasks", "bfcl_multi_turn", "--fixtures-only", "--bfcl-python", NO_PYTHON).out
        self.assertIn("4 not checked", shown)


if __name__ == "__main__":
    main()
