"""Generated nodes at work: their telemetry goes to a bridge by OTLP, as agents would send it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fedsight import __version__
from fedsight.errors import FedsightError
from fedsight.forecast import generated
from fedsight.telemetry.agent.bridge import Endpoint, GrpcBridge
from fedsight.telemetry.agent.families import Family, Number, Scraped
from fedsight.telemetry.agent.otlp import Origin, request
from fedsight.telemetry.agent.starts import Starts
from fedsight.telemetry.agent.verdict import Later, Taken, Verdict
from fedsight.telemetry.windows.rules import SCAPHANDRE

SEND_SECONDS = 10.0
#: The first rows wait so long for their bridge, and are tried again after so much.
PATIENCE_SECONDS, PAUSE_SECONDS = 30.0, 0.5
#: Said beside every value: nobody measured it.
SOURCE = (("value_source", "generated"),)


@dataclass
class Generated:
    """So many generated nodes, whose rows lie `step` (ns) apart and go to the bridge at `url`.

    What the bridge did not take is sent with the next rows, up to `history` of them.
    """

    url: str
    nodes: int
    step: int
    history: int
    _sent: int = 0
    _ended: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def running(self) -> Iterator[None]:
        """The whole history is there, and a row more comes at each interval.

        Raises FedsightError where the bridge does not take the first.
        """
        asyncio.run(self._begin())
        thread = threading.Thread(target=self._run, name="generated", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join()

    async def _begin(self) -> None:
        bridge = GrpcBridge(Endpoint(self.url))
        deadline = time.monotonic() + PATIENCE_SECONDS
        try:
            while isinstance(found := await self._send(bridge), Later):
                if time.monotonic() > deadline:
                    break
                await asyncio.sleep(PAUSE_SECONDS)
        finally:
            await bridge.close()
        if not isinstance(found, Taken) or found.rejected:
            raise FedsightError(f"the bridge did not take the generated nodes' rows: {found}")

    def _run(self) -> None:
        asyncio.run(self._grow())

    async def _grow(self) -> None:
        bridge = GrpcBridge(Endpoint(self.url))
        try:
            while not await asyncio.to_thread(self._ended.wait, self.step / 1e9):
                await self._send(bridge)
        finally:
            await bridge.close()

    async def _send(self, bridge: GrpcBridge) -> Verdict:
        """What no request had yet, up to now, a node a request; what became of the first that was
        not taken, else of the last."""
        times = self._due()
        found: Verdict = Taken()
        for number in range(1, self.nodes + 1) if len(times) else ():
            found = await bridge.export(body(number, times), SEND_SECONDS)
            if not isinstance(found, Taken):
                return found
        if len(times):
            self._sent = int(times[-1])
        return found

    def _due(self) -> NDArray[np.int64]:
        last = time.time_ns() // self.step * self.step
        times = last - self.step * np.arange(self.history, dtype=np.int64)[::-1]
        return times[times > self._sent]


def body(number: int, times: NDArray[np.int64]) -> bytes:
    """The rows of that node at these times (Unix ns), as an encoded request."""
    name, table = generated.name_of(number), generated.rows(number, times)
    families = tuple(
        Family(
            str(column).removeprefix(f"{SCAPHANDRE}."),
            "gauge",
            "made by a formula",
            "",
            tuple(
                Number(SOURCE, value, at)
                for at, value in zip(times.tolist(), table[column].tolist(), strict=True)
            ),
        )
        for column in table
    )
    origin = Origin(name, name, SCAPHANDRE, __version__, f"{name}-of-a-demonstration")
    return request(Scraped(families, 0), origin, Starts(), int(times[-1]))
