"""A Prometheus target of a test, in a thread: it counts its own scrapes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PLAIN = "text/plain; version=0.0.4"


class Target:
    """Answers with `page(n)`, n being the number of this scrape, from 1 on; while `status` is no
    200, with that, and with `elsewhere` as a redirect's address; without `token`, with 401. Keeps
    what it was `shown`."""

    def __init__(self, page: Callable[[int], str] | None = None) -> None:
        self.page = page or counting
        self.kind = PLAIN
        self.status = 200
        self.scrapes = 0
        self.elsewhere = ""
        self.token = ""
        self.shown: list[str | None] = []


def counting(scrape: int) -> str:
    """A gauge and a counter that are the number of the scrape."""
    return (
        "# TYPE load gauge\n"
        f"load {scrape}\n"
        "# TYPE energy_microjoules counter\n"
        f'energy_microjoules{{value_source="rapl"}} {scrape * 1000}\n'
    )


@contextmanager
def exposed(target: Target, port: int = 0) -> Iterator[str]:
    """Serve it on loopback; the address of its page."""

    class Pages(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b""
            target.shown.append(self.headers.get("Authorization"))
            right = not target.token or target.shown[-1] == f"Bearer {target.token}"
            status = target.status if right else 401
            if status == 200:
                target.scrapes += 1
                body = target.page(target.scrapes).encode()
            self.send_response(status)
            if target.elsewhere:
                self.send_header("Location", target.elsewhere)
            self.send_header("Content-Type", target.kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Pages)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/metrics"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
