"""Function calling from the command line: tool modes, classes, summaries, and the real model where there is one."""
import json
import unittest

from qeval_test import DATA, MODEL, QevalTest, main

BERTH = '{"name": "harbour_book_berth", "arguments": {"boat": "Möwe", "length_m": 9.5, "nights": 2}}'


class FunctionCalls(QevalTest):
    def classes(self, *more, answer, tasks="bfcl_simple_python", limit=1):
        self.expect(0, *self.run_args("--limit", limit, "--no-tracker", "--fresh", *more, tasks=tasks, script={"default": answer}))
        return [json.loads(s)["classes"] for (s,) in self.rows("SELECT summary FROM run_tasks ORDER BY id DESC LIMIT 1")][0]

    def first_class(self, *more, **how):
        names = "SELECT failure_class FROM scores s JOIN run_tasks t ON t.id = s.run_task ORDER BY t.run DESC, s.attempt DESC LIMIT 1"
        self.classes(*more, **how)
        return self.rows(names)[0][0]

    def test_the_same_call_in_three_modes(self):
        native = f"<tool_call>\n{BERTH}\n</tool_call>"
        python = '[harbour.book_berth(boat="Möwe", length_m=9.5, nights=2)]'
        self.assertEqual(self.first_class(answer=native), 1)
        self.assertEqual(self.first_class("--tool-mode", "native", answer=native), 1)
        self.assertEqual(self.first_class("--tool-mode", "prompt", answer=python), 1)
        self.assertEqual(self.first_class("--tool-mode", "constrained", answer=f"[{BERTH}]"), 1)
        # Each mode's protocol refuses the other modes' syntax and says so.
        self.assertEqual(self.first_class("--tool-mode", "native", answer=python), 23)
        self.assertEqual(self.first_class("--tool-mode", "prompt", answer=native), 23)
        self.assertEqual(self.first_class("--tool-mode", "constrained", answer=python), 23)

    def test_the_first_trackers_four_ways(self):
        for answer, expected in ((f"```json\n{BERTH}\n```", 11), (f"Sure! {BERTH} Done.", 22),
                                 ('harbour_book_berth(boat="Möwe", length_m=9.5, nights=2)', 23), ('<tool_call>\n{"name": "harbour_bo', 10)):
            self.assertEqual(self.first_class(answer=answer), expected, answer)

    def test_requests_carry_what_the_mode_says(self):
        for mode in ("native", "prompt", "constrained"):
            self.expect(0, *self.run_args("--limit", 1, "--no-tracker", "--tool-mode", mode, "--output-path", self.folder / mode, tasks="bfcl_irrelevance", script={"default": "No."}))
        self.expect(0, *self.run_args("--dry-run", "--tool-mode", "prompt", tasks="bfcl"))

    def test_irrelevance_and_its_reverse(self):
        self.assertEqual(self.first_class(tasks="bfcl_irrelevance", answer="None of them fits."), 1)
        self.assertEqual(self.first_class(tasks="bfcl_irrelevance", answer="<tool_call>{\"name\": \"tide_table\", \"arguments\": {}}</tool_call>"), 30)
        self.assertEqual(self.first_class("--tool-mode", "constrained", tasks="bfcl_irrelevance", answer="[]"), 1)
        self.assertEqual(self.first_class(tasks="bfcl_live_relevance", answer="Noon."), 20)

    def test_tracker_shows_categories_and_summaries(self):
        self.expect(0, *self.run_args(tasks="bfcl", script={"default": "No function fits."}))
        text = (self.folder / "TRACKER.md").read_text()
        section = text.split("**Function Calling Test**")[1].split("#####")[0]
        self.assertIn("BFCL live parallel multiple", section)
        self.assertIn("**Non-live:** 0.0 %", section)
        self.assertIn("**Live:** 0.0 %", section)
        self.assertIn("**Irrelevance:** 100.0 %", section)
        self.assertIn("prose instead of a call", section)

    def test_json_documents(self):
        run = lambda answer: self.first_class(tasks="synthetic_json_schema", answer=answer)
        self.assertEqual(run("I would rather not."), 20)
        self.assertEqual(run("[]"), 31)
        self.assertEqual(run('{"a": "b'), 10)

    def test_thinking_is_told_from_the_answer(self):
        answer = f"<think>\nMaybe <tool_call>{{}}</tool_call>?\n</think>\n\n<tool_call>\n{BERTH}\n</tool_call>"
        self.assertEqual(self.first_class("--thinking", "on", answer=answer), 1)
        self.assertEqual(self.first_class("--thinking", "on", answer="<think>\nI should call " + BERTH), 8)
        self.expect(0, *self.run_args("--thinking", "on", "--thinking-budget", 100, tasks="bfcl_simple_python", script={"default": answer}))
        text = (self.folder / "TRACKER.md").read_text()
        self.assertIn("Accuracy against Tokens Spent", text)
        self.assertIn("on (budget 100 tokens)", text)

    def test_rescore_keeps_the_verdicts(self):
        self.expect(0, *self.run_args("--no-tracker", "--tool-mode", "constrained", tasks="bfcl_simple_python,bfcl_multiple", script={"default": f"[{BERTH}]"}))
        outcome = self.expect(0, "rescore", 1, "--json").json()
        self.assertEqual([c for run in outcome for c in run["changes"]], [])

    @unittest.skipUnless(MODEL and DATA, "needs QEVAL_TEST_GGUF and QEVAL_DATA_DIR")
    def test_constrained_calls_of_a_real_model_follow_their_schema(self):
        self.expect(0, "run", "--model", MODEL, "--tasks", "bfcl_simple_python,synthetic_json_schema", "--tool-mode", "constrained", "--limit", 6, "--gen-kwargs", "max_gen_toks=96",
                    "--data-dir", DATA, "--no-tracker", OMP_WAIT_POLICY="passive")
        classes = {c for (c,) in self.rows("SELECT DISTINCT failure_class FROM scores")}
        # Cut ones apart, nothing can be wrong with the form, nor with names and types that the schema binds.
        self.assertFalse(classes & {10, 11, 16, 20, 21, 22, 23, 24, 26, 31}, classes)


if __name__ == "__main__":
    main()
