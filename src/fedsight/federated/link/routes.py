"""Routes of our own on the SuperLink's port: its nodes, the turns of messages, refusals."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import cast

import msgspec
from fastapi import FastAPI
from flwr.server.superlink.linkstate import LinkState
from flwr.supercore.version import package_version
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from fedsight import __version__
from fedsight.federated.link.identity import fingerprint
from fedsight.federated.link.names import bound
from fedsight.federated.link.polls import NodePolls, Polls
from fedsight.federated.link.reports import (
    PREFIX,
    SERVICE,
    HealthReport,
    NodeReport,
    NodeReports,
    TurnReports,
)
from fedsight.federated.link.turned_away import TurnedAway

JSON = "application/json"
METRIC = "fedsight_superlink"
#: Message ids in one question.
MOST_IDS = 2000


class Routes:
    """`GET /fedsight/v1/...`."""

    def __init__(self, flower: FastAPI, polls: Polls, away: TurnedAway, node_auth: bool) -> None:
        self._flower = flower
        self._polls = polls
        self._away = away
        self._health = HealthReport(SERVICE, __version__, package_version, polls.now(), node_auth)
        self._app = Starlette(
            routes=[
                Route(f"{PREFIX}/health", self._get_health),
                Route(f"{PREFIX}/nodes", self._get_nodes),
                Route(f"{PREFIX}/turns", self._turns, methods=["GET", "POST"]),
                Route(f"{PREFIX}/refusals", self._refusals),
                Route(f"{PREFIX}/metrics", self._metrics),
            ]
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        await self._app(scope, receive, send)

    async def _get_health(self, _: Request) -> Response:
        return _json(self._health)

    async def _get_nodes(self, _: Request) -> Response:
        return _json(await self._nodes())

    async def _turns(self, request: Request) -> Response:
        """Those of `ids`, parted by commas, from the address or, where they are many, the body."""
        text = request.query_params.get("ids") or (await request.body()).decode(errors="replace")
        wanted = [each for each in text.split(",") if each][:MOST_IDS]
        return _json(TurnReports(self._polls.turns(wanted)))

    async def _refusals(self, request: Request) -> Response:
        after = request.query_params.get("after", "0")
        if not after.isdecimal():
            return Response('{"detail":"after must be a whole number"}', 422, media_type=JSON)
        return _json(self._away.after(int(after)))

    async def _metrics(self, _: Request) -> Response:
        nodes = (await self._nodes()).nodes
        return Response(_exposed(nodes, self._away), media_type="text/plain; version=0.0.4")

    async def _nodes(self) -> NodeReports:
        state = cast(LinkState, self._flower.state.linkstate_factory.state())
        known = await run_in_threadpool(state.get_node_info)
        names = bound(known) if self._health.node_auth else None
        none = NodePolls()
        reports = []
        for info in known:
            seen = self._polls.nodes.get(info.node_id, none)
            reports.append(
                NodeReport(
                    str(info.node_id),
                    fingerprint(info.public_key) if info.public_key else None,
                    info.status,
                    self._polls.seconds_since(info.node_id),
                    seen.bytes_in,
                    seen.bytes_out,
                    seen.requests,
                    list(seen.lost),
                    seen.claim or None if names is None else names.get(info.node_id),
                )
            )
        return NodeReports(self._polls.now(), reports, self._health.node_auth)


def _json(body: msgspec.Struct) -> Response:
    return Response(msgspec.json.encode(body), media_type=JSON)


def _exposed(nodes: list[NodeReport], away: TurnedAway) -> str:
    """Prometheus' text of nodes and refusals."""
    lines: list[str] = []

    def family(name: str, kind: str, values: Iterable[tuple[str, float | None]]) -> None:
        lines.append(f"# TYPE {METRIC}_{name} {kind}")
        lines.extend(
            f"{METRIC}_{name}{{{labels}}} {value:.12g}"
            for labels, value in values
            if value is not None
        )

    def each(value: Callable[[NodeReport], float | None]) -> Iterable[tuple[str, float | None]]:
        return ((f'node="{node.node_id}"', value(node)) for node in nodes)

    family("node_online", "gauge", each(lambda node: node.status == "online"))
    family("node_last_poll_seconds", "gauge", each(lambda node: node.last_poll_seconds))
    family("node_bytes_in_total", "counter", each(lambda node: node.bytes_in))
    family("node_bytes_out_total", "counter", each(lambda node: node.bytes_out))
    family("node_requests_total", "counter", each(lambda node: node.requests))
    refused = away.after(away.last_id).by_reason
    family(
        "refused_total",
        "counter",
        ((f'reason="{reason}"', count) for reason, count in sorted(refused.items())),
    )
    return "\n".join([*lines, ""])
