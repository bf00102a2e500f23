"""A policy service: what decides, who may ask, and the look at the files while it runs."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading

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
        self._looking: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to look at the files now and then."""
        await asyncio.to_thread(self.deciding.standings.look)
        self._looking = asyncio.create_task(self._look())

    async def close(self) -> None:
        """Stop looking, and sign the trail."""
        if self._looking is not None:
            self._looking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._looking
        await self.replays.close()
        await self.trier.close()
        await asyncio.to_thread(self.deciding.close)

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(self.options.look_seconds)
            try:
                await asyncio.to_thread(self.deciding.force.look)
                await asyncio.to_thread(self.deciding.standings.look)
                await asyncio.to_thread(self.deciding.look)
            except (FedsightError, OSError) as error:
                log.warning("the policy files cannot be looked at: %s", error)
