"""What a run costs, as counts: models loaded, weights expanded once, batches that change numbers only within bounds."""
import os
import pathlib
import subprocess
import unittest

from qeval_test import BINARY, FIXTURES, MODEL, SOURCE, QevalTest, main


class Speed(QevalTest):
    def synthetic(self):
        path = self.folder / "tiny.gguf"
        self.expect(0, "model", "make", "--like", "qwen2.5-0.5b-instruct", "--layers", 2, "--width", 64, "--type", "Q4_0", "-o", path)
        return path

    def peak_mib(self, *args):
        process = subprocess.Popen([BINARY, *map(str, args)], cwd=self.folder, env=self.environment(), stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        return process.returncode, usage.ru_maxrss / 1024

    @unittest.skipUnless(MODEL, "QEVAL_TEST_GGUF names no file")
    def test_a_finished_run_loads_no_model(self):
        args = ["run", "--model", MODEL, "--tasks", "arc_challenge", "--limit", 2, "--data-dir", FIXTURES]
        code, first = self.peak_mib(*args)
        self.assertEqual(code, 0)
        code, again = self.peak_mib(*args)
        self.assertEqual(code, 0)
        # Weights, cache and buffers of this model are far more than 100 MiB.
        self.assertGreater(first - again, 100)

    def test_weights_are_expanded_once_and_never_silently(self):
        model = self.synthetic()
        args = ["run", "--model", model, "--tasks", "arc_challenge", "--data-dir", FIXTURES, "--json"]
        plain = self.expect(0, *args)
        expanded = self.expect(0, *args, "--weights-as", "bf16")
        self.assertIn("Q4_0 expanded to BF16", expanded.err)
        files = list((self.folder / "cache" / "qeval" / "weights").iterdir())
        self.assertEqual(len(files), 1)
        made = files[0].stat().st_mtime_ns
        again = self.expect(0, *args, "--weights-as", "bf16")
        self.assertIn("complete already", again.err)
        self.assertEqual(files[0].stat().st_mtime_ns, made)
        self.assertEqual(plain.json()["weights"]["quantization"], "Q4_0")
        weights = expanded.json()["weights"]
        self.assertEqual(weights["quantization"], "Q4_0 as BF16")
        self.assertNotEqual(weights["sha256"], plain.json()["weights"]["sha256"])
        # Two runs with weights of their own: nothing of the one was taken for the other.
        self.assertEqual(len(self.rows("select id from runs")), 2)
        self.expect(0, *args, "--weights-as", "as-is")
        self.assertEqual(len(self.rows("select id from runs")), 2)

    def test_a_run_says_how_full_its_batches_and_slots_were(self):
        model = self.synthetic()
        run = ["run", "--model", model, "--tasks", "arc_challenge,gsm8k", "--data-dir", FIXTURES, "--json"]
        performance = self.expect(0, *run, "--set", "max_num_seqs=2", "--set", "llama.n_ubatch=32").json()["performance"]
        for key, least in (("slot_use", 0.95), ("batch_fill", 0.9)):
            self.assertGreaterEqual(performance[key], least)
            self.assertLessEqual(performance[key], 1)

    def test_batching_is_compared_with_requests_alone(self):
        model = self.synthetic()
        out = self.expect(0, "selfcheck", "--batching", "--model", model, "--tasks", "arc_challenge,gsm8k", "--data-dir", FIXTURES,
                          "--limit", 6, "--json").json()
        alone, batched, shuffled = out["arms"]
        self.assertEqual([arm["name"] for arm in out["arms"]], ["alone", "batched", "shuffled"])
        self.assertGreater(alone["n_batches"], batched["n_batches"])
        self.assertGreater(alone["n_decoded_tokens"], batched["n_decoded_tokens"])
        for arm in (batched, shuffled):
            self.assertEqual(arm["n_failed"], 0)
            self.assertLess(arm["largest_nats"], 0.5)
            self.assertEqual(arm["n_changed"], sum(c["arm"] == arm["name"] for c in out["changed"]))
        self.assertEqual(alone["largest_nats"], 0)

    def test_answers_of_quantised_weights_hold_them_once(self):
        vocabulary = pathlib.Path(SOURCE) / ".deps/llama.cpp/models/ggml-vocab-qwen2.gguf"
        if not vocabulary.exists():
            self.skipTest("no vocabulary large enough")
        beyond, weights = {}, {}
        for type in ("BF16", "Q8_0"):
            model = self.folder / f"{type}.gguf"
            self.expect(0, "model", "make", "--like", "qwen2.5-0.5b-instruct", "--layers", 8, "--width", 896, "--vocab", vocabulary, "--type", type, "-o", model)
            performance = self.expect(0, "run", "--model", model, "--tasks", "gsm8k", "--data-dir", FIXTURES, "--limit", 1, "--store", f"{type}.db",
                                      "--gen-kwargs", "max_gen_toks=2", "--json").json()["performance"]
            weights[type] = performance["model_bytes"]
            beyond[type] = performance["peak_rss_bytes"] - weights[type] - performance["kv_bytes"]
        self.assertLess(beyond["Q8_0"], beyond["BF16"] + weights["Q8_0"] / 2)

    def test_memory_is_predicted_within_five_percent(self):
        qwen = pathlib.Path(SOURCE) / ".deps/llama.cpp/models/ggml-vocab-qwen2.gguf"  # 151,936 tokens: logits are most of the graph
        sizes = [(4, 256, "gsm8k", None, "BF16"), (8, 512, "arc_challenge", None, "BF16"), (6, 896, "arc_challenge,gsm8k", None, "BF16"),
                 (4, 512, "arc_challenge", None, "F32"), (6, 896, "arc_challenge", None, "Q8_0")]
        if qwen.exists():
            sizes += [(2, 128, "gsm8k", qwen, "BF16"), (2, 192, "arc_challenge", qwen, "BF16")]
        for layers, width, tasks, vocabulary, type in sizes:
            model = self.folder / f"{width}.{type}.gguf"
            self.expect(0, "model", "make", "--like", "qwen3-0.6b", "--layers", layers, "--width", width, "--type", type, "-o", model,
                        *(["--vocab", vocabulary] if vocabulary else []))
            p = self.expect(0, "run", "--model", model, "--tasks", tasks, "--limit", 2, "--data-dir", FIXTURES, "--gen-kwargs",
                            "max_gen_toks=16", "--set", "max_num_seqs=8", "--json").json()["performance"]
            measured = p["model_bytes"] + p["kv_bytes"] + p["compute_bytes"]
            self.assertAlmostEqual(measured / p["predicted"]["memory_bytes"], 1, delta=0.05, msg=f"{type} {width} {tasks} {p}")

    def test_batching_needs_a_model(self):
        outcome = self.expect(2, "selfcheck", "--batching")
        self.assertIn("--model", outcome.err)


if __name__ == "__main__":
    main()
