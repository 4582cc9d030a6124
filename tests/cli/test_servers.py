"""`--engine openai` and `bench` against a server: the test server, and a real llama-server where there is one."""
import json
import os
import pathlib
import signal
import subprocess
import time
import unittest
import urllib.request

from qeval_test import BINARY, DATA, MODEL, QevalTest, main

TEST_SERVER = os.environ.get("QEVAL_TEST_SERVER") or str(pathlib.Path(BINARY).parent / "tests" / "qeval_test_server")
LLAMA_SERVER = os.environ.get("QEVAL_LLAMA_SERVER", "")


class ServerTest(QevalTest):
    def serve(self, *args):
        if not os.path.exists(TEST_SERVER):
            self.skipTest("qeval_test_server is not built")
        process = subprocess.Popen([TEST_SERVER, *map(str, args)], stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.terminate)
        port = process.stdout.readline().strip()
        self.assertTrue(port.isdigit(), "the test server did not start")
        return process, f"http://127.0.0.1:{port}"

    def server_run(self, url, *more, tasks="gsm8k"):
        args = self.run_args(*more, tasks=tasks)
        args[args.index("fake")] = "test-model"
        args[args.index("fake")] = "openai"
        return [*args, "--base-url", url]

    def test_answers_are_stored_and_found_again(self):
        process, url = self.serve()
        first = self.expect(0, *self.server_run(url, "--json"))
        report = first.json()
        self.assertFalse(report["weights"]["verified"])
        self.assertGreater(report["performance"]["ttft_p50_s"], 0)
        self.assertGreater(report["performance"]["itl_p99_s"], 0)
        self.assertIn("declared", first.err)
        second = self.expect(0, *self.server_run(url))
        self.assertIn("complete already", second.err)
        self.assertIn("declared by the server, not verified", (self.folder / "TRACKER.md").read_text())
        # Another address may serve other weights under the same name.
        _, other = self.serve()
        third = self.expect(0, *self.server_run(other))
        self.assertNotIn("complete already", third.err)
        self.assertEqual(len(self.rows("SELECT id FROM runs")), 2)

    def test_key_goes_nowhere_but_into_the_header(self):
        _, url = self.serve("--key", "s3cret-key-value")
        denied = self.expect(4, *self.server_run(url))
        self.assertIn("OPENAI_API_KEY", denied.err)
        denied = self.expect(4, *self.server_run(url), OPENAI_API_KEY="other-s3cret")
        self.assertNotIn("other-s3cret", denied.err + denied.out)
        good = self.expect(0, *self.server_run(url), OPENAI_API_KEY="s3cret-key-value")
        for path in self.folder.rglob("*"):
            if path.is_file():
                self.assertNotIn(b"s3cret-key-value", path.read_bytes(), path)
        self.assertNotIn("s3cret-key-value", good.out + good.err)

    def test_what_cannot_pass_ends_at_once(self):
        _, url = self.serve()
        args = self.server_run(url)
        args[args.index("test-model")] = "no-such-model"
        unknown = self.expect(4, *args)
        self.assertIn("it has: test-model", unknown.err)
        self.assertIn("is a server running there?", self.expect(4, *self.server_run("http://127.0.0.1:9")).err)
        self.expect(2, *self.server_run("nonsense"))

    def test_choices_by_log_likelihood_or_by_letter(self):
        _, url = self.serve()
        scored = self.expect(0, *self.server_run(url, "--json", tasks="arc_challenge")).json()
        self.assertEqual([t["task"] for t in scored["tasks"]], ["arc_challenge"])
        _, plain = self.serve("--no-likelihoods")
        outcome = self.expect(0, *self.server_run(plain, "--json", tasks="arc_challenge"))
        self.assertEqual([t["task"] for t in outcome.json()["tasks"]], ["arc_challenge_gen"])
        self.assertIn("arc_challenge_gen runs instead", outcome.err)
        own = self.folder / "own"
        own.mkdir()
        (own / "both.yaml").write_text("group: both\ntask: [arc_challenge, gsm8k]\naggregate_metric_list: [{metric: acc}]\n")
        grouped = self.expect(0, *self.server_run(plain, "--json", "--include-path", own, tasks="both"))
        self.assertIn("both: no score for the group", grouped.err)
        self.assertEqual(grouped.json().get("groups", []), [])

    def test_a_server_that_dies_ends_the_run_and_it_goes_on_later(self):
        process, url = self.serve("--first-ms", 50, "--max-running", 1)
        run = self.start(*self.server_run(url, "--repeats", 20))
        deadline = time.time() + 60
        while time.time() < deadline and not (self.folder / "qeval.db").exists():
            time.sleep(0.05)
        time.sleep(0.5)
        run.send_signal(signal.SIGINT)
        out, err = run.communicate(timeout=60)
        self.assertEqual(run.returncode, 130, err)
        done = self.rows("SELECT count(*) FROM responses")[0][0]
        self.expect(0, *self.server_run(url, "--repeats", 20))
        total = self.rows("SELECT count(*) FROM responses")[0][0]
        process.terminate()
        counts = json.loads(process.communicate()[0].strip().splitlines()[-1])
        self.assertGreaterEqual(total, done)
        self.assertLess(counts["answered"], total + 70, "answered questions were asked again")

    def test_bench_closed_open_and_search(self):
        process, url = self.serve("--tokens", 5, "--interval-ms", 2, "--max-running", 8)
        base = ["bench", "--engine", "openai", "--base-url", url, "--model", "test-model", "--prompt-tokens", "20", "--output-tokens", "5"]
        closed = self.expect(0, *base, "--concurrency", "1,4", "--requests", 40, "--json").json()
        self.assertEqual([l["n_good"] for l in closed["levels"]], [40, 40])
        for level in closed["levels"]:
            self.assertEqual(level["n_new_tokens"], 200)
            self.assertEqual(level["itl"]["n"], 160)
            self.assertIn("foreign_load", level["hygiene"])
        stored = self.rows("SELECT task, n_docs FROM run_tasks ORDER BY id")
        self.assertEqual([n for _, n in stored], [40, 40])
        self.assertEqual(self.rows("SELECT count(*) FROM responses")[0][0], 80)
        opened = self.expect(0, *base, "--rate", "50", "--requests", 50, "--burstiness", "0.5", "--target", "e2e_p95<60s").out
        self.assertIn("e2e_p95<60s met", opened)
        table = self.expect(0, *base, "--concurrency", "2", "--requests", 10, "--markdown").out
        self.assertIn("| Load ", table)
        self.assertIn("client", table)
        found = self.expect(0, *base, "--target", "e2e_p95<60s", "--requests", 5, "--duration", 1, "--json")
        self.assertGreater(found.json()["highest_rate"]["met"], 0)
        self.expect(2, *base, "--target", "ttft<1")
        self.expect(2, *base, "--concurrency", "1", "--rate", "1")
        replay = self.expect(0, *base, "--replay", "1", "--concurrency", "2", "--requests", 10, "--json").json()
        self.assertEqual(replay["levels"][0]["n_good"], 10)

    def test_bench_scores_answers_under_load(self):
        outcome = self.expect(0, "bench", "--engine", "fake", "--model", "fake", "--tasks", "gsm8k", "--data-dir", str(pathlib.Path(os.environ.get("QEVAL_SOURCE_DIR", ".")) / "reference" / "fixtures"),
                              "--concurrency", "2", "--requests", 4, "--json").json()
        self.assertEqual(outcome["levels"][0]["score"], 0)


@unittest.skipUnless(LLAMA_SERVER and MODEL, "QEVAL_LLAMA_SERVER and QEVAL_TEST_GGUF name a real llama-server and a model")
class LlamaServerTest(QevalTest):
    def test_tracker_suite_end_to_end(self):
        if not DATA:
            self.skipTest("QEVAL_DATA_DIR names no data")
        port = 18000 + os.getpid() % 1000
        log = open(self.folder / "server.log", "w")
        server = subprocess.Popen([LLAMA_SERVER, "-m", MODEL, "--host", "127.0.0.1", "--port", str(port), "-np", "4", "-c", "8192", "-t", "1", "-a", "smollm2", "--metrics"],
                                  stdout=log, stderr=log)
        self.addCleanup(log.close)
        self.addCleanup(server.wait)
        self.addCleanup(server.terminate)
        url = f"http://127.0.0.1:{port}"
        for _ in range(600):
            try:
                urllib.request.urlopen(url + "/health", timeout=2).read()
                break
            except OSError:
                time.sleep(0.2)
        outcome = self.expect(0, "run", "--engine", "openai", "--base-url", url, "--model", "smollm2", "--suite", "tracker", "--limit", 2,
                              "--gen-kwargs", "max_gen_toks=48", "--data-dir", DATA, "--json", timeout=1500)
        report = outcome.json()
        names = [t["task"] for t in report["tasks"]]
        self.assertIn("arc_challenge_gen", names)
        self.assertIn("hellaswag_gen", names)
        self.assertIn("gsm8k_cot_zeroshot", names)
        for task in report["tasks"]:
            if task["task"] not in ("arc_challenge_gen", "hellaswag_gen", "gsm8k_cot_zeroshot", "humaneval_instruct", "mbpp_instruct"):
                continue
            self.assertEqual(task["n_infrastructure"], 0, task["task"])
            self.assertEqual(task["n_docs"], 2)
        self.assertGreater(report["performance"]["generated_tok_s"], 0)


if __name__ == "__main__":
    main()
