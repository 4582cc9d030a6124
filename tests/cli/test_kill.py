"""SIGKILL at random moments: nothing stored is lost or doubled, and the end result is that of an undisturbed run."""
import json
import os
import random
import time
import unittest

from qeval_test import DATA, MODEL, QevalTest

N_KILLS = 20


class Kill(QevalTest):
    def scores(self, store):
        """Everything that a result consists of, without times and run numbers."""
        shown = json.loads(self.expect(0, "show", "1", "--samples", "--limit", "0", "--store", store, "--json").out)
        results = self.expect(0, "show", "1", "--store", store, "--json").json()
        metrics = [(t["task"], t["metrics"], t["classes"], t["flags"]) for t in results["tasks"]]
        return shown, metrics

    def quality_part(self, tracker):
        lines = (self.folder / tracker).read_text().splitlines()
        return [line for line in lines if line.startswith("|") and ("GSM8K" in line or "ARC" in line)]

    def kill_until_done(self, args, n_kills, longest_s, seed):
        rng = random.Random(seed)
        for _ in range(n_kills):
            process = self.start(*args)
            time.sleep(rng.uniform(0.01, longest_s))
            process.kill()
            process.communicate()
        return self.expect(0, *args)

    def check(self, args, n_kills, longest_s):
        self.expect(0, *args, "--store", "calm.db", "--tracker", "CALM.md")
        self.kill_until_done([*args, "--store", "killed.db", "--tracker", "KILLED.md"], n_kills, longest_s, seed=7)
        self.assertEqual(self.expect(0, "store", "check", "--store", "killed.db").code, 0)
        self.assertEqual(self.scores("calm.db"), self.scores("killed.db"))
        self.assertEqual(self.quality_part("CALM.md"), self.quality_part("KILLED.md"))
        count = "select count(*) from responses"
        self.assertEqual(self.rows(count, store="calm.db"), self.rows(count, store="killed.db"))

    def test_fake_engine(self):
        script = {"default": " The answer is 35.\n#### 35", "latency_ms": 60}
        self.check(self.run_args(script=script), N_KILLS, 1.0)

    def test_embedded_engine_exact(self):
        if not MODEL or not DATA:
            self.skipTest("no model or no data in reach")
        n_kills = N_KILLS if os.environ.get("QEVAL_TEST_FULL") else 4
        args = ["run", "--model", MODEL, "--tasks", "arc_challenge", "--limit", "12", "--exact", "--data-dir", DATA]
        self.check(args, n_kills, 3.0)


if __name__ == "__main__":
    unittest.main()
