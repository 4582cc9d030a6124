#!/usr/bin/env python3
"""A hub and its storage server on loopback, with faults by repository name. For tests of the client.

Prints "HUB-URL STORAGE-URL" and ends when stdin closes. GET /log lists what both were asked, as JSON.
Any repository ORG/NAME has config.json (small) and tiny-Q8_0.gguf, tiny-Q4_K_M.gguf, big-F16-0000[12]-of-00002.gguf
(large-file storage). Fault by NAME: missing (404), private (401 without "Bearer good"), corrupt (wrong bytes),
corrupt-small (wrong config.json), cut (the first transfer ends in the middle), always-cut, no-ranges (cut, and ranges
are ignored), stalled (headers, then nothing), busy (503 twice, then fine), short (too few bytes), hostile (names that
leave the cache), page (an HTML page for everything).
"""
import hashlib
import http.server
import json
import re
import sys
import threading
import time
import urllib.parse

COMMIT = "0123456789abcdef0123456789abcdef01234567"
SMALL = {"config.json": b'{"model_type": "qwen2"}\n'}
LARGE = {
    "tiny-Q8_0.gguf": bytes(range(256)) * 4000,
    "tiny-Q4_K_M.gguf": b"GGUF four bits" * 500,
    "big-F16-00001-of-00002.gguf": b"first part " * 1000,
    "big-F16-00002-of-00002.gguf": b"second part " * 1000,
}
log, seen, lock = [], {}, threading.Lock()


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def git_id(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def count(key):
    with lock:
        seen[key] = seen.get(key, 0) + 1
        return seen[key]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    storage = ""

    def log_message(self, *args):
        pass

    def answer(self, status, body=b"", headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if not any(name == "Content-Length" for name, _ in headers):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def record(self):
        with lock:
            log.append({"server": self.server.name, "method": self.command, "path": self.path,
                        "range": self.headers.get("Range", ""), "authorization": self.headers.get("Authorization", "")})

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        if self.path == "/log":
            return self.answer(200, json.dumps(log).encode(), [("Content-Type", "application/json")])
        self.record()
        if self.path.startswith("/rows?"):
            return self.rows()
        if self.server.name == "storage":
            return self.stored()
        listing = re.fullmatch(r"/api/(?:models|datasets)/([^?]+)/revision/([^?]+)(?:\?.*)?", self.path)
        if listing:
            return self.hub(listing[1], None)
        file = re.fullmatch(r"/(?:datasets/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)", self.path)
        if file:
            return self.hub(file[1], file[3])
        return self.answer(404)

    def hub(self, repo, file):
        fault = repo.split("/")[-1]
        if fault == "page":
            return self.answer(200, b"<html>sign in</html>", [("Content-Type", "text/html")])
        if fault == "missing":
            return self.answer(404, b"{}")
        if fault == "private" and self.headers.get("Authorization") != "Bearer good":
            return self.answer(401, b"{}")
        if fault == "busy" and count("busy" + self.path) <= 2:
            return self.answer(503)
        if file is None:
            return self.listing(fault)
        common = [("X-Repo-Commit", COMMIT)]
        if file in SMALL:
            body = b'{"model_type": "other"}\n' if fault == "corrupt-small" else SMALL[file]
            return self.answer(200, body, common + [("ETag", f'"{git_id(SMALL[file])}"')])
        if file not in LARGE:
            return self.answer(404)
        data = LARGE[file]
        self.answer(302, b"moved", common + [
            ("X-Linked-Etag", f'"{sha256(data)}"'), ("X-Linked-Size", str(len(data))), ("ETag", '"storage"'),
            ("Location", f"{Handler.storage}/{fault}/{file}?Signature=SECRET")])

    def rows(self):
        """250 rows of any data set; split "cut" has a shortened cell, "empty" claims rows that never come."""
        query = {k: v[0] for k, v in urllib.parse.parse_qs(self.path.split("?", 1)[1]).items()}
        offset, length = int(query["offset"]), int(query["length"])
        rows = [{"row_idx": i, "row": {"question": f"{query['config']} {query['split']} {i} ü", "n": i, "x": 0.5}, "truncated_cells": []}
                for i in range(offset, min(250, offset + length))]
        if query["split"] == "cut":
            rows[7]["truncated_cells"] = ["question"]
        if query["split"] == "empty":
            rows = []
        if query["split"] == "absent":
            return self.answer(404, b"{}")
        self.answer(200, json.dumps({"features": [], "rows": rows, "num_rows_total": 250}).encode())

    def listing(self, fault):
        files = [{"rfilename": n, "size": len(d)} for n, d in SMALL.items()]
        files += [{"rfilename": n, "size": len(d), "lfs": {"sha256": sha256(d), "size": len(d)}} for n, d in LARGE.items()]
        if fault == "hostile":
            files += [{"rfilename": "../../escape.gguf", "size": 1}, {"rfilename": "/etc/escape.gguf", "size": 1}, {"rfilename": 7}, 3]
        body = json.dumps({"sha": COMMIT, "siblings": files}).encode()
        self.answer(200, body, [("Content-Type", "application/json")])

    def stored(self):
        fault, file = re.fullmatch(r"/([^/]+)/([^?]+)\?.*", self.path).groups()
        data = LARGE[file]
        if fault == "corrupt":
            data = data[:-1] + b"!"
        if fault == "short":
            data = data[:-10]
        start = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        begin = int(start[1]) if start and fault != "no-ranges" else 0
        if begin >= len(data):
            return self.answer(416)
        first = count(fault + file) == 1
        headers = [("Content-Length", str(len(data) - begin))]
        if begin:
            headers.append(("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}"))
        if fault == "stalled":
            self.answer(200, b"some", headers)
            self.wfile.flush()
            time.sleep(20)
            return None
        if fault == "always-cut" or (fault in ("cut", "no-ranges") and first):
            self.answer(206 if begin else 200, data[begin:begin] if fault == "always-cut" else data[begin:len(data) // 2], headers)
            self.wfile.flush()
            self.close_connection = True
            return None
        return self.answer(206 if begin else 200, data[begin:], headers)


def serve(name):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.name = name
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_address[1]}"


if __name__ == "__main__":
    Handler.storage = serve("storage")
    print(serve("hub"), Handler.storage, flush=True)
    sys.stdin.read()
