"""What a request to our SuperLink meets first: admission, then whoever answers it."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import FastAPI
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from fedsight.federated.clock import Clock
from fedsight.federated.link import turned_away
from fedsight.federated.link.admission import Admission, address_of
from fedsight.federated.link.direct import FLEET, Direct
from fedsight.federated.link.gate import Gate
from fedsight.federated.link.polls import Polls
from fedsight.federated.link.reports import PREFIX, Refusal
from fedsight.federated.link.routes import Routes
from fedsight.federated.link.turned_away import TurnedAway
from fedsight.federated.link.watching import Watching


class Front:
    """The ASGI application that stands before Flower's."""

    def __init__(
        self,
        flower: FastAPI,
        node_auth: bool = False,
        token: str | None = None,
        on_refusal: Callable[[Refusal], object] = lambda _: None,
    ) -> None:
        now = Clock().now
        self.polls = Polls(now)
        self.away = TurnedAway(now, on_refusal)
        self._flower = flower
        self._admission = Admission(token)
        self._direct = Direct(
            flower, Watching(self.polls), Gate(flower, node_auth, self.away, self.polls)
        )
        self._routes = Routes(flower, self.polls, self.away, node_auth)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._flower(scope, receive, send)
            return
        path = scope["path"]
        if not path.startswith(FLEET) and not self._admission.admits(scope):
            self.away.add(turned_away.NOBODY, address_of(scope), path, turned_away.STRANGER)
            refusal = JSONResponse(
                {"detail": "this needs the header 'Authorization: Bearer TOKEN'"},
                401,
                {"WWW-Authenticate": "Bearer", "Connection": "close"},
            )
            await refusal(scope, receive, send)
        elif self._direct.takes(scope):
            await self._direct(scope, receive, send)
        elif path.startswith(PREFIX):
            await self._routes(scope, receive, send)
        else:
            await self._flower(scope, receive, send)
