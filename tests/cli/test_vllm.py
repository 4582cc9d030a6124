"""The vllm engine from outside: with a stand-in for every way to fail, and with a real vLLM where one is given.

QEVAL_TEST_VLLM (program or venv) and QEVAL_TEST_HF_MODEL (folder with SmolLM2 in Hugging Face layout) run the real part.
"""
import json
import os
import pathlib
import signal
import unittest

from qeval_test import DATA, FIXTURES, SOURCE, QevalTest, interrupt

FAKE = SOURCE / "tests" / "support" / "fake_vllm.py"
REAL = os.environ.get("QEVAL_TEST_VLLM", "")
REAL_MODEL = os.environ.get("QEVAL_TEST_HF_MODEL", "")
PARITY = os.environ.get("QEVAL_PARITY_DIR", "")
CONFIG = {"model_type": "qwen2", "num_hidden_layers": 2, "hidden_size": 64, "num_attention_heads": 4, "num_key_value_heads": 2,
          "intermediate_size": 128, "vocab_size": 300, "max_position_embeddings": 4096, "torch_dtype": "bfloat16"}


def alive(pid):
    try:
        state = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


class FakeVllm(QevalTest):
    def setUp(self):
        super().setUp()
        self.marks = self.folder / "marks"
        self.marks.mkdir()
        self.write("model/config.json", json.dumps(CONFIG))
        self.write("model/tokenizer.json", "{}")
        self.write("model/tokenizer_config.json", '{"chat_template": "x"}')
        self.write("model/model.safetensors", "weights")
        self.addCleanup(self.end_servers)

    def end_servers(self):
        for pid in self.pids():
            if alive(pid):
                os.kill(pid, signal.SIGKILL)

    def lines(self, name):
        path = self.marks / name
        return path.read_text().splitlines() if path.exists() else []

    def starts(self):
        return [json.loads(line) for line in self.lines("starts")]

    def pids(self):
        return [s["pid"] for s in self.starts()] + [int(w) for w in self.lines("workers")]

    def none_left(self):
        self.wait_for(lambda: not any(map(alive, self.pids())), 30)

    def environment(self, **extra):
        return super().environment(FAKE_VLLM_DIR=str(self.marks), **extra)

    def args(self, *more, tasks="gsm8k"):
        return ["run", "--engine", "vllm", "--vllm", FAKE, "--model", self.folder / "model", "--tasks", tasks, "--data-dir", FIXTURES, *more]


class Starts(FakeVllm):
    def test_tools_stand_in_the_prompt_unless_vllm_can_read_the_models_calls(self):
        self.assertIn("tool mode prompt", self.expect(0, *self.args(tasks="bfcl_simple_python")).out)
        parser = ["--set", "vllm.enable_auto_tool_choice=true", "--set", "vllm.tool_call_parser=hermes"]
        self.assertIn("tool mode native", self.expect(0, *self.args(*parser, tasks="bfcl_simple_python")).out)

    def test_bench_starts_one_server_with_the_presets_bound_and_stops_it(self):
        report = self.expect(0, "bench", "--engine", "vllm", "--vllm", FAKE, "--model", self.folder / "model", "--concurrency", "1,2",
                             "--requests", 6, "--prompt-tokens", 20, "--output-tokens", 4, "--json").json()
        self.assertEqual([level["n_good"] for level in report["levels"]], [6, 6])
        self.assertEqual(report["engine"], "vllm")
        self.assertEqual(len(self.starts()), 1)
        args = self.starts()[0]["args"]
        self.assertEqual(args[args.index("--max-num-seqs") + 1], "64")
        self.none_left()

    def test_a_run_starts_one_server_for_all_tasks_and_stops_it(self):
        outcome = self.expect(0, *self.args("--json", tasks="gsm8k,arc_challenge"))
        tasks = {t["task"]: t for t in outcome.json()["tasks"]}
        self.assertEqual(tasks["gsm8k"]["metrics"][0]["n"], 4)
        self.assertEqual(tasks["arc_challenge"]["metrics"][0]["n"], 4)
        self.assertEqual(len(self.starts()), 1)
        args = self.starts()[0]["args"]
        self.assertEqual(args[args.index("--host") + 1], "127.0.0.1")
        self.assertEqual(args[args.index("--max-model-len") + 1], "4096")
        self.assertIn("--enable-prefix-caching", args)
        self.assertTrue(int(self.starts()[0]["kv"]) >= 1, "a CPU build gets its KV room")
        self.none_left()
        self.assertEqual(list((self.folder / "cache" / "qeval" / "vllm").glob("server-*.json")), [])
        # The record says what was started; the monitor saw the server's own counters.
        (environment,) = self.rows("select environment from runs")[0]
        self.assertEqual(json.loads(environment)["engine"]["name"], "vllm")
        self.assertRegex(json.loads(environment)["engine"]["device"], r"^CPU \(.+\)$")
        self.assertEqual(json.loads(environment)["engine"]["settings"]["max-num-seqs"], 64)
        (performance,) = self.rows("select performance from runs")[0]
        self.assertEqual(json.loads(performance)["server"]["running_peak"], 3)
        self.assertIn("its own counters", (self.folder / "TRACKER.md").read_text())

    def test_dry_run_shows_the_command_and_starts_nothing(self):
        plan = self.expect(0, *self.args("--dry-run", "--preset", "memory_optimized", "--set", "vllm.enforce_eager=true")).json()
        command = plan["engine_details"]["command"]
        for part in ("serve", "--no-enable-prefix-caching", "--max-num-seqs 32", "--gpu-memory-utilization 0.7", "--enforce-eager", "VLLM_CPU_KVCACHE_SPACE="):
            self.assertIn(part, command)
        self.assertEqual(self.starts(), [])
        self.assertFalse((self.folder / "qeval.db").exists())

    def test_the_help_is_asked_once(self):
        self.expect(0, *self.args("--dry-run"))
        self.expect(0, *self.args("--dry-run"))
        self.assertEqual(len(self.lines("helps")), 1)

    def test_flags_that_cannot_be_are_said_before_anything_starts(self):
        for setting, words in (("vllm.swap_space=4", "kv-offloading-size"), ("vllm.max_num_seq=4", "--max-num-seqs"), ("vllm.host=0.0.0.0", "loopback")):
            outcome = self.expect(2, *self.args("--set", setting))
            self.assertIn(words, outcome.err)
        self.assertEqual(self.starts(), [])

    def test_a_model_that_is_not_there(self):
        (self.folder / "model" / "config.json").unlink()
        self.assertIn("no config.json", self.expect(3, *self.args()).err)

    def test_no_vllm(self):
        args = self.args()
        args[args.index("--vllm") + 1] = self.folder
        self.assertIn("bin/vllm", self.expect(4, *args).err)
        without = [a for i, a in enumerate(args) if a != "--vllm" and args[i - 1] != "--vllm"]
        self.assertIn("pip install vllm", self.expect(4, *without, PATH="/usr/bin:/bin").err)


class Failures(FakeVllm):
    def failed(self, mode, *more):
        outcome = self.expect(4, *self.args(*more), FAKE_VLLM_MODE=mode)
        self.assertIn("did not start", outcome.err)
        self.assertIn("log: ", outcome.err)
        log = pathlib.Path(outcome.err.split("log: ")[1].splitlines()[0])
        self.assertTrue(log.exists(), "the log stays")
        self.none_left()
        self.assertEqual(list((self.folder / "cache" / "qeval" / "vllm").glob("server-*.json")), [])
        return outcome.err

    def test_out_of_memory(self):
        err = self.failed("oom")
        self.assertIn("reason: out of memory: torch.OutOfMemoryError", err)
        self.assertIn("memory_optimized", err)

    def test_bad_flag(self):
        self.assertIn("unrecognized arguments: --frobnicate 3", self.failed("bad_flag"))

    def test_missing_files(self):
        self.assertIn("the model's files are missing", self.failed("missing"))

    def test_port_in_use(self):
        err = self.failed("port")
        self.assertIn("the port is in use", err)
        self.assertEqual(len(self.starts()), 2, "another port is tried once")
        ports = [s["args"][s["args"].index("--port") + 1] for s in self.starts()]
        self.assertNotEqual(*ports)

    def test_a_port_that_was_taken_meanwhile_is_no_failure(self):
        self.expect(0, *self.args(), FAKE_VLLM_MODE="port_once")
        self.assertEqual(len(self.starts()), 2)
        self.none_left()

    def test_an_end_without_words(self):
        self.assertIn("exit code 3", self.failed("exit"))

    def test_killed_by_the_kernel(self):
        self.assertIn("out of memory", self.failed("killed"))

    def test_a_start_that_never_ends(self):
        self.assertIn("not ready after 3 s", self.failed("hang_after_load", "--set", "vllm.start_timeout_s=3"))

    def test_a_start_that_says_nothing(self):
        self.assertIn("nothing new in its log for 2 s", self.failed("silent", "--set", "vllm.stall_timeout_s=2"))


class Ends(FakeVllm):
    def start_slow(self, **extra):
        process = self.start(*self.args(), FAKE_VLLM_SLOW="0.7", **extra)
        self.wait_for(lambda: self.lines("requests"))
        return process

    def test_interrupt_and_terminate_leave_nothing(self):
        for signal_number in (signal.SIGINT, signal.SIGTERM):
            process = self.start(*self.args("--fresh"), FAKE_VLLM_SLOW="5")
            self.wait_for(lambda: self.lines("requests"))
            process.send_signal(signal_number)
            _, err = process.communicate(timeout=60)
            self.assertEqual(process.returncode, 130, err)
            self.none_left()
            (self.marks / "requests").unlink()

    def test_interrupt_while_it_starts(self):
        process = self.start(*self.args(), FAKE_VLLM_MODE="hang_after_load")
        self.wait_for(self.starts)
        interrupt(process)
        _, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130, err)
        self.none_left()

    def test_interrupt_while_vllm_is_asked_for_its_options(self):
        process = self.start(*self.args(), FAKE_VLLM_MODE="slow_help")
        self.wait_for(lambda: (self.marks / "helps").exists() and (self.marks / "helps").read_text().endswith("\n"))
        interrupt(process)
        _, err = process.communicate(timeout=30)
        self.assertEqual(process.returncode, 130, err)
        self.wait_for(lambda: not alive(int((self.marks / "helps").read_text())), 30)
        self.none_left()

    def test_a_second_interrupt_takes_the_server_along(self):
        process = self.start(*self.args(), FAKE_VLLM_MODE="hang_after_load")
        self.wait_for(self.starts)
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130)
        self.none_left()

    def test_a_killed_qevals_server_is_taken_over(self):
        process = self.start(*self.args(), FAKE_VLLM_SLOW="3")
        self.wait_for(lambda: self.lines("requests"))
        process.kill()
        process.communicate()
        self.assertTrue(alive(self.starts()[0]["pid"]), "nobody was there to stop it")
        outcome = self.expect(0, *self.args())
        self.assertIn("took over", outcome.err)
        self.assertEqual(len(self.starts()), 1)
        self.none_left()

    def test_a_killed_qevals_server_is_stopped_where_another_is_wanted(self):
        process = self.start(*self.args(), FAKE_VLLM_SLOW="3")
        self.wait_for(lambda: self.lines("requests"))
        process.kill()
        process.communicate()
        first = self.pids()
        outcome = self.expect(0, *self.args("--preset", "performance"))
        self.assertIn("left behind", outcome.err)
        self.assertFalse(any(map(alive, first)))
        self.assertEqual(len(self.starts()), 2)
        self.none_left()

    def test_another_qevals_server_is_left_alone(self):
        first = self.start(*self.args(), FAKE_VLLM_SLOW="2")
        self.wait_for(lambda: self.lines("requests"))
        pid = self.starts()[0]["pid"]
        self.expect(0, *self.args("--store", "other.db", "--no-tracker"))
        self.assertEqual(len(self.starts()), 2)
        self.assertTrue(alive(pid))
        _, err = first.communicate(timeout=120)
        self.assertEqual(first.returncode, 0, err)
        self.none_left()

    def test_a_server_that_dies_is_started_once_more_and_nothing_is_lost(self):
        for mode in ("die_after:12", "engine_dead_after:12"):
            outcome = self.expect(0, *self.args("--fresh", "--json", tasks="gsm8k,arc_challenge"), FAKE_VLLM_MODE=mode)
            self.assertIn("starting it once more", outcome.err)
            self.assertEqual(len(self.starts()), 2)
            for task in outcome.json()["tasks"]:
                self.assertEqual((task["n_infrastructure"], task["metrics"][0]["n"]), (0, 4))
            self.none_left()
            for name in ("starts", "workers", "requests"):
                (self.marks / name).unlink()

    def test_one_that_dies_again_fails_the_rest_which_the_same_command_asks_again(self):
        outcome = self.expect(1, *self.args("--json", tasks="arc_challenge"), FAKE_VLLM_MODE="die_after:10", FAKE_VLLM_ALWAYS_DIES="1")
        failed = outcome.json()["tasks"][0]["n_infrastructure"]
        self.assertGreater(failed, 0)
        self.assertEqual(len(self.starts()), 2)
        self.none_left()
        again = self.expect(0, *self.args("--json", tasks="arc_challenge")).json()
        self.assertEqual(again["tasks"][0]["n_infrastructure"], 0)
        self.assertEqual(again["tasks"][0]["metrics"][0]["n"], 4)


@unittest.skipUnless(REAL and REAL_MODEL, "no real vLLM: set QEVAL_TEST_VLLM and QEVAL_TEST_HF_MODEL")
class RealVllm(QevalTest):
    def environment(self, **extra):
        return super().environment(OMP_WAIT_POLICY="passive", **extra)

    def args(self, *more):
        return ["run", "--engine", "vllm", "--vllm", REAL, "--model", REAL_MODEL, "--data-dir", DATA, "--set", "max_model_len=2048",
                "--set", "vllm.enforce_eager=true", "--set", "vllm.dtype=float32", *more]

    @unittest.skipUnless(DATA and PARITY, "no data: set QEVAL_DATA_DIR and QEVAL_PARITY_DIR")
    def test_log_likelihoods_agree_with_lm_eval(self):
        n = int(os.environ.get("QEVAL_TEST_VLLM_DOCS", "200"))
        self.expect(0, *self.args("--tasks", "arc_challenge", "--limit", n, "--output-path", "out"), timeout=3600)
        (file,) = (self.folder / "out").rglob("samples_arc_challenge_*.jsonl")
        ours = {s["doc_id"]: s for s in map(json.loads, file.read_text().splitlines())}
        theirs = [json.loads(line) for line in (pathlib.Path(PARITY) / "arc_challenge.samples.jsonl").read_text().splitlines()][:n]
        differences, changed = [], 0
        for doc in theirs:
            a = [float(r[0][0]) for r in doc["resps"]]
            b = [float(r[0][0]) for r in ours[doc["doc_id"]]["resps"]]
            differences += [abs(x - y) for x, y in zip(a, b)]
            changed += a.index(max(a)) != b.index(max(b))
        differences.sort()
        self.assertEqual(len(ours), n)
        self.assertLessEqual(differences[len(differences) // 2], 0.07)
        self.assertLessEqual(differences[-1], 0.45)
        self.assertEqual(changed, 0)


if __name__ == "__main__":
    unittest.main()
