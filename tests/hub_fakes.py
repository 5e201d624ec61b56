"""A hub on this machine's own loopback: as much of it as pushing and fetching ask for."""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote


class FakeHub(ThreadingHTTPServer):
    """Files of repositories, what was asked, and with which tokens."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.tokens: set[str] = set()
        self.refuses = ""

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def serving() -> Iterator[FakeHub]:
    hub = FakeHub()
    thread = threading.Thread(target=hub.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        hub.server_close()
        thread.join(60)


class _Handler(BaseHTTPRequestHandler):
    server: FakeHub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Nothing is said."""

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self._refused():
            return
        path = self.path.partition("?")[0]
        if path.endswith("/repos/create"):
            self._json({"url": f"{self.server.endpoint}/anna/{json.loads(content)['name']}"})
        elif "/preupload/" in path:
            asked = [one["path"] for one in json.loads(content)["files"]]
            self._json(
                {
                    "files": [
                        {"path": p, "uploadMode": "regular", "shouldIgnore": False} for p in asked
                    ]
                }
            )
        elif "/commit/" in path:
            for line in content.decode().splitlines():
                told = json.loads(line)
                if told["key"] == "file":
                    value = told["value"]
                    self.server.files[value["path"]] = base64.b64decode(value["content"])
            url = f"{self.server.endpoint}/anna/model/commit/{'0' * 40}"
            self._json({"commitUrl": url, "commitOid": "0" * 40})
        else:
            self._json({"errors": [], "warnings": []})  # the front matter of a card is looked at

    def _answer(self, *, with_body: bool) -> None:
        if self._refused():
            return
        path = unquote(self.path.partition("?")[0])
        if "/resolve/" in path:
            name = path.partition("/resolve/")[2].partition("/")[2]
            if (content := self.server.files.get(name)) is None:
                self._json({"error": "Entry not found"}, 404, {"X-Error-Code": "EntryNotFound"})
                return
            digest = hashlib.sha1(content).hexdigest()
            headers = {"ETag": f'"{digest}"', "X-Repo-Commit": "0" * 40}
            self._send(content if with_body else b"", 200, headers, length=len(content))
            return
        if "/tree/" in path:
            sizes = {name: len(content) for name, content in self.server.files.items()}
            self._json(
                [{"type": "file", "path": n, "size": size, "oid": n} for n, size in sizes.items()]
            )
            return
        siblings = [{"rfilename": name} for name in self.server.files]
        info = {"_id": "x", "id": "anna/model", "modelId": "anna/model", "sha": "0" * 40}
        self._json({**info, "siblings": siblings, "private": False, "tags": [], "downloads": 0})

    def _refused(self) -> bool:
        self.server.asked.append(f"{self.command} {self.path}")
        if token := self.headers.get("Authorization"):
            self.server.tokens.add(token)
        if self.server.refuses:
            told = f"no: {self.server.refuses}"
            self._json({"error": told}, 403, {"X-Error-Message": told})
            return True
        return False

    def _json(self, values: object, status: int = 200, headers: dict | None = None) -> None:
        body = json.dumps(values).encode()
        self._send(body, status, {"Content-Type": "application/json", **(headers or {})})

    def _send(self, body: bytes, status: int, headers: dict, length: int | None = None) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
