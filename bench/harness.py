"""Rows of bench/run that are about the harness itself: programs in the sandbox, starting, memory, repeating, the tracker."""
import concurrent.futures
import gzip
import json
import os
import shutil
import tempfile
import time

from processes import json_of, run

MILLION = 1_000_000


def beyond_weights_and_cache(performance):
    """MB that a process held at its peak, less what weights and KV cache take."""
    return (performance["peak_rss_bytes"] - performance["model_bytes"] - performance["kv_bytes"]) / 1e6


class Harness:
    def __init__(self, bench):
        self.b = bench

    def qeval(self, work, *options):
        seconds, out = run([self.b.need(self.b.peers["qeval"], "build qeval"), *options, "--store", f"{work}/s.db",
                            "--tracker", f"{work}/T.md"], self.b.env, work)
        return seconds, out

    def one_run(self, work, *options):
        seconds, out = self.qeval(work, "run", *options, "--json")
        return seconds, json_of(out)

    # HumanEval's 164 references as answers of a scripted engine: nearly all of the time is the sandbox's
    def references(self):
        with gzip.open(f"{self.b.peers['data']}/humaneval/HumanEval.jsonl.gz", "rt", encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    def sandbox(self):
        with tempfile.TemporaryDirectory(dir=self.b.dir) as work:
            with open(f"{work}/script.json", "w", encoding="utf-8") as file:
                json.dump({"answers": [{"contains": doc["prompt"], "text": doc["canonical_solution"]} for doc in self.references()]}, file)
            seconds, out = self.one_run(work, "--engine", "fake", "--fake-script", f"{work}/script.json", "--model", "references",
                                        "--tasks", "humaneval")
            right = sum(c["n"] for c in next(iter(out["tasks"][0]["classes"].values())) if c["class"] == "correct")
            if right != len(self.references()):
                raise RuntimeError(f"only {right} references passed in qeval's sandbox")
            return seconds

    def bubblewrap(self, n_workers):
        bwrap = self.b.need(shutil.which("bwrap"), "install bubblewrap")
        with tempfile.TemporaryDirectory(dir=self.b.dir) as work:
            command = [bwrap, "--unshare-all", "--die-with-parent", "--new-session", "--clearenv", "--ro-bind", "/usr", "/usr",
                       "--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64", "--symlink", "usr/bin", "/bin",
                       "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--ro-bind", work, "/work", "/usr/bin/python3", "-I", "-S"]
            for i, doc in enumerate(self.references()):
                with open(f"{work}/{i}.py", "w", encoding="utf-8") as file:
                    file.write(f"{doc['prompt']}{doc['canonical_solution']}\n{doc['test']}\ncheck({doc['entry_point']})\n")
            start = time.monotonic()
            with concurrent.futures.ThreadPoolExecutor(n_workers) as pool:
                list(pool.map(lambda i: run([*command, f"/work/{i}.py"]), range(len(self.references()))))
            return time.monotonic() - start

    # From command to table of one question: more than what lies before the first decoded batch.
    def start(self):
        with tempfile.TemporaryDirectory(dir=self.b.dir) as work:
            return self.qeval(work, "run", "--model", self.b.model("BF16"), "--tasks", "arc_challenge", "--limit", "1")[0]

    def repeated(self):
        with tempfile.TemporaryDirectory(dir=self.b.dir) as work:
            command = ("run", "--model", self.b.model("BF16"), "--tasks", "arc_challenge", "--limit", "50")
            self.qeval(work, *command)
            return self.qeval(work, *command)[0]

    def hellaswag(self, model, docs):
        with tempfile.TemporaryDirectory(dir=self.b.dir) as work:
            return self.one_run(work, "--model", model, "--tasks", "hellaswag", "--limit", str(docs))[1]["performance"]

    def memory(self, model, docs):
        return beyond_weights_and_cache(self.hellaswag(model, docs))

    def tiny(self):
        path = f"{self.b.dir}/models/tiny.gguf"
        if not os.path.exists(path):
            run([self.b.peers["qeval"], "model", "make", "--like", "qwen3-0.6b", "--layers", "2", "--width", "64", "-o", path])
        return path

    # Two runs of half a million samples each, made once by a scripted engine.
    def million(self):
        store = f"{self.b.dir}/million.db"
        if not os.path.exists(store):
            with tempfile.TemporaryDirectory(dir=self.b.dir) as work:
                docs = f"{work}/docs.jsonl"
                with open(docs, "w", encoding="utf-8") as file:
                    for i in range(MILLION // 2):
                        file.write(f'{{"q": "Question {i}?", "a": {i % 2}}}\n')
                task = {"task": "bench_million", "dataset_path": "json", "dataset_kwargs": {"data_files": {"test": docs}},
                        "output_type": "multiple_choice", "test_split": "test", "doc_to_text": "{{q}}", "doc_to_choice": ["yes", "no"],
                        "doc_to_target": "a", "metric_list": [{"metric": "acc"}], "metadata": {"version": 1.0}}
                with open(f"{work}/bench_million.yaml", "w", encoding="utf-8") as file:
                    json.dump(task, file)
                for seed in ("1", "2"):
                    self.qeval(work, "run", "--engine", "fake", "--model", f"scripted-{seed}", "--tasks", "bench_million",
                               "--include-path", work, "--seed", seed)
                shutil.move(f"{work}/s.db", store)
        return store

    def tracker(self):
        store = self.million()
        with tempfile.TemporaryDirectory(dir=self.b.dir) as work:
            return run([self.b.peers["qeval"], "tracker", "--store", store, "--tracker", f"{work}/T.md"], self.b.env, work)[0]


def harness_rows(bench, row, shapes):
    h = Harness(bench)
    yield row("sandbox", "HumanEval, 164 references, from command to table", h.sandbox,
              [("bubblewrap for each program, one after the other", lambda: h.bubblewrap(1), 4.0),
               ("the same, two at a time", lambda: h.bubblewrap(2), None)])
    yield row("start", "from command to table of one question, 135M model, s", h.start, [(None, None, 1.0)], most=True)
    yield row("repeated", "a finished run again, s", h.repeated, [(None, None, 1.0)], most=True)
    yield row("memory", "beyond weights and KV, HellaSwag, 100 docs, BF16, MB", lambda: h.memory(bench.model("BF16"), 100), [(None, None, 524.0)], most=True)
    for kind in shapes:
        yield row(f"memory-{kind.lower()}", f"the same, 10 docs, {kind}, MB", lambda k=kind: h.memory(bench.model(k), 10), [(None, None, 524.0)], most=True)
    for kind in ("BF16", *shapes):
        yield row(f"memory-generation-{kind.lower()}", f"the same, 64 prompts of 128 tokens, 64 new each, {kind}, MB",
                  lambda k=kind: beyond_weights_and_cache(bench.generation(k)), [(None, None, 524.0)], most=True)
    yield row("memory-flat", "the same, a tiny model, 10,000 docs, MB", lambda: h.memory(h.tiny(), 10_000),
              [("100 docs", lambda: h.memory(h.tiny(), 100), None)], most=True)
    yield row("tracker", "tracker from a store of 1,000,000 samples, s", h.tracker, [(None, None, 2.0)], most=True)
