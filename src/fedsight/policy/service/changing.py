"""What the routes answer that tell of trust, and prove the trail."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response

from fedsight.door.body import read_struct
from fedsight.door.endpoint import Nothing
from fedsight.door.refusal import BadFieldError, RefusedError
from fedsight.errors import FedsightError, UsageError
from fedsight.policy import resetting
from fedsight.policy.audit import Anchor, AuditError, verify
from fedsight.policy.request import Party
from fedsight.policy.service import access, rows
from fedsight.policy.service.alone import alone
from fedsight.policy.service.anchoring import AnchorsUnknownError
from fedsight.policy.service.deciding import TRAIL
from fedsight.policy.service.listing import proven
from fedsight.policy.service.routes import beside, caller, json
from fedsight.policy.service.serving import Serving

T = TypeVar("T")
_REASON_BYTES = 16 * 2**10


async def trust(service: Serving, request: Request, query: rows.TrustQuery) -> Response:
    """The trust of clients, as runs of this data directory left it."""
    service.deciding.permit(caller(service, request), access.READ)
    return await beside(lambda: _trust(service, query))


def _trust(service: Serving, query: rows.TrustQuery) -> rows.TrustList:
    standings = service.deciding.standings
    scores = standings.scores()
    if query.client is not None:
        if query.client not in scores:
            raise RefusedError(404, "not_found", f"nothing is known of {query.client}")
        one = rows.TrustRow(query.client, scores[query.client])
        return rows.TrustList([one], 1, standings.history(query.client))
    ranked = sorted(scores.items(), key=lambda pair: (pair[1], pair[0]))
    page = ranked[query.offset : query.offset + query.limit]
    return rows.TrustList([rows.TrustRow(*pair) for pair in page], len(scores), [])


async def reset_trust(service: Serving, request: Request, _: Nothing) -> Response:
    """Forget all evidence of a client. Recorded first: who, and why."""
    who = caller(service, request)
    client = request.path_params["client"]
    await service.deciding.permit_change(who, resetting.ACTION)
    found = await read_struct(request, _REASON_BYTES, rows.Reset)
    return json(await asyncio.to_thread(_reset, service, who, client, found.reason))


def _reset(service: Serving, who: Party, client: str, reason: str) -> rows.WasReset:
    deciding = service.deciding
    try:
        book = deciding.standings.book()
        if not book.knows(client):
            raise RefusedError(404, "not_found", f"nothing is known of {client}")
        # Its turn comes first: nobody waits for that while the book is held.
        with deciding.trail.turn():
            change = resetting.reset(
                book, lambda one: deciding.record(one.event()), who, client, reason, time.time_ns()
            )
    except UsageError as error:
        raise BadFieldError("reason", str(error)) from error
    except AuditError as error:
        raise RefusedError(503, "audit", f"it cannot be recorded: {error}") from error
    except FedsightError as error:
        raise RefusedError(503, "store", str(error)) from error
    return rows.WasReset(client, change.before, change.after)


async def audit_verify(service: Serving, request: Request, _: Nothing) -> Response:
    """Whether the audit trail is as it was written: by its heads and the collector's anchors."""
    service.deciding.permit(caller(service, request), access.AUDIT)
    return json(await asyncio.to_thread(_verified, service))


def _verified(service: Serving) -> rows.AuditAnswer:
    data, begun = service.options.data, time.perf_counter()
    with alone(service):
        # A trail that somebody changed is not signed any more: verifying says which record it is.
        with suppress(AuditError):
            service.deciding.trail.sign()
        key = service.deciding.key
        anchors, why = _anchors(service)
        found = _read(lambda: verify(data / TRAIL, key, anchors))
    known: rows.Anchors = "unknown" if why is not None else "checked" if anchors else "none"
    answer = rows.AuditAnswer(
        found.ok,
        found.records,
        found.first,
        found.last,
        found.signed,
        found.seq,
        found.what,
        found.anchored if known == "checked" else None,
        known,
        why,
    )
    service.proven = proven(answer, begun)
    return answer


def _anchors(service: Serving) -> tuple[list[Anchor], str | None]:
    """What the collector vouches for, or why that is not known."""
    witness = service.options.witness
    if witness is None:
        return [], "no collector is asked"
    try:
        return witness.anchors(), None
    except AnchorsUnknownError as error:
        return [], str(error)


def _read(asked: Callable[[], T]) -> T:
    try:
        return asked()
    except AuditError as error:
        raise RefusedError(503, "audit", str(error)) from error
