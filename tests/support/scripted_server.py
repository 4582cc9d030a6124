"""An OpenAI-compatible server whose answers a test writes: `answer(request)` gets the chat request and returns
(content, [(tool name, arguments)]), or None for a request that is no part of the script (a client that looks what the
server can do). Loopback only."""
import http.server
import json
import threading


class ScriptedServer:
    def __init__(self, answer):
        outer = self
        self.requests = []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def send(self, status, body, kind="application/json"):
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self):
                if self.path.endswith("/v1/models"):
                    return self.send(200, json.dumps({"object": "list", "data": [{"id": "scripted", "object": "model", "max_model_len": 1000000}]}).encode())
                self.send(404, b"{}")

            def do_POST(self):
                request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if not self.path.endswith("/chat/completions"):
                    return self.send(404, b"{}")
                scripted = answer(request)
                with outer.lock:
                    outer.requests += [request] if scripted else []
                content, calls = scripted or ("Hello.", [])
                listed = [{"index": i, "id": f"c{i}", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
                          for i, (name, arguments) in enumerate(calls)]
                message = {"role": "assistant", "content": content, **({"tool_calls": listed} if listed else {})}
                usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
                finish = "tool_calls" if listed else "stop"
                base = {"id": "x", "model": "scripted", "created": 0}
                if not request.get("stream"):
                    return self.send(200, json.dumps({**base, "object": "chat.completion", "choices": [{"index": 0, "message": message, "finish_reason": finish}], "usage": usage}).encode())
                chunks = [{"choices": [{"index": 0, "delta": message, "finish_reason": None}]},
                          {"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]}, {"choices": [], "usage": usage}]
                text = "".join("data: " + json.dumps({**base, "object": "chat.completion.chunk", **chunk}) + "\n\n" for chunk in chunks)
                self.send(200, (text + "data: [DONE]\n\n").encode(), "text/event-stream")

        self.lock = threading.Lock()
        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, request, client_address):
                pass  # a client that was killed

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
