"""A server of plain files with ranges, to which protocols and faults are added."""

import hashlib
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

LOGIN = b"<!DOCTYPE html><html><head><title>Please log in</title></head><body></body></html>"


@dataclass
class Request:
    method: str
    path: str
    query: dict
    headers: dict
    body: bytes = b""

    @property
    def form(self):
        return {k: v[0] for k, v in parse_qs(self.body.decode("latin1")).items()}


@dataclass
class Answer:
    body: bytes = b""
    status: int = 200
    headers: dict = field(default_factory=dict)
    announced: int | None = None  # Content-Length, where it lies
    sent: int | None = None  # bytes after which the connection is cut
    before: float = 0.0  # seconds before the head
    drip: float = 0.0  # seconds before every byte


def ranged(body, request, tag=None):
    """Answer with a file, or the range of it that is asked for, as RFC 9110 says."""
    tag = tag or f'"{hashlib.md5(body).hexdigest()}"'
    headers = {"ETag": tag, "Accept-Ranges": "bytes"}
    wanted = request.headers.get("range", "")
    if wanted and request.headers.get("if-range", tag) == tag:
        start = int(wanted.split("=")[1].split("-")[0])
        if start >= len(body):
            return Answer(b"", 416, headers | {"Content-Range": f"bytes */{len(body)}"})
        headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
        return Answer(body[start:], 206, headers)
    return Answer(body, 200, headers)


class Loopback:
    """Runs from `with`; `url` is its address.

    `files` are paths to bytes; `apps` functions of a request that answer, or return None; `faults`
    functions of (request, answer) that are used up one a request, those of `always` never.
    """

    def __init__(self, *apps, files=None):
        self.apps, self.files, self.faults = list(apps), files or {}, deque()
        self.always, self.requests, self.most, self._now = None, [], 0, 0
        self._lock = threading.Lock()

    def answer(self, request):
        found = next((a for app in self.apps if (a := app(request)) is not None), None)
        if found is None:
            body = self.files.get(request.path)
            found = ranged(body, request) if body is not None else Answer(b"no", 404)
        with self._lock:
            fault = self.faults.popleft() if self.faults else self.always
        return fault(request, found) if fault else found

    def asked(self, path):
        """Return the requests for a path."""
        return [r for r in self.requests if r.path == path]

    def __enter__(self):
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    def count(self, step):
        with self._lock:
            self._now += step
            self.most = max(self.most, self._now)


def _handler(loopback):
    class Handler(BaseHTTPRequestHandler):
        def _any(self):
            parts = urlsplit(self.path)
            query = {k: v[0] for k, v in parse_qs(parts.query).items()}
            headers = {k.lower(): v for k, v in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length", 0)))
            request = Request(self.command, parts.path, query, headers, body)
            loopback.requests.append(request)
            loopback.count(1)
            try:
                self._send(loopback.answer(request))
            except (BrokenPipeError, ConnectionResetError):
                pass  # the client has gone
            finally:
                loopback.count(-1)
            self.close_connection = True

        def _send(self, answer):
            time.sleep(answer.before)
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            length = len(answer.body) if answer.announced is None else answer.announced
            if "Content-Length" not in answer.headers:
                self.send_header("Content-Length", str(length))
            self.send_header("Connection", "close")
            self.end_headers()
            body = b"" if self.command == "HEAD" else answer.body[: answer.sent]
            if not answer.drip:
                self.wfile.write(body)
                return
            for i in range(len(body)):
                time.sleep(answer.drip)
                self.wfile.write(body[i : i + 1])

        do_GET = do_POST = do_HEAD = do_DELETE = _any

        def log_message(self, *_):
            pass

    return Handler


def status(code, **headers):
    """A fault: another status, with headers such as Retry_After."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda request, answer: Answer(b"busy", code, named)


def cut(after):
    """A fault: the connection ends after some bytes of the body."""

    def fault(request, answer):
        answer.sent = after
        return answer

    return fault


def changed(**fields):
    """A fault: other fields of the answer, such as body or announced."""

    def fault(request, answer):
        for name, value in fields.items():
            setattr(answer, name, value)
        return answer

    return fault


def login(request, answer):
    """A fault: an HTML page of status 200 in the place of the file."""
    return Answer(LOGIN, 200, {"Content-Type": "text/html"})


def circle(request, answer):
    """A fault: a redirect to where the request came from."""
    return Answer(b"", 302, {"Location": request.path})
