#!/usr/bin/env python3
"""Write golden.json from scipy, numpy and the standard library. Needs: pip install scipy numpy."""
import json
import pathlib
import random
import statistics

import numpy
from scipy import special, stats

rng = random.Random(7)
counts = [(0, 1), (1, 1), (0, 10), (10, 10), (3, 10), (1, 100), (50, 100), (99, 100), (100, 100), (0, 164), (37, 164),
          (400, 500), (17, 1319), (1318, 1319), (2000, 3491), (12345, 50000)]
wilson, clopper = [], []
for k, n in counts:
    for method, rows in (("wilson", wilson), ("exact", clopper)):
        interval = stats.binomtest(k, n).proportion_ci(confidence_level=0.95, method=method)
        rows.append({"k": k, "n": n, "low": interval.low, "high": interval.high})
beta = [{"a": a, "b": b, "x": x, "value": special.betainc(a, b, x)}
        for a, b in ((0.5, 0.5), (1, 1), (2, 30), (200, 3), (1000, 1200), (7.5, 0.3))
        for x in (0.001, 0.1, 0.5, 0.77, 0.999)]
quantile = [{"p": p, "z": stats.norm.ppf(p)} for p in (1e-9, 0.001, 0.025, 0.2, 0.5, 0.8, 0.975, 0.995, 1 - 1e-6)]
mcnemar = [{"a": a, "b": b, "p": stats.binomtest(min(a, b), a + b, 0.5).pvalue}
           for a, b in ((1, 0), (5, 5), (2, 9), (10, 1), (25, 12), (0, 30), (300, 251), (1000, 1000))]
samples = []
for size in (2, 3, 10, 101):
    values = [rng.gauss(1e6, 3) if size == 10 else rng.random() for _ in range(size)]
    samples.append({"values": values, "mean": statistics.fmean(values), "sd": statistics.stdev(values),
                    "se": statistics.stdev(values) / size ** 0.5, "median": sorted(values)[size // 2]})
flips = []
for size in (2, 4, 9, 14):
    differences = [rng.choice([-1, -0.5, 0, 0.25, 1, 1]) for _ in range(size)]
    flips.append({"differences": differences, "p": stats.permutation_test(
        (differences,), lambda x, axis: numpy.mean(x, axis=axis), permutation_type="samples", n_resamples=numpy.inf,
        vectorized=True).pvalue})
holm = []
for size in (1, 3, 8):
    p = [round(rng.random() ** 3, 6) for _ in range(size)]
    order = sorted(range(size), key=lambda i: p[i])
    adjusted, running = [0.0] * size, 0.0
    for rank, i in enumerate(order):
        running = max(running, p[i] * (size - rank))
        adjusted[i] = min(1.0, running)
    holm.append({"p": p, "adjusted": adjusted})
pass_at_k = [{"n": n, "c": c, "k": k, "value": 1 - float(special.comb(n - c, k, exact=True)) / special.comb(n, k, exact=True),
              "all": float(special.comb(c, k, exact=True)) / special.comb(n, k, exact=True)}
             for n, c, k in ((1, 0, 1), (1, 1, 1), (10, 3, 1), (10, 3, 5), (10, 9, 2), (200, 13, 100), (200, 150, 10))]
out = {"wilson": wilson, "clopper_pearson": clopper, "incomplete_beta": beta, "normal_quantile": quantile,
       "mcnemar": mcnemar, "samples": samples, "sign_flip": flips, "holm": holm, "pass_at_k": pass_at_k}
pathlib.Path(__file__).with_name("golden.json").write_text(json.dumps(out, indent=1) + "\n")
