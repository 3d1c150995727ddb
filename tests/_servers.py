"""A server on this machine that gives files, knows parts, and can break off or lie."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Files(ThreadingHTTPServer):
    """Serves `content`, name to bytes.

    Attributes:
        cuts: how many bytes each of the next answers sends before the connection breaks.
        requests: path and Range of each request.
        parts: whether it answers a Range with a part.
    """

    daemon_threads = True

    def __init__(self, content: dict[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.content, self.parts = content, True
        self.cuts: list[int] = []
        self.requests: list[tuple[str, str | None]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"


class _Handler(BaseHTTPRequestHandler):
    server: Files

    def do_GET(self) -> None:
        asked, name = self.headers["Range"], self.path.lstrip("/")
        self.server.requests.append((name, asked))
        data = self.server.content.get(name)
        if data is None:
            self.send_error(404)
            return
        start = int(re.findall(r"\d+", asked)[0]) if asked and self.server.parts else 0
        if start >= len(data) > 0 and start:
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        sent = data[start:]
        self.wfile.write(sent[: self.server.cuts.pop(0)] if self.server.cuts else sent)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@contextlib.contextmanager
def serving(content: dict[str, bytes]) -> Iterator[Files]:
    with Files(content) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
