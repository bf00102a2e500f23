"""Kept connections to a SuperLink: one protobuf request, one answer, over plain HTTP or TLS.

A signed request costs a node 0.5 ms of a core through the standard library's HTTP client, 1.1
through httpx, and a node asks twenty times a second.
"""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path

from fedsight.errors import FedsightError, UsageError
from fedsight.federated.link.address import Address

MEDIA_TYPE = "application/protobuf"
CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 60.0
#: What a server says of an error is read so far.
_MOST_SAID = 500


#: A body in one piece, or in pieces that go to the socket one after the other.
Body = bytes | Sequence[bytes | memoryview]
#: Makes the headers of one request.
Headers = Callable[[], Mapping[str, str]]


class AwayError(Exception):
    """The SuperLink does not answer, or not now: it may be tried again.

    `answered`: it did answer, that it failed.
    """

    def __init__(self, said: str, answered: bool = False) -> None:
        super().__init__(said)
        self.answered = answered


class RejectedError(Exception):
    """The SuperLink answered no. `code` is Flower's own, where it gave one."""

    def __init__(self, status: int, code: int | None, said: str) -> None:
        super().__init__(f"{said} (HTTP {status})")
        self.status = status
        self.code = code


class UntrustedError(FedsightError):
    """TLS failed: whoever answers is not known to be the SuperLink, or does not speak TLS."""


def trust(root_cert: Path | None, insecure: bool) -> ssl.SSLContext | None:
    """The TLS context for a SuperLink's certificate authority; None: plaintext.

    Without a file the system's authorities are trusted. Raises UsageError on a bad file.
    """
    if insecure and root_cert is not None:
        raise UsageError("--insecure and --root-cert exclude each other")
    if insecure:
        return None
    try:
        return ssl.create_default_context(cafile=None if root_cert is None else str(root_cert))
    except (OSError, ssl.SSLError) as error:
        raise UsageError(f"cannot read the certificate {root_cert}: {error}") from None


class Wire:
    """Connections to one server, kept open and lent to one request at a time. Thread-safe."""

    def __init__(
        self,
        address: Address,
        tls: ssl.SSLContext | None,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        self.address = address
        self._tls = tls
        self._answer_seconds = answer_seconds
        self._idle: list[HTTPConnection] = []
        self._lent: set[HTTPConnection] = set()
        self._lock = threading.Lock()
        self._closed = False

    def post(self, path: str, body: Body, headers: Headers) -> bytes:
        """The answer's body. Raises AwayError, RejectedError or UntrustedError.

        `headers` are made for each attempt: a signature is good for one.
        """
        return self._tried("POST", path, body, headers)

    def get(self, path: str, headers: Headers) -> bytes:
        """The body at a path. Raises as `post` does."""
        return self._tried("GET", path, b"", headers)

    def _tried(self, method: str, path: str, body: Body, headers: Headers) -> bytes:
        kept = self._kept()
        if kept is not None:
            try:
                return self._asked(kept, method, path, body, headers())
            except AwayError as error:
                if error.answered:
                    raise
                # Otherwise it was closed since its last use: a new connection tells.
        return self._asked(self._opened(), method, path, body, headers())

    def close(self) -> None:
        """Close all connections; a request that is under way fails as if the server went away."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            lent = list(self._lent)
        for connection in idle:
            connection.close()
        for connection in lent:
            with suppress(OSError, AttributeError):  # whoever has it may close it, too
                connection.sock.shutdown(socket.SHUT_RDWR)

    def _kept(self) -> HTTPConnection | None:
        with self._lock:
            return self._idle.pop() if self._idle else None

    def _opened(self) -> HTTPConnection:
        host, port = self.address.host, self.address.port
        if self._tls is None:
            connection = HTTPConnection(host, port, timeout=CONNECT_SECONDS)
        else:
            connection = HTTPSConnection(host, port, timeout=CONNECT_SECONDS, context=self._tls)
        try:
            connection.connect()
        except ssl.SSLCertVerificationError as error:
            raise UntrustedError(
                f"the certificate of {self.address} is not to be trusted:"
                f" {error.verify_message}; name its authority with --root-cert"
            ) from None
        except ssl.SSLError as error:
            raise UntrustedError(
                f"{self.address} does not speak TLS ({error.reason}); where it is meant to be"
                " plaintext, say --insecure"
            ) from None
        except OSError as error:
            raise AwayError(_why(error)) from None
        connection.sock.settimeout(self._answer_seconds)
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def _asked(
        self,
        connection: HTTPConnection,
        method: str,
        path: str,
        body: Body,
        headers: Mapping[str, str],
    ) -> bytes:
        sent = {**_HEADERS, **headers}
        if not isinstance(body, bytes):
            sent["Content-Length"] = str(sum(map(len, body)))
        with self._lock:
            self._lent.add(connection)
        try:
            connection.request(method, path, body, sent)
            response = connection.getresponse()
            answer = response.read()
        except (OSError, HTTPException) as error:
            self._return(connection, used_up=True)
            raise AwayError(_why(error)) from None
        self._return(connection, response.will_close)
        if response.status == 200:
            return answer
        raise _refusal(response.status, answer)

    def _return(self, connection: HTTPConnection, used_up: bool) -> None:
        with self._lock:
            self._lent.discard(connection)
            if not used_up and not self._closed:
                self._idle.append(connection)
                return
        connection.close()


_HEADERS = {"Content-Type": MEDIA_TYPE, "Accept": MEDIA_TYPE}


def _why(error: Exception) -> str:
    said = str(error.strerror) if isinstance(error, OSError) and error.strerror else str(error)
    return said or type(error).__name__


def _refusal(status: int, answer: bytes) -> Exception:
    """What a status other than 200 means; a server error may pass, a client's does not."""
    code, said = None, ""
    try:
        told = json.loads(answer)
        code, said = told.get("code"), str(told.get("extra") or told.get("detail") or "")
    except (ValueError, AttributeError):
        said = answer[:_MOST_SAID].decode(errors="replace")
    said = " ".join(said.split())[:_MOST_SAID] or "no reason given"
    if status >= 500:
        return AwayError(f"it failed: {said} (HTTP {status})", answered=True)
    return RejectedError(status, code if isinstance(code, int) else None, said)
