"""The warm node: one long-lived process that answers messages as they come.

One thread asks the SuperLink for messages and says that the node lives, also while it trains;
another works them off, one at a time. Flower's own node starts a process for every message.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from queue import Empty, Queue

from flwr.app.user_config import UserConfigValue
from flwr.clientapp.typing import Mod

from fedsight.errors import told
from fedsight.federated.link.client_apps import ClientApps
from fedsight.federated.link.fleet_client import (
    HEARTBEAT_SECONDS,
    FleetClient,
    ForgottenError,
    RunOverError,
)
from fedsight.federated.link.wire import AwayError, RejectedError
from fedsight.federated.link.worker import Letter, Worker

POLL_SECONDS = 0.05
#: While it trains nothing can begin: it asks only often enough to be seen alive.
BUSY_POLL_SECONDS = 0.25
#: After so long without a message nobody is in a hurry.
QUIET_SECONDS, QUIET_POLL_SECONDS = 60.0, 0.25
FIRST_PAUSE = 0.1
LONGEST_PAUSE = 5.0
#: Messages that wait while one is worked on. A full queue leaves the rest on the SuperLink.
MOST_WAITING = 16
#: Connections that one message's objects travel on; more do not help, the server has one thread.
PARALLEL = 2

log = logging.getLogger("fedsight.node")


@dataclass
class Health:
    """What a node is doing, for whoever watches it."""

    node_id: int = 0
    online: bool = False
    waits_for: str = ""
    answered: int = 0
    dropped: int = 0
    last_error: str = ""


class Node:
    """A node of a federation. `run` returns after `stop`; it raises where the node is refused."""

    def __init__(
        self,
        client: FleetClient,
        apps: ClientApps,
        config: Mapping[str, UserConfigValue],
        mod: Mod | None = None,
    ) -> None:
        self._client = client
        self._waiting: Queue[Letter] = Queue(MOST_WAITING)
        self._stop = threading.Event()
        self._idle = threading.Event()
        self._idle.set()
        self._pool = ThreadPoolExecutor(PARALLEL, "transfer")
        self._worker = Worker(client, apps, config, self._pool, self._stop, mod)
        self._last_letter = time.monotonic()
        self.health = Health()

    def stop(self) -> None:
        """End `run` soon; what is being worked on is left."""
        self._stop.set()

    def run(self) -> None:
        """Serve until `stop`. Raises RefusedError or UntrustedError: neither passes by itself."""
        threading.Thread(target=self._work, name="work", daemon=True).start()
        try:
            self._keep_joining()
        finally:
            self._stop.set()
            self._leave()

    def _keep_joining(self) -> None:
        pause = FIRST_PAUSE
        while not self._stop.is_set():
            try:
                self._join()
                pause = FIRST_PAUSE
                self._serve()
            except ForgottenError as error:
                self._offline(f"the SuperLink to take this node in again: {error}", pause)
            except (AwayError, RejectedError) as error:
                self._offline(f"the SuperLink: {error}", pause)
                pause = min(pause * 2, LONGEST_PAUSE)

    def _join(self) -> None:
        node_id = self._client.join()
        again = " again" if node_id == self.health.node_id else ""
        self.health.node_id, self.health.online, self.health.waits_for = node_id, True, ""
        log.info("online%s as node %d", again, node_id)

    def _offline(self, waits_for: str, pause: float) -> None:
        """Say once what it waits for, and wait; nodes do not come back all at once."""
        self.health.online = False
        if waits_for != self.health.waits_for:
            self.health.waits_for = waits_for
            log.warning("waits for %s", waits_for)
        self._stop.wait(pause * random.uniform(0.8, 1.2))

    def _leave(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
        try:
            if self.health.online:
                self._client.leave()
        except (AwayError, RejectedError, ForgottenError, RunOverError) as error:
            log.info("could not say goodbye: %s", error)
        self._client.close()

    def _serve(self) -> None:
        """Ask for messages until something is wrong."""
        beat_due = 0.0
        while not self._stop.is_set():
            full = self._waiting.full()
            if full or time.monotonic() >= beat_due:
                self._client.beat()
                beat_due = time.monotonic() + HEARTBEAT_SECONDS / 2
            found = None if full else self._client.poll()
            if found is not None:
                self._last_letter = time.monotonic()
                self._waiting.put(Letter(*found, self._client.node_id))
            else:
                self._pause()

    def _pause(self) -> None:
        """Until the next question: soon, or as soon as what is being worked on is done."""
        if self._idle.is_set():
            quiet = time.monotonic() - self._last_letter > QUIET_SECONDS
            self._stop.wait(QUIET_POLL_SECONDS if quiet else POLL_SECONDS)
        else:
            self._idle.wait(BUSY_POLL_SECONDS)

    def _work(self) -> None:
        while not self._stop.is_set():
            try:
                letter = self._waiting.get(timeout=1.0)
            except Empty:
                continue
            self._idle.clear()
            try:
                self._worker.answer(letter)
                self.health.answered += 1
            except RunOverError as error:
                self._dropped(f"nobody waits for an answer any more: {error}")
            except Exception as error:  # a message that cannot be answered: the node lives on
                self._dropped(told(error))
            finally:
                self._last_letter = time.monotonic()
                self._idle.set()

    def _dropped(self, why: str) -> None:
        self.health.dropped += 1
        self.health.last_error = why
        log.info("dropped a message: %s", why)
