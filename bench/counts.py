"""Rows of bench/run that count: tokens decoded against those of the run's trie, how full micro-batches are, how busy slots."""
import glob
import json
import tempfile

from harness import Harness
from processes import run

DOCS = 200


def asked_in(folder):
    """What lm-eval's sample files say was asked: {context, continuation}, without the latter where an answer was written."""
    for path in glob.glob(f"{folder}/**/samples_*.jsonl", recursive=True):
        with open(path, encoding="utf-8") as file:
            for line in file:
                for arguments in json.loads(line)["arguments"].values():
                    scored = isinstance(arguments["arg_1"], str)
                    yield {"context": arguments["arg_0"], **({"continuation": arguments["arg_1"]} if scored else {})}


class Counts:
    def __init__(self, bench):
        self.b = bench
        self.h = Harness(bench)
        self.trie = None  # of the run that was measured last

    # Tokens decoded; the trie is that of all prompts (and choices), and of each answer every token but the last, which nothing follows.
    def decoded(self, kind, task, docs):
        model = self.b.model(kind)
        with tempfile.TemporaryDirectory(dir=self.b.dir) as work:
            performance = self.h.one_run(work, "--model", model, "--tasks", task, "--limit", str(docs), "--output-path", f"{work}/out")[1]["performance"]
            requests = list(asked_in(f"{work}/out"))
            with open(f"{work}/requests.jsonl", "w", encoding="utf-8") as file:
                file.writelines(json.dumps(request) + "\n" for request in requests)
            out = run([self.b.need(self.b.peers["ideal"], "ninja bench_ideal"), model, f"{work}/requests.jsonl", "--trie"], self.b.env)[1]
        answers = sum("continuation" not in request for request in requests)
        self.trie = json.loads(out.splitlines()[0])["trie_tokens"] + performance["n_new_tokens"] - answers
        return performance["n_decoded_tokens"]

    def fill(self, kind):
        return self.h.hellaswag(self.b.model(kind), DOCS)["batch_fill"]

    def slots(self, kind):
        return self.b.generation(kind, "--set", "max_num_seqs=16")["slot_use"]


def count_rows(bench, row, shapes):
    c = Counts(bench)
    trie = lambda most: [("tokens of the run's trie", lambda: c.trie, most)]
    yield row("decoded-scoring", f"HellaSwag, {DOCS} docs, BF16, tokens decoded", lambda: c.decoded("BF16", "hellaswag", DOCS), trie(1.02), most=True)
    yield row("decoded-generation", "MBPP 3-shot, 64 docs, BF16, tokens decoded", lambda: c.decoded("BF16", "mbpp", 64), trie(1.05), most=True)
    for kind in ("BF16", *shapes):
        yield row(f"fill-{kind.lower()}", f"HellaSwag, {DOCS} docs, {kind}, tokens ÷ room of micro-batches", lambda k=kind: c.fill(k), [(None, None, 0.90)])
    for kind in ("BF16", *shapes):
        yield row(f"slots-{kind.lower()}", f"64 prompts in 16 slots, {kind}, busy ÷ all while requests wait", lambda k=kind: c.slots(k), [(None, None, 0.95)])
