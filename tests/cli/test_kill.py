"""SIGKILL at random moments: nothing stored is lost or doubled, and the end result is that of an undisturbed run."""
import json
import os
import random
import time
import unittest

from qeval_test import DATA, F32_MODEL, MODEL, QevalTest

F32_BOUND = 0.1  # nats; an F32 cache without flash attention sums in another order in another batch
QUANTISED_BOUND = 0.4  # 0 on a machine whose matrix products do not depend on the batch

FULL = bool(os.environ.get("QEVAL_TEST_FULL"))
N_KILLS = 20


class KillCase(QevalTest):
    def samples(self, store):
        return json.loads(self.expect(0, "show", "1", "--samples", "--limit", "0", "--store", store, "--json").out)

    def scores(self, store):
        """Everything that a result consists of, without times and run numbers."""
        results = self.expect(0, "show", "1", "--store", store, "--json").json()
        metrics = [(t["task"], t["metrics"], t["classes"], t["flags"]) for t in results["tasks"]]
        return self.samples(store), metrics

    def quality_part(self, tracker):
        lines = (self.folder / tracker).read_text().splitlines()
        return [line for line in lines if line.startswith("|") and ("GSM8K" in line or "ARC" in line)]

    def kill_until_done(self, args, store, n_kills, longest_s, seed):
        """At least the first kill hits a process at work: where it has ended by then, it begins anew and gets less time."""
        rng = random.Random(seed)
        n_hit = n_done = 0
        while n_done < n_kills:
            process = self.start(*args, "--store", store)
            time.sleep(rng.uniform(0.01, longest_s))
            hit = process.poll() is None
            process.kill()
            process.communicate()
            if not hit and n_hit == 0:
                longest_s /= 2
                self.assertGreater(longest_s, 0.02, "no kill hits a run at work")
                for file in self.folder.glob(f"{store}*"):
                    file.unlink()
                continue
            n_hit += hit
            n_done += 1
        self.expect(0, *args, "--store", store)

    def run_both(self, args, n_kills):
        start = time.monotonic()
        self.expect(0, *args, "--store", "calm.db", "--tracker", "CALM.md")
        self.kill_until_done([*args, "--tracker", "KILLED.md"], "killed.db", n_kills, time.monotonic() - start, seed=7)
        self.expect(0, "store", "check", "--store", "killed.db")
        # nothing lost, nothing doubled
        for count in ("select count(*) from responses where good = 1", "select count(*) from samples",
                      "select count(*) from asked where response is not null",
                      "select count(*) from (select distinct key from responses where good = 1)"):
            self.assertEqual(self.rows(count, store="calm.db"), self.rows(count, store="killed.db"), count)


class Kill(KillCase):
    def check_equal(self, args, n_kills):
        self.run_both(args, n_kills)
        self.assertEqual(self.scores("calm.db"), self.scores("killed.db"))
        self.assertEqual(self.quality_part("CALM.md"), self.quality_part("KILLED.md"))

    def test_fake_engine(self):
        script = {"default": " The answer is 35.\n#### 35", "latency_ms": 60}
        self.check_equal(self.run_args(script=script), N_KILLS)

    def test_embedded_engine_exact(self):
        if not MODEL or not DATA:
            self.skipTest("no model or no data in reach")
        args = ["run", "--model", MODEL, "--tasks", "arc_challenge", "--limit", "12", "--exact", "--data-dir", DATA]
        self.check_equal(args, N_KILLS if FULL else 4)


def logprobs(sample):
    return [r["response"]["logprob_nats"] for r in sample["requests"]]


def chosen(sample, by_length):
    """The option that the log-likelihoods choose, and what they were divided by."""
    values = logprobs(sample)
    lengths = [len(c) if by_length else 1 for c in sample["sample"]["choices"]]
    scores = [value / length for value, length in zip(values, lengths)]
    return max(range(len(scores)), key=lambda i: (scores[i], -i)), scores, lengths


def is_near_tie(sample, other, by_length, bound):
    """Whether moving each log-likelihood of the calm run by at most half the bound can bring `other` to the top."""
    best, scores, lengths = chosen(sample, by_length)
    reach = bound / 2 * (1 / lengths[best] + 1 / lengths[other])
    return scores[best] - scores[other] <= reach


class KillBatched(KillCase):
    """Batches differ after a resume, so log-likelihoods do: by little, and verdicts only where two options are close."""

    def check_batched(self, model, bound, n_kills, limit):
        args = ["run", "--model", model, "--tasks", "arc_challenge,hellaswag", "--limit", limit, "--data-dir", DATA]
        self.run_both(args, n_kills)
        calm, killed = self.samples("calm.db"), self.samples("killed.db")
        self.assertEqual([(s["task"], s["doc_id"]) for s in calm], [(s["task"], s["doc_id"]) for s in killed])
        self.assertEqual(len(calm), 2 * limit)
        largest, changed = 0.0, 0
        for before, after in zip(calm, killed):
            where = f"{before['task']} doc {before['doc_id']}"
            largest = max([largest, *(abs(a - b) for a, b in zip(logprobs(before), logprobs(after)))])
            for by_length, metric in ((False, "acc"), (True, "acc_norm")):
                old, new = chosen(before, by_length)[0], chosen(after, by_length)[0]
                self.assertEqual(after["scores"][0]["metrics"][metric], float(new in after["sample"]["gold"]), where)
                if old == new:
                    continue
                changed += 1
                print(f"  changed: {where}, {metric}: option {old} -> {new}, log-likelihoods "
                      f"{[round(v, 3) for v in logprobs(before)]} -> {[round(v, 3) for v in logprobs(after)]}")
                self.assertTrue(is_near_tie(before, new, by_length, bound), f"{where}, {metric}: no near-tie")
        print(f"  {n_kills} kills, {len(calm)} docs: log-likelihoods within {largest:.4f} nats (allowed {bound}), "
              f"{changed} changed choices")
        self.assertLessEqual(largest, bound)

    def test_quantised(self):
        if not MODEL or not DATA:
            self.skipTest("no model or no data in reach")
        self.check_batched(MODEL, QUANTISED_BOUND, N_KILLS if FULL else 4, 40 if FULL else 12)

    def test_f32(self):
        if not F32_MODEL or not DATA:
            self.skipTest("no F32 model or no data in reach")
        self.check_batched(F32_MODEL, F32_BOUND, N_KILLS if FULL else 3, 40 if FULL else 8)


if __name__ == "__main__":
    unittest.main()
