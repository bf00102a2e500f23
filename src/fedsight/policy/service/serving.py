"""A policy service: what decides, who may ask, and the look at the files while it runs."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable

from fedsight.door.token import TOKEN
from fedsight.errors import FedsightError
from fedsight.policy.service.beside import Trier
from fedsight.policy.service.callers import Tokens
from fedsight.policy.service.deciding import Deciding
from fedsight.policy.service.listed import Proven
from fedsight.policy.service.options import PolicyOptions
from fedsight.policy.service.replaying import Replays

log = logging.getLogger(__name__)


class Serving:
    """Everything that the routes are given. `busy` is held by the one long question at a time;
    `proven` is what verifying the trail found last; `trier` looks at drafts, `replays` judges what
    is recorded anew."""

    def __init__(self, options: PolicyOptions, token: str) -> None:
        self.options = options
        self.tokens = Tokens(token, options.tokens, own_file=options.data / TOKEN)
        self.deciding = Deciding(options)
        self.busy = threading.Lock()
        self.proven: Proven | None = None
        self.trier = Trier()
        self.replays = Replays()
        self._looking: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin to look at the files now and then."""
        await asyncio.to_thread(self.deciding.standings.look)
        # Apart: a disk that does not answer keeps nobody from taking a new set.
        looks = ("policy files", self._look_at_files), ("audit trail", self.deciding.look)
        self._looking = [asyncio.create_task(self._look(*one)) for one in looks]

    async def close(self) -> None:
        """Stop looking, and sign the trail."""
        for one in self._looking:
            one.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await one
        await self.replays.close()
        await self.trier.close()
        await asyncio.to_thread(self.deciding.close)

    def _look_at_files(self) -> None:
        self.deciding.force.look()
        self.deciding.standings.look()

    async def _look(self, name: str, look: Callable[[], None]) -> None:
        while True:
            await asyncio.sleep(self.options.look_seconds)
            try:
                await asyncio.to_thread(look)
            except (FedsightError, OSError) as error:
                log.warning("the %s cannot be looked at: %s", name, error)
