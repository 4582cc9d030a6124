"""A run from the command line to the table, the store, the tracker; again, interrupted, twice at once."""
import json
import os
import shutil
import socket
import subprocess
import time
import unittest

from qeval_test import BINARY, FIXTURES, SOURCE, QevalTest, interrupt

ANSWERS = {"default": " We count. The answer is 35.\n#### 35", "latency_ms": 1}


def bytes_read(pid):
    with open(f"/proc/{pid}/io", encoding="ascii") as file:
        return int(file.readline().split()[1])


class Run(QevalTest):
    def test_scores_stores_and_writes_the_tracker(self):
        outcome = self.expect(0, *self.run_args(script=ANSWERS))
        self.assertIn("gsm8k", outcome.out)
        self.assertIn("arc_challenge", outcome.out)
        # fixture doc 0: 3 * 14 - 7 = 35; the other three are wrong
        shown = self.expect(0, *self.run_args("--json", script=ANSWERS)).json()
        tasks = {t["task"]: t for t in shown["tasks"]}
        strict = [m for m in tasks["gsm8k"]["metrics"] if m["filter"] == "strict-match"][0]
        self.assertAlmostEqual(strict["value"], 0.25)
        self.assertEqual(strict["n"], 4)
        self.assertIn("GSM8K", (self.folder / "TRACKER.md").read_text())

    def test_notes_never_land_inside_the_table(self):
        both = subprocess.run([BINARY, *map(str, self.run_args(script=ANSWERS))], cwd=self.folder,
                              env=self.environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout
        lines = both.splitlines()
        self.assertIn("tracker: TRACKER.md", lines)
        self.assertEqual(lines[-1], "tracker: TRACKER.md")

    def test_the_same_command_again_computes_nothing(self):
        self.expect(0, *self.run_args(script=ANSWERS))
        before = self.rows("select count(*) from responses")
        outcome = self.expect(0, *self.run_args(script=ANSWERS))
        self.assertIn("complete already", outcome.err)
        self.assertEqual(self.rows("select count(*) from responses"), before)
        self.assertEqual(self.rows("select count(*) from runs"), [(1,)])

    def test_fresh_computes_again(self):
        self.expect(0, *self.run_args(script=ANSWERS))
        (before,) = self.rows("select count(*) from responses")[0]
        self.expect(0, *self.run_args("--fresh", script=ANSWERS))
        self.assertEqual(self.rows("select count(*) from responses"), [(2 * before,)])

    def test_engine_failures_are_not_wrong_answers_and_are_tried_again(self):
        args = self.run_args("--no-tracker", tasks="gsm8k", script={**ANSWERS, "faults": {"1": "timeout"}})
        outcome = self.expect(1, *args, "--json")
        task = outcome.json()["tasks"][0]
        self.assertEqual(task["n_infrastructure"], 1)
        self.assertEqual(task["metrics"][0]["n"], 3)
        self.assertLess(task["metrics"][0]["bound_low"], task["metrics"][0]["bound_high"])
        # the fault hits the second request of a session: only the missing one is asked now
        again = self.expect(0, *args, "--json").json()
        self.assertEqual(again["tasks"][0]["n_infrastructure"], 0)
        self.assertEqual(again["tasks"][0]["metrics"][0]["n"], 4)
        self.assertEqual(self.rows("select count(*) from responses"), [(4,)])
        self.assertEqual(self.rows("select count(*) from runs"), [(1,)])

    def test_interrupted_run_goes_on_where_it_stopped(self):
        slow = {**ANSWERS, "latency_ms": 300}
        process = self.start(*self.run_args(script=slow))
        time.sleep(1.5)
        start = time.monotonic()
        interrupt(process)
        _, err = process.communicate(timeout=30)
        self.assertEqual(process.returncode, 130, err)
        self.assertIn("goes on from here", err)
        (stored,) = self.rows("select count(*) from responses")[0]
        self.assertGreater(stored, 0)
        self.expect(0, *self.run_args(script=slow))
        self.assertEqual(self.rows("select count(*) from runs"), [(1,)])

    def test_interrupted_while_the_weights_are_hashed(self):
        model, hashes = self.folder / "long.gguf", self.folder / "cache/qeval/hashes.json"
        self.expect(0, "model", "make", "--like", "qwen2.5-0.5b-instruct", "--layers", 2, "--width", 64, "-o", model)
        os.truncate(model, 64 << 30)  # a hole: minutes to hash, no room on the disk
        process = self.start("run", "--model", model, "--tasks", "gsm8k", "--data-dir", FIXTURES, XDG_CACHE_HOME=str(self.folder / "cache"))
        self.wait_for(lambda: bytes_read(process.pid) > 200e6)
        interrupt(process)
        _, err = process.communicate(timeout=30)
        self.assertEqual(process.returncode, 130, err)
        self.assertFalse(hashes.exists())

    def test_interrupted_while_data_is_fetched(self):
        with socket.create_server(("127.0.0.1", 0)) as mute:
            self.write("tasks/far.yaml", json.dumps({
                "task": "far", "dataset_path": "json", "output_type": "generate_until", "test_split": "test",
                "dataset_kwargs": {"data_files": {"test": f"http://127.0.0.1:{mute.getsockname()[1]}/far.jsonl"}},
                "doc_to_text": "{{q}}", "doc_to_target": "{{a}}", "metric_list": [{"metric": "exact_match"}]}))
            process = self.start(*self.run_args("--include-path", self.folder / "tasks", tasks="far", script=ANSWERS),
                                 HF_HUB_OFFLINE="0", NO_PROXY="127.0.0.1")
            mute.settimeout(30)
            asked, _ = mute.accept()
            asked.recv(1)
            interrupt(process)
            _, err = process.communicate(timeout=20)
            asked.close()
        self.assertEqual(process.returncode, 130, err)

    def test_a_second_process_on_the_same_run_is_told(self):
        slow = {**ANSWERS, "latency_ms": 300}
        first = self.start(*self.run_args(script=slow))
        time.sleep(1.0)
        second = self.qeval(*self.run_args(script=slow))
        self.assertEqual(second.code, 4)
        self.assertIn(str(first.pid), second.err)
        # another run on the same store proceeds beside it
        self.expect(0, *self.run_args(tasks="mbpp", script={**ANSWERS, "default": "x = 1"}), "--no-tracker")
        first.communicate(timeout=60)
        self.assertEqual(first.returncode, 0)

    def test_lm_eval_files(self):
        self.expect(0, *self.run_args("--output-path", "out", script=ANSWERS))
        results = list((self.folder / "out").rglob("results_*.json"))
        samples = list((self.folder / "out").rglob("samples_gsm8k_*.jsonl"))
        self.assertEqual((len(results), len(samples)), (1, 1))
        parsed = json.loads(results[0].read_text())
        self.assertAlmostEqual(parsed["results"]["gsm8k"]["exact_match,strict-match"], 0.25)
        lines = [json.loads(line) for line in samples[0].read_text().splitlines()]
        self.assertEqual(len(lines), 8)  # a line per doc and filter
        self.assertEqual(lines[0]["arguments"]["gen_args_0"]["arg_0"].count("Question:"), 6)

    def test_show_and_rescore(self):
        self.expect(0, *self.run_args(script=ANSWERS))
        shown = self.expect(0, "show", "1", "--task", "gsm8k", "--class", "wrong_answer")
        self.assertIn("Question:", shown.out)
        changed = self.expect(0, "rescore", "1", "--data-dir", self.folder, "--json").json()
        self.assertEqual(changed[0]["changes"], [])
        self.assertGreater(changed[0]["n_samples"], 0)

    def test_rescore_lists_what_another_filter_changes(self):
        self.expect(0, *self.run_args(tasks="gsm8k", script=ANSWERS))
        text = (SOURCE / "tasks" / "gsm8k" / "gsm8k.yaml").read_text()
        self.write("tasks/gsm8k.yaml", text.replace("'#### (", "'@@@@ ("))
        result = self.expect(0, "rescore", "1", "--include-path", self.folder / "tasks", "--json").json()[0]
        changed = [c for c in result["changes"] if c["filter"] == "strict-match" and c["doc_id"] == 0]
        self.assertEqual(len(changed), 1)
        self.assertEqual((changed[0]["before"], changed[0]["extracted_before"]), ("correct", "35"))
        self.assertNotEqual(changed[0]["after"], "correct")
        # and back again, with the shipped task
        self.assertTrue(self.expect(0, "rescore", "1", "--json").json()[0]["changes"])

    def test_predictions_alone_need_no_sandbox(self):
        hide = ["bwrap", "--dev-bind", "/", "/", "--ro-bind", "/bin/false", "/usr/bin/python3", "--setenv", "PATH", "/nonexistent"]
        if not shutil.which("bwrap") or subprocess.run([*hide, "/bin/true"], capture_output=True).returncode:
            self.skipTest("bwrap cannot hide the interpreter here")
        args = self.run_args("--no-tracker", tasks="humaneval", script={"default": "    return 1", "latency_ms": 1})

        def without_python(*more):
            return subprocess.run([*hide, BINARY, *map(str, args), *more], cwd=self.folder, env=self.environment(),
                                  capture_output=True, text=True)

        self.assertEqual(without_python().returncode, 4, "no interpreter: nothing can be scored")
        outcome = without_python("--predict-only")
        self.assertEqual(outcome.returncode, 0, outcome.stderr)
        run = self.rows("select max(id) from runs")[0][0]
        self.assertIn(f"rescore {run}", outcome.stderr)
        self.assertGreater(self.rows("select count(*) from responses where good = 1")[0][0], 0)
        self.assertEqual(self.rows("select count(*) from scores"), [(0,)])
        rescored = self.expect(0, "rescore", run, "--unsafe-code", "--data-dir", FIXTURES, "--json").json()
        self.assertGreater(rescored[0]["n_samples"], 0)

    def test_predictions_alone_are_written_as_samples(self):
        self.expect(0, *self.run_args("--no-tracker", "--predict-only", "--limit", 2, "--output-path", "out", tasks="gsm8k,arc_challenge", script=ANSWERS))
        for task in ("gsm8k", "arc_challenge"):
            (path,) = (self.folder / "out").rglob(f"samples_{task}_*.jsonl")
            samples = [json.loads(line) for line in path.read_text().splitlines()]
            self.assertEqual([sample["doc_id"] for sample in samples], [0, 1])
            for sample in samples:
                self.assertEqual(len(sample["resps"]), len(sample["arguments"]))
                self.assertEqual(sample["filtered_resps"], [answers[0] for answers in sample["resps"]])
                self.assertEqual((sample["filter"], sample["metrics"]), ("none", []))
                self.assertNotIn("failure_class", sample)

    def test_a_killed_resume_keeps_the_summary_and_the_series(self):
        slow = {**ANSWERS, "latency_ms": 300}
        args = self.run_args("--no-tracker", script=slow)
        process = self.start(*args)
        time.sleep(1.5)
        interrupt(process)
        process.communicate(timeout=30)
        kept = self.rows("select task, summary from run_tasks where summary != 'null'")
        self.assertEqual(len(kept), 2)
        (series,) = self.rows("select length(points) from series where name = 'monitor'")
        resumed = self.start(*args)
        time.sleep(0.6)
        self.assertIsNone(resumed.poll(), "the kill must hit it at work")
        resumed.kill()
        resumed.communicate()
        self.assertEqual(self.rows("select task, summary from run_tasks where summary != 'null'"), kept)
        self.assertIn("gsm8k", self.expect(0, "show", "1").out)
        self.expect(0, *args)
        self.assertGreater(self.rows("select length(points) from series where name = 'monitor'")[0][0], series[0])

    def test_progress_is_not_repeated(self):
        slow = {**ANSWERS, "latency_ms": 100}
        lines = [line for line in self.expect(0, *self.run_args(script=slow)).err.splitlines() if "samples" in line]
        counts = [line.split(" samples")[0] for line in lines]
        self.assertEqual(len(counts), len(set(counts)), lines)
        self.assertLessEqual(len(lines), 3)

    def test_dry_run_expects_what_earlier_runs_took(self):
        unmeasured = self.expect(0, *self.run_args("--dry-run", script=ANSWERS)).json()["expected"]
        self.assertIn("unmeasured", unmeasured["seconds"])
        self.expect(0, *self.run_args("--limit", "2", script=ANSWERS))
        plan = self.expect(0, *self.run_args("--dry-run", "--limit", "4", script=ANSWERS)).json()
        self.assertIsNone(plan["goes_on_with"])
        self.assertIn("run 1", plan["expected"]["basis"])
        self.assertGreater(plan["expected"]["seconds"], 0)
        half = self.expect(0, *self.run_args("--dry-run", "--limit", "2", "--fresh", script=ANSWERS)).json()["expected"]
        self.assertAlmostEqual(plan["expected"]["new_tokens"], 2 * half["new_tokens"], delta=1)
        done = self.expect(0, *self.run_args("--dry-run", "--limit", "2", script=ANSWERS)).json()
        self.assertEqual((done["goes_on_with"]["run"], done["goes_on_with"]["docs_done"]), (1, 4))
        self.assertEqual(done["expected"]["new_tokens"], 0)

    def test_dry_run_touches_nothing(self):
        plan = self.expect(0, *self.run_args("--dry-run", script=ANSWERS)).json()
        self.assertEqual(plan["docs"], 8)
        self.assertFalse((self.folder / "qeval.db").exists())
        self.assertFalse((self.folder / "TRACKER.md").exists())


class Tracker(QevalTest):
    def test_a_foreign_file_is_never_overwritten(self):
        self.write("TRACKER.md", "# mine\n")
        outcome = self.expect(3, *self.run_args(script=ANSWERS))
        self.assertIn("--adopt", outcome.err)
        self.assertEqual((self.folder / "TRACKER.md").read_text(), "# mine\n")
        self.assertFalse((self.folder / "qeval.db").exists(), "known before any work, not after")

    def test_adopt_keeps_the_text(self):
        self.expect(0, *self.run_args("--no-tracker", script=ANSWERS))
        self.write("TRACKER.md", "# mine\n\nprecious words\n")
        self.expect(0, "tracker", "--adopt")
        text = (self.folder / "TRACKER.md").read_text()
        self.assertIn("precious words", text)
        self.assertIn("GSM8K", text)
        self.expect(0, "tracker")
        self.assertEqual((self.folder / "TRACKER.md").read_text(), text)

    def test_import_of_a_first_tracker(self):
        first = SOURCE.parent / "shared" / "reference" / "tracker-v1.md"
        if not first.exists():
            self.skipTest("no first tracker in reach")
        self.expect(0, *self.run_args("--no-tracker", script=ANSWERS))
        self.expect(0, "tracker", "--import", first)
        text = (self.folder / "TRACKER.md").read_text()
        self.assertIn("56.0", text)
        self.assertIn("unverified", text)


if __name__ == "__main__":
    unittest.main()
