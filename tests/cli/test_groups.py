"""A group's score: brought together from its tasks as lm-eval does, wherever a result is shown."""
import json
import math
import unittest

from qeval_test import FIXTURES, QevalTest

# Gold is one of 35 and 9; the scripted engine always says 35.
EASY = ["35"] * 3 + ["9"]
HARD = ["35", "9", "9", "9", "9", "9"]


def stderr(values):
    mean = sum(values) / len(values)
    return math.sqrt(sum((v - mean) ** 2 for v in values) / (len(values) - 1)) / math.sqrt(len(values))


class Groups(QevalTest):
    def lay_out(self, weight="true", extra=""):
        for name, golds in (("easy", EASY), ("hard", HARD)):
            self.write(f"tasks/{name}.jsonl", "".join(json.dumps({"q": f"{name} {i}", "a": g}) + "\n" for i, g in enumerate(golds)))
            self.write(f"tasks/{name}.yaml", f"task: {name}\ndataset_path: json\ndataset_kwargs: {{data_files: {{test: {name}.jsonl}}}}\n"
                       "test_split: test\noutput_type: generate_until\n"
                       'doc_to_text: "{{q}}"\ndoc_to_target: "{{a}}"\nmetric_list: [{metric: exact_match}]\nmetadata: {version: 1.0}\n')
        self.write("tasks/inner.yaml", "group: inner\ntask: [hard]\n")
        self.write("tasks/both.yaml", f"group: both\ntask: [easy, inner]\n{extra}aggregate_metric_list:\n"
                   f"  - {{metric: exact_match, weight_by_size: {weight}}}\nmetadata: {{version: 2, title: Both}}\n")

    def run_group(self, *more, tasks="both"):
        script = self.write("script.json", json.dumps({"default": "35"}))
        return ["run", "--model", "fake", "--engine", "fake", "--fake-script", script, "--include-path", self.folder / "tasks",
                "--tasks", tasks, "--data-dir", FIXTURES, *more]

    def test_weighted_by_size(self):
        self.lay_out()
        shown = self.expect(0, *self.run_group("--json")).json()
        (group,) = shown["groups"]
        self.assertEqual((group["group"], group["members"], group["tasks"]), ("both", ["easy", "inner"], ["easy", "hard"]))
        (metric,) = group["metrics"]
        sizes, rates = (4, 6), (3 / 4, 1 / 6)
        errors = [stderr([1, 1, 1, 0]), stderr([1, 0, 0, 0, 0, 0])]
        pooled = math.sqrt(sum((n - 1) * e * e * n for n, e in zip(sizes, errors)) / (10 - 2) / 10)
        self.assertAlmostEqual(metric["value"], (3 + 1) / 10)
        self.assertAlmostEqual(metric["stderr"], pooled)
        self.assertEqual(metric["n"], 10)
        self.assertLess(metric["low"], 0.4)
        self.assertGreater(metric["high"], 0.4)
        self.assertEqual([m["value"] for t in shown["tasks"] for m in t["metrics"]], list(rates))

    def test_each_task_of_equal_weight(self):
        self.lay_out(weight="false")
        (group,) = self.expect(0, *self.run_group("--json")).json()["groups"]
        errors = [stderr([1, 1, 1, 0]), stderr([1, 0, 0, 0, 0, 0])]
        self.assertAlmostEqual(group["metrics"][0]["value"], (3 / 4 + 1 / 6) / 2)
        self.assertAlmostEqual(group["metrics"][0]["stderr"], math.sqrt(sum(e * e for e in errors)) / 2)

    def test_shown_everywhere(self):
        self.lay_out()
        outcome = self.expect(0, *self.run_group("--output-path", "out"))
        row = [line for line in outcome.out.splitlines() if "│ both" in line]
        self.assertEqual(len(row), 1)
        self.assertIn("40.0 %", row[0])
        tracker = (self.folder / "TRACKER.md").read_text()
        rows = [line for line in tracker.splitlines() if line.startswith("| Both ")]
        self.assertTrue(any("40.0 %" in line for line in rows), tracker)
        self.assertFalse([line for line in tracker.splitlines() if line.startswith("| easy ")], "a group's tasks stand in its score")
        results = json.loads(next((self.folder / "out").rglob("results_*.json")).read_text())
        self.assertAlmostEqual(results["groups"]["both"]["exact_match,none"], 0.4)
        self.assertEqual(results["results"]["both"], results["groups"]["both"])
        self.assertEqual(results["group_subtasks"]["both"], ["easy", "inner"])
        self.assertEqual(results["versions"]["both"], 2)
        self.assertTrue(results["higher_is_better"]["both"]["exact_match"])
        self.assertEqual(results["n-samples"]["hard"], {"original": 6, "effective": 6})
        self.assertIn("lm_eval_version", results)
        self.assertIn("pretty_env_info", results)

    def test_a_rescore_moves_the_group(self):
        self.lay_out()
        self.expect(0, *self.run_group())
        text = (self.folder / "tasks" / "hard.yaml").read_text()
        self.write("tasks/hard.yaml", text.replace("{metric: exact_match}", "{metric: exact_match, regexes_to_ignore: ['35', '9']}"))
        self.expect(0, "rescore", "1", "--include-path", self.folder / "tasks")
        (group,) = self.expect(0, "show", "1", "--json").json()["groups"]
        self.assertAlmostEqual(group["metrics"][0]["value"], 9 / 10)

    def test_a_group_is_shown_by_name(self):
        self.lay_out()
        self.expect(0, *self.run_group())
        samples = self.expect(0, "show", "1", "--task", "both", "--limit", "0", "--json").json()
        self.assertEqual(len(samples), 10)

    def test_unknown_aggregation_names_file_and_key(self):
        self.lay_out(extra="")
        text = (self.folder / "tasks" / "both.yaml").read_text()
        self.write("tasks/both.yaml", text.replace("weight_by_size: true", "aggregation: median"))
        outcome = self.expect(3, *self.run_group())
        self.assertIn("both.yaml", outcome.err)
        self.assertIn("aggregate_metric_list", outcome.err)
        self.assertIn("median", outcome.err)


if __name__ == "__main__":
    unittest.main()
