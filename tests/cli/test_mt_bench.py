"""MT-Bench: two turns through the runner, stored and resumed, waiting for a judge."""
import json
import unittest

from qeval_test import QevalTest, interrupt

HAIKU = "Rewrite your description as a haiku."
ANSWERS = {
    "default": "An answer.",
    "answers": [
        {"contains": HAIKU, "text": "White tower at dusk"},
        {"contains": "Describe a lighthouse", "text": "<think>A tower.</think>\n\nIt stands and shines."},
    ],
}


class MtBench(QevalTest):
    def run_mt_bench(self, code=0, script=ANSWERS, *more):
        return self.expect(code, *self.run_args("--no-tracker", *more, tasks="mt_bench", script=script))

    def samples(self):
        return self.expect(0, "show", "1", "--samples", "--limit", "0", "--json").json()

    def test_second_turn_sees_the_first_answer(self):
        self.run_mt_bench()
        samples = self.samples()
        self.assertEqual([len(s["requests"]) for s in samples], [2, 2, 2])
        first = samples[0]
        messages = first["requests"][1]["request"]["chat"]["messages"]
        self.assertEqual([m["role"] for m in messages], ["user", "assistant", "user"])
        self.assertEqual(messages[1]["content"], "It stands and shines.", "reasoning is not part of the conversation")
        self.assertEqual(messages[2]["content"], HAIKU)
        self.assertEqual(first["requests"][1]["response"]["text"], "White tower at dusk")

    def test_temperature_follows_the_category(self):
        self.run_mt_bench()
        wanted = {"writing": 0.7, "math": 0.0, "humanities": 0.1}
        for sample in self.samples():
            for request in sample["requests"]:
                self.assertEqual(request["request"]["sampling"]["temperature"], wanted[sample["sample"]["doc"]["category"]])

    def test_answers_wait_for_a_judge(self):
        outcome = self.run_mt_bench(0, ANSWERS, "--json").json()
        task = outcome["tasks"][0]
        self.assertEqual(task["status"], "pending")
        self.assertEqual({c["class"] for c in task["classes"]["none"]}, {"not_judged"})
        self.assertEqual(outcome["status"], "done")

    def test_a_failed_second_turn_is_asked_again_and_nothing_else(self):
        self.run_mt_bench(1, {**ANSWERS, "faults": {"4": "timeout"}})
        self.assertEqual(self.rows("select count(*) from responses"), [(5,)])
        # one request is missing now, so the fault planted for the fifth does not strike
        self.run_mt_bench(0, {**ANSWERS, "faults": {"4": "timeout"}})
        self.assertEqual(self.rows("select count(*) from responses"), [(6,)])
        self.assertEqual([len(s["requests"]) for s in self.samples()], [2, 2, 2])

    def test_interrupted_between_the_turns_it_goes_on(self):
        slow = {**ANSWERS, "latency_ms": 400}
        process = self.start(*self.run_args("--no-tracker", tasks="mt_bench", script=slow))
        while process.poll() is None and not self.stored():
            pass
        interrupt(process)
        process.communicate(timeout=30)
        self.assertEqual(process.returncode, 130)
        stored = self.stored()
        self.assertLess(stored, 6)
        self.run_mt_bench(0, slow)
        self.assertEqual(self.stored(), 6)

    def stored(self):
        try:
            return self.rows("select count(*) from responses")[0][0]
        except Exception:  # not created yet
            return 0

    def test_the_data_must_say_its_turns(self):
        data = self.folder / "data" / "mt_bench"
        self.write("data/mt_bench/question.jsonl", json.dumps({"question_id": 9, "category": "math", "turns": "one"}) + "\n")
        self.write("data/mt_bench/reference_answer_gpt-4.jsonl", "")
        outcome = self.qeval("run", "--model", "fake", "--engine", "fake", "--tasks", "mt_bench", "--data-dir", data.parent)
        self.assertEqual(outcome.code, 3, outcome.err)
        self.assertIn("turns", outcome.err)


if __name__ == "__main__":
    unittest.main()
