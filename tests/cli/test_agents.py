"""The agent suite from outside: tasks, loop, store, resume, reports."""
import json
import os
import signal
import time
import unittest

from qeval_test import MODEL, QevalTest, interrupt, main

CALL = '<tool_call>\n{"name": "list_folder", "arguments": {"path": "/"}}\n</tool_call>'


class Agents(QevalTest):
    def agent_args(self, *more, tasks="agents_files", answers=None, default="Done."):
        script = {"default": default, "answers": answers or []}
        path = self.folder / "script.json"
        path.write_text(json.dumps(script))
        return ["run", "--model", "fake", "--engine", "fake", "--tasks", tasks, "--fake-script", path, *more]

    def scores(self, outcome):
        return {t["task"]: t for t in outcome.json()["tasks"]}

    def metric(self, task, name):
        found = [m for m in task["metrics"] if m["metric"] == name]
        self.assertEqual(len(found), 1, f"{name}: {task['metrics']}")
        return found[0]

    def test_do_nothing_reaches_its_published_score(self):
        """The same loop, store and scorer as a model's; every world."""
        out = self.expect(0, *self.agent_args("--json", tasks="agents"))
        tasks = self.scores(out)
        self.assertEqual(sorted(tasks), ["agents_files", "agents_office", "agents_shop", "agents_tickets"])
        for name, task in tasks.items():
            success = self.metric(task, "success")
            self.assertEqual(success["n"], 26)
            self.assertAlmostEqual(success["value"], 2 / 26)
            self.assertEqual(task["n_infrastructure"], 0)
            self.assertEqual(self.metric(task, "needless_writes")["value"], 0)
            # Two tasks of one template are not independent: wider than Wilson over 26.
            self.assertGreater(success["high"], 0.24)

    def test_calls_run_and_come_back_as_tool_messages(self):
        self.expect(0, *self.agent_args("--limit", "3", answers=[{"contains": "archive", "text": "Done."},
                                                                 {"contains": "shopping list", "text": CALL}]))
        shown = self.expect(0, "show", "1", "--task", "agents_files", "--doc", "0", "--json").json()
        text = json.dumps(shown)
        self.assertIn("tool", text)
        self.assertIn("list_folder", text)

    def test_step_budget_and_invalid_calls_are_classed(self):
        out = self.expect(0, *self.agent_args("--json", "--limit", "13", default='<tool_call>\n{"name": "fly", "arguments": {}}\n</tool_call>'))
        task = self.scores(out)["agents_files"]
        self.assertEqual(self.metric(task, "invalid_call_rate")["value"], 1)
        self.assertEqual({c["class"]: c["n"] for c in task["classes"]["none"]}, {"invalid_calls": 13})
        out = self.expect(0, *self.agent_args("--json", "--limit", "13", default=CALL))
        task = self.scores(out)["agents_files"]
        self.assertEqual({c["class"]: c["n"] for c in task["classes"]["none"]}, {"step_limit": 13})
        self.assertIsNone(self.metric(task, "tokens_per_solved")["value"])

    def test_repeats_give_pass_hat_k(self):
        out = self.expect(0, *self.agent_args("--json", "--repeats", "3"))
        task = self.scores(out)["agents_files"]
        for name in ("success", "pass^2", "pass^3"):
            self.assertAlmostEqual(self.metric(task, name)["value"], 2 / 26)
        n = self.rows("select count(*) from responses")[0][0]
        again = self.expect(0, *self.agent_args("--json", "--repeats", "3"))
        self.assertEqual(self.scores(again)["agents_files"]["metrics"], task["metrics"])
        self.assertEqual(self.rows("select count(*) from responses")[0][0], n)

    def test_settings_change_the_run_and_bad_ones_are_named(self):
        self.expect(0, *self.agent_args("--limit", "2"))
        self.expect(0, *self.agent_args("--limit", "2", "--set", "agent.max_steps=1"))
        self.expect(0, *self.agent_args("--limit", "2", "--set", "agent_temperature=0.7"))
        self.expect(0, *self.agent_args("--limit", "2", "--system-instruction", "Be quick."))
        self.assertEqual(self.rows("select count(*) from runs")[0][0], 4)
        bad = self.expect(2, *self.agent_args("--set", "agent.speed=9"))
        self.assertIn("agent.speed", bad.err)
        bad = self.expect(2, *self.agent_args("--set", "agent.invalid_retries=900"))
        self.assertIn("invalid_retries", bad.err)

    def test_own_tasks_run_from_a_file_and_broken_ones_are_named(self):
        doc = {"id": "mine", "world": "files", "template": "mine", "kind": "regular",
               "state": {"files": {"/a.txt": "x"}, "folders": {"/": True}}, "user": [{"say": "Look into /."}],
               "accepted": [[]], "required": [["folder"]], "max_steps": 5}
        self.write("tasks/docs.jsonl", json.dumps(doc) + "\n")
        self.write("tasks/mine.yaml", "task: mine\ndataset_path: json\ndataset_kwargs: {data_files: {test: tasks/docs.jsonl}}\n"
                   "output_type: generate_until\ntest_split: test\ndoc_to_text: '{{user[0].say}}'\ndoc_to_target: ''\n"
                   "generation_kwargs: {max_gen_toks: 64}\nmetric_list: [{metric: success}, {metric: steps}]\n"
                   "metadata: {version: 1.0, agent: {invalid_retries: 1}}\n")
        args = self.agent_args("--json", "--include-path", "tasks", tasks="mine", default="There is one folder.")
        task = self.scores(self.expect(0, *args))["mine"]
        self.assertEqual(self.metric(task, "success")["value"], 1)
        doc["accepted"] = [[{"op": "remove", "path": "/nowhere"}]]
        self.write("tasks/docs.jsonl", json.dumps(doc) + "\n")
        bad = self.expect(3, *args)
        self.assertIn("accepted", bad.err)
        self.assertIn("doc 0", bad.err)

    def test_rescore_gives_the_same_verdicts(self):
        before = self.scores(self.expect(0, *self.agent_args("--json", "--repeats", "2")))["agents_files"]
        self.expect(0, "rescore", "1")
        after = self.scores(self.expect(0, *self.agent_args("--json", "--repeats", "2")))["agents_files"]
        self.assertEqual(before["metrics"], after["metrics"])
        self.assertEqual(before["classes"], after["classes"])

    def test_killed_in_the_middle_nothing_is_lost_or_asked_twice(self):
        script = self.folder / "script.json"
        args = self.agent_args("--json", tasks="agents", default=CALL)
        script.write_text(json.dumps({"default": CALL, "latency_ms": 4}))
        process = self.start(*args)
        deadline = time.time() + 60
        while time.time() < deadline:
            try:
                if self.rows("select count(*) from responses")[0][0] > 100:
                    break
            except Exception:
                pass
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        kept = self.rows("select count(*) from responses")[0][0]
        self.assertGreater(kept, 100)
        resumed = self.scores(self.expect(0, *args))
        total = self.rows("select count(*) from responses")[0][0]
        whole = self.scores(self.expect(0, *args, "--store", "other.db"))
        self.assertEqual(total, self.rows("select count(*) from responses", store="other.db")[0][0])
        for name in whole:
            drop = lambda t: [m for m in t["metrics"] if m["metric"] != "seconds_per_solved"]
            self.assertEqual(drop(resumed[name]), drop(whole[name]))
            self.assertEqual(resumed[name]["classes"], whole[name]["classes"])

    def test_selfcheck_proves_every_world(self):
        out = self.expect(0, "selfcheck", "--tasks", "agents_files,agents_office,agents_shop,agents_tickets", "--fixtures-only", "--json")
        items = out.json()["items"]
        checks = {i["check"] for i in items}
        self.assertEqual(checks, {"prompts", "gold", "silent", "do-nothing", "careless", "eager", "baseline:do_nothing", "baseline:random"})
        self.assertTrue(all(i["passed"] for i in items))

    def test_tracker_has_an_agents_section(self):
        self.expect(0, *self.agent_args(tasks="agents"))
        text = (self.folder / "TRACKER.md").read_text()
        self.assertIn("##### **Agent Workflows**", text)
        self.assertIn("does nothing reaches 7.7 %", text)

    @unittest.skipUnless(MODEL, "QEVAL_TEST_GGUF is not set")
    def test_a_real_model_goes_through(self):
        out = self.expect(0, "run", "--model", MODEL, "--tasks", "agents", "--limit", "2", "--json", "--gen-kwargs",
                          "temperature=0.1,max_gen_toks=64", OMP_WAIT_POLICY="passive")
        for task in self.scores(out).values():
            self.assertEqual(task["n_infrastructure"], 0)
            self.assertEqual(sum(c["n"] for c in task["classes"]["none"]), 2)


if __name__ == "__main__":
    main()
