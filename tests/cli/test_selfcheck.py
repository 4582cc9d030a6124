"""selfcheck proves every built-in task, and says so where nothing proves one."""
import unittest

from qeval_test import FIXTURES, QevalTest


class Selfcheck(QevalTest):
    def test_every_built_in_task_is_proven(self):
        built_in = {t["name"] for t in self.expect(0, "tasks", "--json").json() if t["kind"] == "task"}
        self.assertGreater(len(built_in), 80)
        outcome = self.qeval("selfcheck", "--fixtures-only", "--json", "--unsafe-code")
        result = outcome.json()
        failed = [(i["task"], i["check"], i["expected"], i["found"]) for i in result["items"] if not i["passed"] and not i["not_checked"]]
        self.assertEqual(failed, [])
        self.assertEqual({i["task"] for i in result["items"]}, built_in)
        for task in built_in:
            checks = {i["check"] for i in result["items"] if i["task"] == task}
            self.assertIn("prompts", checks, task)
            if checks == {"prompts", "calls"}:
                self.assertRegex(task, "^bfcl_multi_turn_")  # the benchmark's own tools are not here
                continue
            self.assertTrue(checks >= {"gold", "empty"} or checks >= {"gold", "silent", "do-nothing"} or checks >= {"gold-highest", "gold-lowest", "constant"}, f"{task}: {checks}")

    def test_groups_and_tags_stand_for_their_tasks(self):
        items = self.expect(0, "selfcheck", "--fixtures-only", "--tasks", "mmlu_stem,mmlu_anatomy", "--json").json()["items"]
        tasks = {i["task"] for i in items}
        self.assertIn("mmlu_abstract_algebra", tasks)
        self.assertNotIn("mmlu_stem", tasks)
        prompts = [i for i in items if i["check"] == "prompts" and i["task"] == "mmlu_anatomy"]
        self.assertEqual(len(prompts), 1, "named twice, checked once")

    def test_a_task_that_nothing_proves_has_failed(self):
        self.write("tasks/mine.yaml", "include: gsm8k.yaml\ntask: mine\n")
        self.write("tasks/gsm8k.yaml", (FIXTURES.parent.parent / "tasks" / "gsm8k" / "gsm8k.yaml").read_text())
        outcome = self.expect(1, "selfcheck", "--fixtures-only", "--tasks", "mine", "--include-path", self.folder / "tasks")
        self.assertIn("FAILED", outcome.out)
        self.assertIn("selfcheck.yaml", outcome.out)

    def test_unknown_name(self):
        self.assertIn("did you mean", self.expect(3, "selfcheck", "--tasks", "gsm8").err)


if __name__ == "__main__":
    unittest.main()
