"""The link to dataClay: one event loop, one session, and a deadline on whatever is asked."""

from __future__ import annotations

import asyncio
import contextvars
import ipaddress
import logging
import socket
import threading
import warnings
from collections.abc import Coroutine
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any, TypeVar

from fedsight.errors import MissingExtraError, UsageError, told
from fedsight.telemetry.windows.contract import WindowError

T = TypeVar("T")

#: Its runtime and event loop are the process's: there is one link in a process at a time.
_ONE = threading.Lock()


class AwayError(WindowError):
    """DataClay does not answer, or not in time."""


class Link:
    """Asks dataClay's metadata service at host and port, and the backends that it names.

    Raises MissingExtraError where dataClay is not installed, UsageError where the host is on no
    private network: what it speaks may be read and changed on the way. Threads may share it.
    """

    def __init__(self, host: str, port: int, seconds: float) -> None:
        self.address = f"{host}:{port}"
        self.seconds = seconds
        self._closing = threading.Lock()
        _check_private(host, port)
        with _ONE:
            self._client = _client(host, port)
            self._loop = _loop()
            # The session is a context variable, which other threads would not have.
            self._session = contextvars.copy_context()
            self._session.run(self._client.start)
            # It ends where nobody answers, which every question is told anyhow.
            self.runtime.backend_clients.update_task.add_done_callback(_heard)

    @property
    def runtime(self) -> Any:
        """DataClay's own; its coroutines are for `ask`."""
        return self._client.runtime

    def ask(self, coroutine: Coroutine[Any, Any, T], seconds: float | None = None) -> T:
        """The answer within the deadline; what takes longer is given up.

        Raises AwayError where there is none, WindowError for a fault of whoever answers; what
        dataClay itself refuses passes through.
        """
        given = self.seconds if seconds is None else seconds
        context = self._session.copy()
        future = context.run(asyncio.run_coroutine_threadsafe, coroutine, self._loop)
        try:
            return future.result(given)
        except FutureTimeoutError as error:
            future.cancel()
            raise AwayError(
                f"dataClay at {self.address} did not answer within {given:g} s"
            ) from error
        except Exception as error:  # dataClay's own are of many kinds; those of the wire are told
            if _is_away(error):
                raise AwayError(f"dataClay at {self.address} is away: {told(error)}") from error
            if _is_refusal(error):
                raise
            raise WindowError(f"dataClay at {self.address} met a fault: {told(error)}") from error

    def close(self) -> None:
        """End the session."""
        with self._closing:
            if self._client.is_active:
                self._client.is_active = False
                try:
                    self.ask(self._client.runtime.stop())
                finally:
                    _put_back(self._client)


def _check_private(host: str, port: int) -> None:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise AwayError(f"the name of dataClay's host {host} is not known: {error}") from error
    for *_, address in found:
        there = ipaddress.ip_address(str(address[0]).split("%")[0])
        if there.is_global:
            raise UsageError(
                f"windows.dataclay_host {host} is {there}, which is on no private network;"
                " dataClay obeys whoever reaches it, so it must not be reached from there"
            )


def _is_away(error: Exception) -> bool:
    """Whether it says that nobody is there, rather than that something is not."""
    import grpc

    if isinstance(error, grpc.RpcError):
        return True
    text = str(error)
    return any(each in text for each in ("failed to connect", "No backends available"))


def _is_refusal(error: Exception) -> bool:
    from dataclay.exceptions import DataClayException

    return isinstance(error, DataClayException)


def _client(host: str, port: int) -> Any:
    """A client that is not started.

    DataClay sets up logging for the whole process when it is imported, and warns of directories
    that are not there; neither is for its guest to decide.
    """
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", 'directory "/run/secrets" does not exist')
            from dataclay import Client

            return Client(host=host, port=port)
    except ImportError as error:
        raise MissingExtraError("dataClay", "dataclay") from error
    finally:
        root.handlers[:], root.level = handlers, level
        logging.getLogger("dataclay").setLevel(logging.ERROR)


def _loop() -> asyncio.AbstractEventLoop:
    """DataClay's event loop: its own way of making one writes to standard output."""
    from dataclay.event_loop import get_dc_event_loop, set_dc_event_loop

    loop: asyncio.AbstractEventLoop | None = get_dc_event_loop()
    if loop is None:
        loop = asyncio.SelectorEventLoop()
        threading.Thread(target=_run, args=(loop,), name="dataclay", daemon=True).start()
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result()
        set_dc_event_loop(loop)
    return loop


def _put_back(client: Any) -> None:
    """What was the process's before: dataClay's own way of ending waits without a deadline."""
    from dataclay.config import set_runtime, settings

    settings.client = client.previous_settings
    set_runtime(client.previous_runtime)


def _heard(task: asyncio.Task[None]) -> None:
    """Take note of how a task ended, so that asyncio does not complain that nobody did."""
    if not task.cancelled():
        task.exception()


def _run(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    loop.run_forever()
