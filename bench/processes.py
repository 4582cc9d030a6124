"""Programs that bench starts: one that is timed, one that serves while others are."""
import contextlib
import json
import os
import signal
import socket
import subprocess
import time
import urllib.request


def run(command, env=None, cwd=None):
    """Seconds and output. A failure is an error, never a time."""
    start = time.monotonic()
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, cwd=cwd)
    seconds = time.monotonic() - start
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command[:3])} … ended with {done.returncode}: {done.stderr.decode(errors='replace')[-600:]}")
    return seconds, done.stdout.decode(errors="replace") + done.stderr.decode(errors="replace")


def json_of(output):
    """What --json printed, among the lines of standard error."""
    return json.loads(output[output.index("{"):output.rindex("}") + 1])


@contextlib.contextmanager
def server(command, log_path, env=None, ready_s=600):
    """The address of a server that answers /health; `command` gets --port. Ended at the end, its log kept only where it failed."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    name = os.path.basename(command[0])
    url = f"http://127.0.0.1:{port}"
    with open(log_path, "w", encoding="utf-8") as log:
        process = subprocess.Popen([*command, "--host", "127.0.0.1", "--port", str(port)], stdout=log, stderr=log, env=env, start_new_session=True)
    try:
        deadline = time.monotonic() + ready_s
        while not answers(f"{url}/health"):
            if process.poll() is not None:
                raise RuntimeError(f"{name} ended: see {log_path}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"{name} was not ready after {ready_s} s: see {log_path}")
            time.sleep(0.5)
        yield url
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait()
    os.remove(log_path)


def answers(url):
    try:
        with urllib.request.urlopen(url, timeout=2) as reply:
            return reply.status == 200
    except OSError:
        return False
