"""qeval judge: ratings into the run and the tracker, comparisons in both orders, planted pairs, FastChat's files."""
import json
import unittest

from qeval_test import FIXTURES, QevalTest

ANSWERS = {"default": "An answer.", "answers": [{"contains": "lighthouse", "text": "It stands and shines."}]}
OTHER = {"default": "A different answer."}
# The judge rates the second turn of the humanities question unreadably.
JUDGE = {
    "default": "Good. Rating: [[7]]",
    "answers": [
        {"contains": "Name one town", "text": "I would rather not say."},
        {"contains": "Rewrite your description", "text": "Fine. [[5]]"},
        {"contains": "lighthouse", "text": "<think>maybe [[1]]</think>Lovely. Rating: [[9]]"},
    ],
}


class Judge(QevalTest):
    def answered(self, script=ANSWERS):
        self.expect(0, *self.run_args("--no-tracker", tasks="mt_bench", script=script))

    def judge(self, *args, script=JUDGE, code=0):
        path = self.write("judge.json", json.dumps(script))
        return self.expect(code, "judge", *args, "--judge", f"fake:{path}", "--data-dir", FIXTURES)

    def rated(self, *args, run=None, **extra):
        (newest,) = self.rows("select max(r.id) from runs r where r.suite <> 'judge'")[0]
        return self.judge(str(run or newest), "--json", "--ask-twice", "3", *args, **extra).json()

    def metric(self, summary, name):
        return [m for m in summary["metrics"] if m["metric"] == name][0]

    def test_ratings_with_the_judges_identity(self):
        self.answered()
        out = self.rated()
        summary = out["summary"]
        # [[9]] and [[5]], [[7]] twice, [[7]] and one unreadable
        self.assertAlmostEqual(self.metric(summary, "rating")["value"], (9 + 5 + 7 + 7 + 7) / 5)
        self.assertAlmostEqual(self.metric(summary, "rating_turn_1")["value"], (9 + 7 + 7) / 3)
        self.assertAlmostEqual(self.metric(summary, "rating_turn_2")["value"], (5 + 7) / 2)
        judge = summary["judge"]
        self.assertEqual((judge["n_asked"], judge["n_unreadable"], judge["n_failed"]), (6, 1, 0))
        self.assertGreater(judge["n_again"], 0)
        self.assertEqual(judge["n_again"], judge["n_again_equal"])
        self.assertEqual(len(judge["prompts_sha256"]), 64)
        self.assertAlmostEqual(judge["categories"]["writing"]["rating"], 7)
        tracker = (self.folder / "TRACKER.md").read_text()
        self.assertIn("7.00 of 10", tracker)
        self.assertIn("judge not checked", tracker)
        self.assertNotIn("Judge: ratings", tracker, "what a judge did is no result of its own")

    def test_the_judge_sees_question_answer_and_reference(self):
        self.answered()
        self.rated()
        prompts = {}
        for s in self.expect(0, "show", "2", "--samples", "--limit", "0", "--json").json():
            doc = s["sample"]["doc"]
            prompts[doc["question_id"], doc["turn"]] = s["requests"][0]["request"]
        text = prompts[2, 1]["chat"]["messages"][-1]["content"]
        for part in ("A crate holds 12 jars", "12 × 5 = 60 jars.", "An answer."):
            self.assertIn(part, text)
        self.assertIn("(12 − 3) × 5 = 45 jars.", prompts[2, 2]["chat"]["messages"][-1]["content"])
        self.assertNotIn("Reference", prompts[1, 1]["chat"]["messages"][-1]["content"])
        self.assertEqual(prompts[1, 1]["sampling"]["temperature"], 0)
        self.assertEqual(prompts[1, 1]["max_new_tokens"], 2048)

    def test_again_asks_nothing_and_another_judge_rates_anew(self):
        self.answered()
        self.rated()
        before = self.rows("select count(*) from responses")
        self.rated()
        self.assertEqual(self.rows("select count(*) from responses"), before)
        other = self.rated(script={"default": "[[2]]"})
        self.assertAlmostEqual(self.metric(other["summary"], "rating")["value"], 2)

    def test_a_failing_judge_is_no_rating_of_zero_and_is_asked_again(self):
        self.answered()
        faulty = {**JUDGE, "faults": {"0": "rate_limited", "1": "timeout"}}
        out = self.rated(script=faulty, code=1)
        self.assertEqual(out["summary"]["judge"]["n_failed"], 2)
        self.assertGreater(self.metric(out["summary"], "rating")["value"], 4)
        again = self.rated(script=faulty, code=1)  # two are missing now, and the faults strike again
        self.assertEqual(again["summary"]["judge"]["n_failed"], 2)

    def test_rescore_keeps_the_ratings(self):
        self.answered()
        self.rated()
        self.expect(0, "rescore", "--all", "--data-dir", FIXTURES)
        shown = self.expect(0, "show", "1", "--json").json()["tasks"][0]
        self.assertAlmostEqual(self.metric(shown, "rating")["value"], 7)

    def test_two_runs_in_both_orders(self):
        self.answered()
        self.answered(OTHER)
        first = {"default": "[[A]]"}
        out = self.judge("1", "--against", "2", "--json", script=first).json()["result"]
        # the judge always prefers the first position: every pair disagrees and is a tie
        self.assertEqual((out["n"], out["n_tie"], out["n_disagree"], out["n_first_position"]), (6, 6, 6, 6))
        self.assertAlmostEqual(out["win_rate"], 0.5)
        fair = {"default": "[[C]]", "answers": [
            {"contains": "Assistant A's Answer]\nA different", "text": "[[B]]"},
            {"contains": "Assistant A's Answer]\n", "text": "[[A]]"}]}
        out = self.judge("1", "--against", "2", "--json", script=fair).json()["result"]
        self.assertEqual((out["n_first"], out["n_second"], out["n_tie"]), (3, 0, 3))
        compared = (self.folder / "TRACKER.md").read_text().split("### Compared by a Judge")[1].split("---\n\n##")[0]
        self.assertRegex(compared, r"\| run 1: .*\| run 2: .*\| +0 \| +0 \| +6 \|.*6 of 6")
        self.assertRegex(compared, r"\| run 1: .*\| run 2: .*\| +3 \| +0 \| +3 \|")

    def test_planted_pairs_show_a_biased_judge(self):
        out = self.judge("--check", "--json", script={"default": "[[A]]"}).json()["check"]
        self.assertAlmostEqual(out["right"]["value"], 0.5)
        self.assertEqual(out["first_when_same"]["value"], 1)
        self.assertEqual(out["consistent"]["value"], 0)
        self.assertIn("NOT TO BE TRUSTED", self.judge("--check", script={"default": "[[A]]"}).out)
        mute = self.judge("--check", "--json", script={"default": "hm"}).json()["check"]
        self.assertEqual(mute["n_unreadable"], mute["n_asked"])

    def test_the_check_goes_with_the_ratings_of_that_judge(self):
        ties = self.judge("--check", "--json", script={"default": "[[C]]"}).json()["check"]
        self.assertEqual((ties["tie_when_same"]["value"], ties["right"]["value"], ties["consistent"]["value"]), (1, 0, 1))
        self.answered()
        self.assertEqual(self.rated()["summary"]["judge"]["check"], "", "another judge was checked")
        self.judge("--check", script=JUDGE)
        self.assertIn("unreadable", self.rated("--fresh")["summary"]["judge"]["check"])

    def test_answers_made_elsewhere(self):
        lines = [{"question_id": q, "model_id": "elsewhere", "choices": [{"index": 0, "turns": ["One.", "Two."]}]} for q in (1, 2, 3)]
        file = self.write("elsewhere.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
        out = self.judge("--answers", file, "--json", "--ask-twice", "0", script={"default": "[[6]]"}).json()
        self.assertAlmostEqual(self.metric(out["summary"], "rating")["value"], 6)
        self.assertIn("elsewhere", (self.folder / "TRACKER.md").read_text())
        runs = self.rows("select count(*) from runs")
        self.judge("--answers", file, "--ask-twice", "0", script={"default": "[[6]]"})
        self.assertEqual(self.rows("select count(*) from runs"), runs, "the same file is the same run")

    def test_broken_answer_files_name_the_line(self):
        bad = {"two answers": '{"question_id": 1, "model_id": "m", "choices": [{"turns": ["a", "b"]}]}\n' * 2,
               "no turns": '{"question_id": 1, "model_id": "m", "choices": []}\n',
               "unknown question": '{"question_id": 77, "model_id": "m", "choices": [{"turns": ["a", "b"]}]}\n',
               "one turn": '{"question_id": 1, "model_id": "m", "choices": [{"turns": ["a"]}]}\n', "no JSON": "{\n", "empty": ""}
        for what, text in bad.items():
            file = self.write("bad.jsonl", text)
            outcome = self.qeval("judge", "--answers", file, "--data-dir", FIXTURES)
            self.assertEqual(outcome.code, 3, what + outcome.err)
            self.assertIn("bad.jsonl", outcome.err, what)

    def test_our_answers_for_others(self):
        self.answered()
        self.expect(0, "judge", "1", "--export-answers", "mine.jsonl")
        lines = [json.loads(line) for line in (self.folder / "mine.jsonl").read_text().splitlines()]
        self.assertEqual([line["question_id"] for line in lines], [1, 2, 3])
        self.assertEqual(lines[1]["choices"][0]["turns"], ["An answer.", "An answer."])
        back = self.expect(0, "judge", "--answers", "mine.jsonl", "--data-dir", FIXTURES)
        self.assertIn("kept as run 2", back.err)

    def test_usage(self):
        self.answered()
        self.assertIn("--judge is missing", self.expect(2, "judge", "1").err)
        self.expect(2, "judge")
        self.expect(2, "judge", "1", "--check", "--judge", "fake:")
        self.assertIn("no run 9", self.judge("9", code=3).err)
        self.expect(0, *self.run_args("--no-tracker", tasks="gsm8k", script=ANSWERS))
        self.assertIn("no answers that wait for a judge", self.judge("2", code=3).err)


if __name__ == "__main__":
    unittest.main()
