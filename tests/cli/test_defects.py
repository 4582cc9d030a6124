"""Defects planted into task files: selfcheck must fail on each, and pass on the unchanged copy."""
import unittest

from qeval_test import SOURCE, QevalTest

GSM8K = SOURCE / "tasks" / "gsm8k" / "gsm8k.yaml"
ZEROSHOT = SOURCE / "tasks" / "gsm8k" / "gsm8k_cot_zeroshot.yaml"
ARC = SOURCE / "tasks" / "arc" / "arc_easy.yaml"
PIQA = SOURCE / "tasks" / "piqa" / "piqa.yaml"

DEFECTS = [
    ("filter pattern", "gsm8k", GSM8K, r"'#### (\-?[0-9\.\,]+)'", r"'### (\-?[0-9\.\,]+) '"),
    ("first match instead of the last", "gsm8k", GSM8K, "group_select: -1", "group_select: 0"),
    ("stop string inside the answer", "gsm8k", GSM8K, '["Question:",', '["#### ", "Question:",'),
    ("stop string missing", "gsm8k", GSM8K, '["Question:",', '["Frage:",'),
    ("commas kept", "gsm8k", GSM8K, "[',', '\\$',", "['\\$',"),
    ("gold not reduced to its number", "gsm8k", GSM8K, "'(?s).*#### ', ", ""),
    ("prompt wording", "gsm8k", GSM8K, "Question: {{question}}", "Q: {{question}}"),
    ("fewer examples", "gsm8k", GSM8K, "num_fewshot: 5", "num_fewshot: 4"),
    ("other examples", "gsm8k", GSM8K, "num_fewshot: 5", "num_fewshot: 5\nfewshot_config: {sampler: first_n}"),
    ("few-shot delimiter", "gsm8k", GSM8K, "num_fewshot: 5", 'num_fewshot: 5\nfewshot_delimiter: "\\n"'),
    ("target delimiter", "gsm8k", GSM8K, "num_fewshot: 5", 'num_fewshot: 5\ntarget_delimiter: ""'),
    ("description", "gsm8k", GSM8K, "num_fewshot: 5", 'num_fewshot: 5\ndescription: "Think. "'),
    ("token limit", "gsm8k", GSM8K, "  do_sample: false", "  do_sample: false\n  max_gen_toks: 8"),
    ("sampling instead of greedy", "gsm8k", GSM8K, "  do_sample: false\n  temperature: 0.0", "  do_sample: true\n  temperature: 1.0"),
    ("answer never extracted", "gsm8k_cot_zeroshot", ZEROSHOT, "The answer is", "The final answer is"),
    ("step-by-step cue lost", "gsm8k_cot_zeroshot", ZEROSHOT, " Let's think step by step.", ""),
    ("gold index off by one", "arc_easy", ARC, "{{choices.label.index(answerKey)}}", "{{(choices.label.index(answerKey) + 1) % (choices.label | length)}}"),
    ("choices reversed", "arc_easy", ARC, '"{{choices.text}}"', '"{{choices.text[::-1]}}"'),
    ("template without the question's label", "arc_easy", ARC, "Question: {{question}}\\nAnswer:", "{{question}}\\nAnswer:"),
    ("gold always first", "piqa", PIQA, 'doc_to_target: label', 'doc_to_target: "{{0}}"'),
]


class Defects(QevalTest):
    def selfcheck(self, task, source, text):
        self.write(f"tasks/{source.name}", text)
        return self.qeval("selfcheck", "--fixtures-only", "--tasks", task, "--include-path", self.folder / "tasks")

    def test_unchanged_copies_pass(self):
        for task, source in {(d[1], d[2]) for d in DEFECTS}:
            outcome = self.selfcheck(task, source, source.read_text())
            self.assertEqual(outcome.code, 0, f"{task}: {outcome.out}{outcome.err}")

    def test_every_planted_defect_is_found(self):
        self.assertGreaterEqual(len(DEFECTS), 15)
        for name, task, source, good, bad in DEFECTS:
            with self.subTest(defect=name):
                text = source.read_text()
                self.assertIn(good, text)
                outcome = self.selfcheck(task, source, text.replace(good, bad))
                self.assertEqual(outcome.code, 1, f"{name}: {outcome.out}{outcome.err}")
                self.assertIn("FAILED", outcome.out)


if __name__ == "__main__":
    unittest.main()
