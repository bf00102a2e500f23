"""A small server of Elasticsearch's bulk API over real sockets, which can be told to fail.

It keeps documents by index and id, refuses to create what is there, and answers item by item, as
the API's own reference has it. It is no Elasticsearch: what it shows is conformance alone.
"""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

#: What befalls the next request: a status with its body and Retry-After, or one of the words
#: `drop` (nothing is kept, the connection ends) and `drop after` (all is kept, no answer comes).
Fault = tuple[int, Any, str] | str
#: Given a document, the status and error of its item; None: it is kept.
Refuse = Callable[[dict[str, Any]], tuple[int, dict[str, str]] | None]


class SearchStub:
    """Use as a context. `docs` are by index and id; `bodies` and `headers` of every request."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.docs: dict[tuple[str, str], dict[str, Any]] = {}
        self.faults: list[Fault] = []
        self.refuse: Refuse = lambda document: None
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.most_bytes = 100 * 2**20
        self.created = 0
        stub = self

        class Answering(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                stub.bodies.append(body)
                stub.headers.append({k.lower(): v for k, v in self.headers.items()})
                fault = stub.faults.pop(0) if stub.faults else None
                if fault == "drop":
                    self.close_connection = True
                    return
                if isinstance(fault, tuple):
                    self._say(fault[0], fault[1], fault[2])
                    return
                if self.path != "/_bulk" or len(body) > stub.most_bytes:
                    self._say(413 if self.path == "/_bulk" else 404, {"error": "no"}, "")
                    return
                answer = stub.bulk(body)
                if fault == "drop after":
                    self.close_connection = True
                    return
                self._say(200, answer, "")

            def _say(self, status: int, said: Any, wait: str) -> None:
                body = json.dumps(said).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                if wait:
                    self.send_header("Retry-After", wait)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
        self._server.daemon_threads = True
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        scheme = "http" if tls is None else "https"
        self.url = f"{scheme}://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def bulk(self, body: bytes) -> dict[str, Any]:
        """Keep what can be kept; an item for each action."""
        assert body.endswith(b"\n")
        lines = [json.loads(each) for each in body.splitlines()]
        items = [
            self._create(action["create"], document)
            for action, document in zip(lines[::2], lines[1::2], strict=True)
        ]
        return {
            "took": 1,
            "errors": any(item["create"]["status"] >= 300 for item in items),
            "items": items,
        }

    def _create(self, place: dict[str, str], document: dict[str, Any]) -> dict[str, Any]:
        key = (place["_index"], place["_id"])
        refused = self.refuse(document)
        if key in self.docs:
            refused = 409, {"type": "version_conflict_engine_exception", "reason": "exists"}
        if refused is not None:
            status, error = refused
            return {"create": {**place, "status": status, "error": error}}
        self.docs[key] = document
        self.created += 1
        return {"create": {**place, "status": 201, "result": "created", "_version": 1}}

    def __enter__(self) -> SearchStub:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
