"""--vary and compare: separate runs on the same docs, compared doc by doc."""
import json
import unittest

from qeval_test import QevalTest

# The fixtures' first gsm8k answer is 35; with a system message the script answers something else.
SCRIPT = {"default": " We count. The answer is 35.\n#### 35", "answers": [{"contains": "Be wrong", "text": "#### 77"}]}


class Vary(QevalTest):
    def docs(self, n):
        """A task of n docs whose answer is always 35."""
        self.write("tasks/many.jsonl", "".join(json.dumps({"q": f"Question {i}"}) + "\n" for i in range(n)))
        self.write("tasks/many.yaml", "task: many\ndataset_path: json\ndataset_kwargs: {data_files: {test: many.jsonl}}\n"
                   "test_split: test\noutput_type: generate_until\n"
                   'doc_to_text: "{{q}}"\ndoc_to_target: "35"\nmetric_list: [{metric: exact_match}]\n'
                   "filter_list: [{name: number, filter: [{function: regex, regex_pattern: '(\\d+)$'}, {function: take_first}]}]\n"
                   "metadata: {version: 1.0}\n")
        return self.run_args("--include-path", self.folder / "tasks", tasks="many", script=SCRIPT)

    def test_a_run_for_each_value_and_a_paired_comparison(self):
        args = [*self.docs(12), "--vary", "system_instruction=Be right,Be wrong", "--apply-chat-template"]
        shown = self.expect(0, *args, "--json").json()
        self.assertEqual([r["run"] for r in shown["runs"]], [1, 2])
        (row,) = shown["comparison"]["comparisons"]
        self.assertEqual((row["n"], row["only_a"], row["only_b"], row["test"]), (12, 12, 0, "mcnemar_exact"))
        self.assertAlmostEqual(row["difference"], -1)
        self.assertAlmostEqual(row["p"], 2 / 2**12)
        self.assertTrue(row["significant"])
        self.assertEqual(row["verdict"], "run 1 better")
        self.assertTrue(any("system_instruction" in line for line in shown["comparison"]["differences"]))
        # again: nothing is computed
        self.assertEqual(self.expect(0, *args, "--json").err.count("complete already"), 2)
        table = self.expect(0, "compare", "1", "2").out
        self.assertIn("run 1 better", table)
        self.assertIn("differs: system_instruction: Be right in run 1, Be wrong in run 2", table)

    def test_cross_product(self):
        args = [*self.docs(3), "--no-tracker", "--vary", "temperature=0,0.7", "--vary", "max_num_seqs=2,4", "--json"]
        shown = self.expect(0, *args).json()
        self.assertEqual(len(shown["runs"]), 4)
        self.assertEqual([r["label"] for r in shown["comparison"]["runs"]],
                         ["temperature=0, max_num_seqs=2", "temperature=0, max_num_seqs=4",
                          "temperature=0.7, max_num_seqs=2", "temperature=0.7, max_num_seqs=4"])
        self.assertEqual([c["p"] for c in shown["comparison"]["comparisons"]], [1, 1, 1])
        self.assertEqual({c["verdict"] for c in shown["comparison"]["comparisons"]}, {"no difference shown"})
        self.assertGreater(shown["comparison"]["comparisons"][0]["smallest_detectable_gap"], 0)
        docs = self.rows("select count(distinct doc_id) from samples group by run_task")
        self.assertEqual(docs, [(3,)] * 4)

    def test_what_cannot_vary_is_named(self):
        outcome = self.expect(2, *self.run_args("--vary", "temprature=0,1"))
        self.assertIn("did you mean temperature", outcome.err)
        self.assertIn("two different values", self.expect(2, *self.run_args("--vary", "temperature=0")).err)
        self.assertIn("given twice", self.expect(2, *self.run_args("--vary", "seed=1,2", "--vary", "seed=3,4")).err)
        self.assertIn("on or off", self.expect(2, *self.run_args("--vary", "thinking=yes,no")).err)
        self.assertFalse((self.folder / "qeval.db").exists())

    def test_compare_says_what_it_leaves_out(self):
        self.expect(0, *self.run_args("--no-tracker", tasks="gsm8k", script=SCRIPT))
        self.expect(0, *self.run_args("--no-tracker", tasks="gsm8k,arc_easy", script=SCRIPT))
        shown = self.expect(0, "compare", "1", "2", "--json").json()
        self.assertEqual([c["task"] for c in shown["comparisons"]], ["gsm8k"])
        self.assertEqual(len(shown["not_compared"]), 1)
        self.assertIn("arc_easy", shown["not_compared"][0])
        self.expect(3, "compare", "1", "9")
        self.expect(2, "compare", "1")


class BatchAndWeights(QevalTest):
    ANSWERS = {"default": "#### 35", "latency_ms": 1}
    DECLARED = {**ANSWERS, "declared_weights": True}

    def test_respected_batch_size_is_another_run(self):
        args = self.run_args("--no-tracker", tasks="gsm8k", script=self.ANSWERS)
        self.expect(0, *args)
        self.expect(0, *args, "--respect-batch-size", "--set", "evaluation_batch_size=1")
        self.assertEqual(self.rows("select count(*) from runs"), [(2,)])

    def test_reuse_across_runs_of_declared_weights_needs_an_id(self):
        def responses(*more):
            self.expect(0, *self.run_args("--no-tracker", *more, script=self.DECLARED))
            return self.rows("select count(*) from responses")[0][0]

        alone = responses("--limit", "2")
        mine = responses("--limit", "2", "--weights-id", "mine")
        self.assertEqual(mine, 2 * alone, "an id shares nothing with runs that gave none")
        self.assertEqual(responses("--limit", "2", "--weights-id", "mine", "--seed", "1234", "--set", "agent_temperature=0.2"),
                         mine, "another run under the same id asks nothing again")
        self.assertEqual(responses("--limit", "2", "--weights-id", "other"), 3 * alone, "another id shares nothing")
        self.assertEqual(responses("--limit", "2", "--set", "agent_temperature=0.2"), 4 * alone, "without an id nothing is shared")


if __name__ == "__main__":
    unittest.main()
