"""Drives the real binary. Environment: QEVAL (binary), QEVAL_SOURCE_DIR, QEVAL_DATA_DIR, QEVAL_TEST_GGUF,
QEVAL_TEST_F32_GGUF."""
import json
import os
import pathlib
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
import unittest

BINARY = os.environ.get("QEVAL", "qeval")
SOURCE = pathlib.Path(os.environ.get("QEVAL_SOURCE_DIR", "."))
FIXTURES = SOURCE / "reference" / "fixtures"
DATA = os.environ.get("QEVAL_DATA_DIR", "")
MODEL = os.environ.get("QEVAL_TEST_GGUF", "")
F32_MODEL = os.environ.get("QEVAL_TEST_F32_GGUF", "")


class Outcome:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    def json(self):
        return json.loads(self.out)


class QevalTest(unittest.TestCase):
    """Each test works in a folder of its own; `qeval` runs there."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="qeval-test-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def environment(self, **extra):
        env = {k: v for k, v in os.environ.items() if not k.startswith("QEVAL_")}
        env.update(XDG_CACHE_HOME=str(self.folder / "cache"), HF_HUB_OFFLINE="1", NO_COLOR="1")
        env.update(extra)
        return env

    def start(self, *args, **extra):
        return subprocess.Popen([BINARY, *map(str, args)], cwd=self.folder, env=self.environment(**extra),
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def qeval(self, *args, timeout=600, **extra):
        process = self.start(*args, **extra)
        out, err = process.communicate(timeout=timeout)
        return Outcome(process.returncode, out, err)

    def expect(self, code, *args, **extra):
        outcome = self.qeval(*args, **extra)
        self.assertEqual(outcome.code, code, f"{args}\nstdout: {outcome.out[-3000:]}\nstderr: {outcome.err[-3000:]}")
        return outcome

    def wait_for(self, condition, seconds=60):
        end = time.monotonic() + seconds
        while not condition():
            self.assertLess(time.monotonic(), end, "it never came")
            time.sleep(0.05)

    def run_args(self, *more, tasks="arc_challenge,gsm8k", script=None):
        args = ["run", "--model", "fake", "--engine", "fake", "--tasks", tasks, "--data-dir", FIXTURES]
        if script is not None:
            path = self.folder / "script.json"
            path.write_text(json.dumps(script))
            args += ["--fake-script", path]
        return [*args, *more]

    def rows(self, query, *values, store="qeval.db"):
        with sqlite3.connect(f"file:{self.folder / store}?mode=ro", uri=True) as db:
            return db.execute(query, values).fetchall()

    def write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path


def interrupt(process):
    process.send_signal(signal.SIGINT)


def main():
    unittest.main()
