#!/usr/bin/env python3
"""Stands in for the program `vllm`: its version, its help, a server with the same doors, and every way to fail at the start.

Environment: FAKE_VLLM_MODE = ok, oom, bad_flag, missing, port, exit, killed, silent, slow_help, hang_after_load, die_after:N (requests),
engine_dead_after:N; FAKE_VLLM_VERSION; FAKE_VLLM_DIR = folder for the marks it leaves (pids, starts, arguments).
Tokens are bytes; a log-likelihood of a token is -(1 + byte % 7) / 4, except that "zz…" is never the most likely.
"""
import http.server
import json
import os
import pathlib
import signal
import socketserver
import subprocess
import sys
import threading
import time

MODE = os.environ.get("FAKE_VLLM_MODE", "ok")
MARKS = pathlib.Path(os.environ.get("FAKE_VLLM_DIR", "/tmp"))
VERSION = os.environ.get("FAKE_VLLM_VERSION", "0.32.0+cpu")
ANSWER = " The answer is 35.\n#### 35"


def log(text):
    print(f"(APIServer pid={os.getpid()}) INFO 11-27 15:00:00 [fake.py:1] {text}", flush=True)


def fail(text, code=1):
    print("Traceback (most recent call last):\n" + text, file=sys.stderr, flush=True)
    sys.exit(code)


def mark(name, text):
    with open(MARKS / name, "a") as out:
        out.write(text + "\n")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    served = "model"
    requests = 0
    dead = False
    lock = threading.Lock()
    limit = None
    kind = ""

    def log_message(self, *args):
        pass

    def send(self, body, status=200, content="application/json"):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", content)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        if self.path == "/health":
            return self.send(b"", 503 if Handler.dead else 200)
        if self.path == "/version":
            return self.send({"version": VERSION})
        if self.path == "/v1/models":
            return self.send({"object": "list", "data": [{"id": Handler.served, "object": "model", "max_model_len": 4096, "owned_by": "vllm"}]})
        if self.path == "/metrics":
            text = "\n".join([
                f'vllm:num_requests_running{{engine="0",model_name="{Handler.served}"}} 3.0', f'vllm:kv_cache_usage_perc{{engine="0"}} 0.25',
                f'vllm:generation_tokens_total{{engine="0"}} {Handler.requests * 10}.0', 'vllm:num_preemptions_total{engine="0"} 0.0',
                f'vllm:prompt_tokens_total{{engine="0"}} {Handler.requests * 100}.0']) + "\n"
            return self.send(text.encode(), 200, "text/plain; version=0.0.4")
        self.send({"error": {"message": "not found", "type": "NotFoundError", "code": 404}}, 404)

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
        if self.path == "/tokenize":
            text = body.get("prompt")
            if text is None:
                text = "".join(f"<{m['role']}>{m['content']}" for m in body.get("messages", [])) + "<assistant>"
            return self.send({"tokens": list(text.encode()), "count": len(text.encode()), "max_model_len": 4096})
        if self.path == "/detokenize":
            return self.send({"prompt": bytes(body["tokens"]).decode(errors="replace")})
        if self.path in ("/v1/completions", "/v1/chat/completions"):
            return self.answer(body)
        self.send({"error": {"message": "not found"}}, 404)

    def answer(self, body):
        with Handler.lock:
            Handler.requests += 1
            mark("requests", self.path)
            if Handler.limit is not None and Handler.requests > Handler.limit:
                if Handler.kind == "die":
                    os._exit(13)
                Handler.dead = True
                threading.Timer(1.0, lambda: os._exit(14)).start()
        if Handler.dead:
            return self.send({"error": {"message": "EngineCore encountered an issue", "type": "InternalServerError", "code": 500}}, 500)
        if os.environ.get("FAKE_VLLM_SLOW"):
            time.sleep(float(os.environ["FAKE_VLLM_SLOW"]))
        prompt = body.get("prompt", "")
        tokens = prompt if isinstance(prompt, list) and all(isinstance(t, int) for t in prompt) else list(str(prompt).encode())
        if body.get("echo"):
            return self.send(self.scored(tokens, body))
        self.generated(body, len(tokens))

    def scored(self, tokens, body):
        n = len(tokens)
        values = [None] + [-(1 + t % 7) / 4 for t in tokens[1:]]
        names = [f"token_id:{t}" for t in tokens]
        top = [None] + [{name: value} for name, value in zip(names[1:], values[1:])]
        return {"id": "cmpl-1", "object": "text_completion", "model": Handler.served, "choices": [{
            "index": 0, "text": bytes(t % 256 for t in tokens).decode(errors="replace"), "finish_reason": "length",
            "logprobs": {"text_offset": list(range(n)), "token_logprobs": values, "tokens": names, "top_logprobs": top}}],
            "usage": {"prompt_tokens": n, "completion_tokens": 1, "total_tokens": n + 1}}

    def generated(self, body, n_prompt):
        chat = self.path.endswith("chat/completions")
        usage = {"prompt_tokens": n_prompt or 10, "completion_tokens": 8, "total_tokens": (n_prompt or 10) + 8}

        def choice(text, finish, delta):
            part = {"index": 0, "finish_reason": finish, "logprobs": None}
            part.update({"delta" if delta else "message": {"role": "assistant", "content": text}} if chat else {"text": text})
            return part

        if not body.get("stream"):
            return self.send({"id": "x", "object": "chat.completion" if chat else "text_completion", "model": Handler.served,
                              "choices": [choice(ANSWER, "stop", False)], "usage": usage})
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        for i in range(0, len(ANSWER), 4):
            self.event({"id": "x", "model": Handler.served, "choices": [choice(ANSWER[i:i + 4], None, True)]})
        self.event({"id": "x", "model": Handler.served, "choices": [choice("", "stop", True)]})
        self.event({"id": "x", "model": Handler.served, "choices": [], "usage": usage})
        self.wfile.write(b"data: [DONE]\n\n")
        self.close_connection = True

    def event(self, value):
        self.wfile.write(b"data: " + json.dumps(value).encode() + b"\n\n")
        self.wfile.flush()


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 256


def option(args, name, default=None):
    return args[args.index(name) + 1] if name in args else default


def serve(args):
    mark("starts", json.dumps({"pid": os.getpid(), "args": args, "kv": os.environ.get("VLLM_CPU_KVCACHE_SPACE")}))
    log(f"non-default args: {{'model': '{args[0]}'}}")
    if MODE == "bad_flag":
        print("vllm: error: unrecognized arguments: --frobnicate 3", file=sys.stderr)
        sys.exit(2)
    if MODE == "missing":
        fail(f"OSError: {args[0]} does not appear to have a file named config.json.")
    if MODE == "silent":
        time.sleep(600)
    log(f"Starting to load model {args[0]}...")
    log("Model loading took 1.25 GiB and 3.0 seconds")
    if MODE == "oom":
        fail("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.\nRuntimeError: Engine core initialization failed.")
    if MODE == "exit":
        sys.exit(3)
    if MODE == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if MODE == "hang_after_load":
        time.sleep(600)
    port_taken = MODE == "port" or (MODE == "port_once" and len((MARKS / "starts").read_text().splitlines()) == 1)
    if port_taken:
        fail("OSError: [Errno 98] Address already in use")
    # A worker of its own, as vLLM has them: it must go with its server.
    worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
    mark("workers", str(worker.pid))
    log("CPU KV cache size: 93,184 tokens, Maximum concurrency for 2,048 tokens per request: 45.50x")
    Handler.served = option(args, "--served-model-name", args[0])
    for kind in ("die", "engine_dead"):
        if MODE.startswith(f"{kind}_after:"):
            first = len((MARKS / "starts").read_text().splitlines()) == 1
            if first or os.environ.get("FAKE_VLLM_ALWAYS_DIES"):
                Handler.kind, Handler.limit = kind, int(MODE.split(":")[1])
    server = Server(("127.0.0.1", int(option(args, "--port"))), Handler)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    print("INFO:     Application startup complete.", file=sys.stderr, flush=True)
    server.serve_forever()


def main():
    args = sys.argv[1:]
    if args == ["--version"]:
        print(VERSION)
    elif args[:1] == ["serve"] and any(a.startswith("--help") for a in args):
        mark("helps", str(os.getpid()))
        if MODE == "slow_help":
            time.sleep(60)
        print(pathlib.Path(__file__).resolve().parent.parent.joinpath("cases/engine_vllm/help_0.32.txt").read_text())
    elif args[:1] == ["serve"]:
        serve(args[1:])
    else:
        sys.exit(f"fake vllm: {args}")


main()
