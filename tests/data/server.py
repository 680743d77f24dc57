"""A small HTTP server on 127.0.0.1 that can cut connections, ignore ranges, and count requests."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Mirror:
    """Files by path; ``cut`` says after how many bytes the next answers for a path break off, in order."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.files: dict[str, bytes] = {}
        self.cut: dict[str, list[int]] = {}
        self.ranges = True
        self.refuse: dict[str, list[int]] = {}
        self.requests: list[tuple[str, str | None]] = []


@contextmanager
def serve() -> Iterator[Mirror]:
    """A running server; the mirror's ``url`` is its base address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self, mirror)

        def log_message(self, *_: Any) -> None:
            """Be quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    mirror = Mirror(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield mirror
    finally:
        server.shutdown()
        server.server_close()


def answer(handler: BaseHTTPRequestHandler, mirror: Mirror) -> None:
    name = handler.path.lstrip("/")
    wanted = handler.headers.get("Range")
    mirror.requests.append((name, wanted))
    if mirror.refuse.get(name):
        handler.send_error(mirror.refuse[name].pop(0))
        return
    if name not in mirror.files:
        handler.send_error(404)
        return
    content, start = mirror.files[name], 0
    if wanted and mirror.ranges:
        start = int(wanted.removeprefix("bytes=").rstrip("-"))
        if start >= len(content):
            handler.send_response(416)
            handler.send_header("Content-Range", f"bytes */{len(content)}")
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        handler.send_response(206)
        handler.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
    else:
        handler.send_response(200)
    body = content[start:]
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    if mirror.cut.get(name):
        body = body[: mirror.cut[name].pop(0)]
    handler.wfile.write(body)
    handler.close_connection = True
