"""What a user does wrong is named: file, line, key, value, and what to do; the exit code says whose fault it is."""
import json
import os
import pathlib
import shutil
import subprocess
import unittest

from qeval_test import FIXTURES, MODEL, QevalTest


class BadInput(QevalTest):
    def test_usage(self):
        self.expect(2, "run")
        self.expect(2, "nonsense")
        self.expect(2, "run", "--model", "x", "--engine", "fake")

    def test_unknown_task_names_near_ones(self):
        outcome = self.expect(3, *self.run_args(tasks="gsm8"))
        self.assertIn("gsm8k", outcome.err)

    def test_unknown_model_names_near_ones(self):
        outcome = self.expect(3, "run", "--model", "qwen2.5-7b-instrct", "--tasks", "gsm8k", "--data-dir", FIXTURES)
        self.assertIn("qwen2.5-7b-instruct", outcome.err)

    def test_unknown_preset(self):
        outcome = self.expect(3, *self.run_args("--preset", "balance"))
        self.assertIn("balanced", outcome.err)

    def test_missing_gguf(self):
        outcome = self.expect(3, "run", "--model", "nowhere.gguf", "--tasks", "gsm8k", "--data-dir", FIXTURES)
        self.assertIn("nowhere.gguf", outcome.err)

    def test_truncated_gguf(self):
        if not MODEL:
            self.skipTest("no model in reach")
        with open(MODEL, "rb") as source:
            (self.folder / "cut.gguf").write_bytes(source.read(30_000_000))
        outcome = self.expect(3, "run", "--model", "cut.gguf", "--tasks", "arc_challenge", "--limit", "1", "--data-dir", FIXTURES)
        self.assertIn("cut.gguf", outcome.err)

    def task(self, text):
        self.write("tasks/mine.yaml", text)
        return self.run_args("--include-path", self.folder / "tasks", tasks="mine")

    def test_unknown_key(self):
        outcome = self.expect(3, *self.task("include: gsm8k.yaml\ntask: mine\ndoc_to_txt: x\n"))
        self.assertIn("mine.yaml", outcome.err)

    def test_hook_that_cannot_run(self):
        outcome = self.expect(3, *self.task(
            "task: mine\ndataset_path: json\ndataset_kwargs: {data_files: d.json}\ntest_split: train\n"
            "process_docs: !function utils.mine\ndoc_to_text: a\ndoc_to_target: b\n"))
        self.assertIn("utils.mine", outcome.err)

    def test_broken_json_line(self):
        data = self.folder / "data"
        shutil.copytree(FIXTURES, data)
        path = data / "gsm8k" / "test.jsonl"
        lines = path.read_text().splitlines()
        lines[2] = '{"question": "cut'
        path.write_text("\n".join(lines))
        args = ["run", "--model", "fake", "--engine", "fake", "--tasks", "gsm8k", "--data-dir", data]
        outcome = self.expect(3, *args)
        self.assertIn("test.jsonl", outcome.err)
        self.assertIn("3", outcome.err)
        self.assertIn("cut", outcome.err)

    def test_missing_data(self):
        empty = self.folder / "empty"
        empty.mkdir()
        outcome = self.qeval("run", "--model", "fake", "--engine", "fake", "--tasks", "gsm8k", "--data-dir", empty)
        self.assertIn(outcome.code, (3, 4))
        self.assertIn("gsm8k", outcome.err)
        self.assertIn("data pull", outcome.err)

    def test_template_error_names_the_doc(self):
        self.write("tasks/d.jsonl", '{"i": 0, "b": "y"}\n{"i": 3, "b": "y"}\n')
        outcome = self.expect(3, *self.task(
            "task: mine\ndataset_path: json\ndataset_kwargs:\n  data_files: {test: d.jsonl}\ntest_split: test\n"
            'output_type: generate_until\ndoc_to_text: "{{ [1][i] }}"\ndoc_to_target: "{{b}}"\n'))
        self.assertIn("doc 1", outcome.err)
        self.assertIn("mine", outcome.err)

    def test_read_only_store(self):
        if os.geteuid() == 0:
            self.skipTest("root writes everywhere")
        self.expect(0, *self.run_args("--no-tracker"))
        (self.folder / "qeval.db").chmod(0o444)
        outcome = self.expect(4, *self.run_args("--no-tracker", tasks="mbpp"))
        self.assertIn("qeval.db", outcome.err)

    def test_store_that_is_no_store(self):
        self.write("qeval.db", "not a database " * 100)
        outcome = self.qeval(*self.run_args("--no-tracker"))
        self.assertIn(outcome.code, (3, 4))
        self.assertIn("qeval.db", outcome.err)

    def test_full_disk(self):
        if os.geteuid() != 0:
            self.skipTest("needs root to mount a small file system")
        small = self.folder / "small"
        small.mkdir()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", small]).returncode:
            self.skipTest("no tmpfs here")
        try:
            outcome = self.qeval(*self.run_args("--no-tracker", "--store", small / "q.db", tasks="gsm8k",
                                                script={"default": "x" * 400_000}))
            self.assertEqual(outcome.code, 4, outcome.err)
            self.assertIn("q.db", outcome.err)
        finally:
            subprocess.run(["umount", "-l", small])

    def test_unreachable_hub(self):
        outcome = self.expect(4, "run", "--model", "qwen2.5-0.5b-instruct", "--tasks", "gsm8k", "--data-dir", FIXTURES,
                              HF_HUB_OFFLINE="0", HF_ENDPOINT="http://127.0.0.1:9", HF_HOME=str(self.folder / "hf"))
        self.assertIn("127.0.0.1", outcome.err)


if __name__ == "__main__":
    unittest.main()
