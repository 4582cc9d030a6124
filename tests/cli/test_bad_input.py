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
        self.assertIn("there is no command 'nonsense'", self.expect(2, "nonsense").err)
        self.assertIn("did you mean run?", self.expect(2, "rum").err)
        self.expect(2, "run", "--model", "x", "--engine", "fake")

    def test_unknown_task_names_near_ones(self):
        outcome = self.expect(3, *self.run_args(tasks="gsm8"))
        self.assertIn("gsm8k", outcome.err)

    def test_a_wrong_task_is_said_before_a_model_is_fetched(self):
        outcome = self.expect(3, "run", "--model", "hf:Nobody/Nothing", "--tasks", "gsm8", "--data-dir", FIXTURES)
        self.assertIn("gsm8k", outcome.err)
        outcome = self.expect(3, "run", "--model", "hf:Nobody/Nothing", "--tasks", "gsm8k", "--preset", "balance", "--data-dir", FIXTURES)
        self.assertIn("balanced", outcome.err)

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

    def test_samples_file(self):
        for text, part in (('{"gsm8k": ["a"]}', "no doc id"), ('[1]', "doc ids"), ('{"gsm8": [1]}', "did you mean gsm8k"),
                           ('{"gsm8k": [99]}', "no doc 99"), ('{"gsm8k": [', "samples.json")):
            path = self.write("samples.json", text)
            self.assertIn(part, self.expect(3, *self.run_args("--samples", path, tasks="gsm8k")).err)

    def test_store_on_a_read_only_disk(self):
        if os.geteuid() != 0:
            self.skipTest("needs root to mount")
        disk = self.folder / "disk"
        disk.mkdir()
        if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", disk]).returncode:
            self.skipTest("no tmpfs here")
        try:
            self.expect(0, *self.run_args("--no-tracker", "--store", disk / "q.db", tasks="gsm8k"))
            subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
            outcome = self.expect(4, *self.run_args("--no-tracker", "--store", disk / "q.db", tasks="mbpp", script={}))
            self.assertIn("q.db", outcome.err)
            self.assertIn("GSM8K", json.dumps(self.expect(0, "show", "1", "--json", "--store", disk / "q.db").json()),
                          "what is stored can still be read")
        finally:
            subprocess.run(["umount", "-l", disk])

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

    def test_missing_part_of_a_split_gguf(self):
        self.write("m-00001-of-00002.gguf", "GGUF")
        outcome = self.expect(3, "run", "--model", "m-00001-of-00002.gguf", "--tasks", "gsm8k", "--data-dir", FIXTURES)
        self.assertIn("m-0000", outcome.err)

    def test_rehash(self):
        self.write("m.gguf", "weights")
        first = self.qeval("doctor", "--rehash", "m.gguf", "--json").json()["sha256"]
        self.assertEqual((first["known"], first["changed"]), ("", False))
        again = self.qeval("doctor", "--rehash", "m.gguf", "--json").json()["sha256"]
        self.assertEqual((again["known"], again["changed"]), (first["sha256"], False))
        # a memory that lies, as after a file system that kept inode, size and times
        memory = self.folder / "cache" / "qeval" / "hashes.json"
        memory.write_text(memory.read_text().replace(first["sha256"], "0" * 64))
        outcome = self.expect(1, "doctor", "--rehash", "m.gguf")
        self.assertIn(first["sha256"], outcome.out)
        self.assertIn("it was taken for " + "0" * 64, outcome.out)
        self.assertEqual(self.qeval("doctor", "--rehash", "--json").json()["forgotten_hashes"], 1)
        self.assertFalse(memory.exists())
        self.assertIn("no such file", self.expect(3, "doctor", "--rehash", "nowhere.gguf").err)

    def test_unreachable_hub(self):
        outcome = self.expect(4, "run", "--model", "qwen2.5-0.5b-instruct", "--tasks", "gsm8k", "--data-dir", FIXTURES,
                              HF_HUB_OFFLINE="0", HF_ENDPOINT="http://127.0.0.1:9", HF_HOME=str(self.folder / "hf"))
        self.assertIn("127.0.0.1", outcome.err)


if __name__ == "__main__":
    unittest.main()
