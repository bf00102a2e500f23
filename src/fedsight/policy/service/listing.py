"""What the routes answer that list: decisions, refusals, trust over time, the trail."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from fedsight.door.endpoint import Nothing
from fedsight.door.refusal import BadFieldError, RefusedError
from fedsight.door.times import parse_rfc3339, rfc3339
from fedsight.policy.audit import Anchor, AuditError, PublicKey, segments
from fedsight.policy.audit.exporting import page as page_of
from fedsight.policy.service import access, listed
from fedsight.policy.service.deciding import KEY, READ_SECONDS, TRAIL, Deciding
from fedsight.policy.service.kept import DecisionRow, page
from fedsight.policy.service.refusing import because, refusals
from fedsight.policy.service.routes import beside, caller
from fedsight.policy.service.rows import AuditAnswer
from fedsight.policy.service.serving import Serving

#: So many bytes of records are told at once.
MOST_BYTES = 4 * 2**20
#: So many changes of trust, of all clients together.
MOST_CHANGES = 20_000
Fits = Callable[[DecisionRow], bool]


async def decisions(service: Serving, request: Request, query: listed.DecisionQuery) -> Response:
    """Recorded decisions, with what was asked and why it was answered so."""
    service.deciding.permit(caller(service, request), access.AUDIT)
    return await beside(lambda: _decisions(service.deciding, query))


def _decisions(deciding: Deciding, query: listed.DecisionQuery) -> listed.DecisionList:
    fits = _fits(query)
    with deciding.lock:
        kept, since = deciding.decisions, query.since_decision_id
        all_ = kept.newest() if since is None else list(kept.after(since))
        last, oldest = kept.last, kept.oldest
    found = [one for one in all_ if fits(one)]
    total, before = len(found), query.before_decision_id
    if before is not None:
        found = [one for one in found if one.decision_id < before]
    found = found[query.offset :]
    told = [_listed(one) for one in page(found, query.limit)]
    return listed.DecisionList(told, total, last, oldest, len(told) < len(found))


def _listed(one: DecisionRow) -> listed.Listed:
    told = {name: getattr(one, name) for name in one.__struct_fields__}
    return listed.Listed(**told, because=because(one))


def _fits(which: listed.Which) -> Fits:
    """Whether a decision is one of those that are asked for. Raises BadFieldError."""
    since, until = _moment("since", which.since), _moment("until", which.until)
    text = None if which.text is None else which.text.casefold()

    def fits(one: DecisionRow) -> bool:
        return (
            which.client in (None, one.client_id, one.principal)
            and which.action in (None, one.action)
            and which.run in (None, one.run)
            and which.allowed in (None, one.allowed)
            and (which.rule is None or which.rule in one.rules)
            and (since is None or one.timestamp >= since)
            and (until is None or one.timestamp < until)
            and (text is None or text in _text(one))
        )

    return fits


def _text(one: DecisionRow) -> str:
    named = (one.principal, one.action, one.run or "", one.reason, *one.rules, *one.errors)
    return "\n".join(named).casefold()


def _moment(field: str, written: str | None) -> str | None:
    """A time in the one form that times have here, so that texts compare as they do."""
    if written is None:
        return None
    try:
        return rfc3339(parse_rfc3339(written))
    except ValueError as error:
        raise BadFieldError(field, str(error)) from None


async def refused(service: Serving, request: Request, query: listed.Which) -> Response:
    """Who was refused by which rule, how often, and when."""
    service.deciding.permit(caller(service, request), access.AUDIT)
    return await beside(lambda: _refused(service.deciding, query))


def _refused(deciding: Deciding, query: listed.Which) -> listed.Refusals:
    fits = _fits(query)
    with deciding.lock:
        all_ = deciding.decisions.newest()
    since = all_[-1].timestamp if all_ else None
    return refusals([one for one in all_ if fits(one)], since)


async def trust_history(service: Serving, request: Request, query: listed.HistoryQuery) -> Response:
    """The trust of clients over time, and the threshold of the federation."""
    service.deciding.permit(caller(service, request), access.READ)
    return await beside(lambda: _trust_history(service, query))


def _trust_history(service: Serving, query: listed.HistoryQuery) -> listed.TrustCurves:
    standings = service.deciding.standings
    scores = standings.scores()
    if query.client is not None and query.client not in scores:
        raise RefusedError(404, "not_found", f"nothing is known of {query.client}")
    ranked = sorted(scores.items(), key=lambda pair: (pair[1], pair[0]))
    wanted = [one for one in ranked if query.client in (None, one[0])]
    asked = wanted[query.offset : query.offset + query.limit]
    each = min(query.changes, MOST_CHANGES // max(1, len(asked)))
    curves = [
        listed.TrustCurve(client, score, standings.history(client)[-each:])
        for client, score in asked
    ]
    lowest = service.deciding.force.engine.ruleset.federation.limits.get("min_trust")
    known = float(lowest) if isinstance(lowest, float | int) else None
    rule = standings.rule
    told = len(wanted), known, rule.initial, rule.half_life_seconds
    return listed.TrustCurves(curves, *told)


async def audit(service: Serving, request: Request, _: Nothing) -> Response:
    """The audit trail as it stands, and what verifying found last."""
    service.deciding.permit(caller(service, request), access.AUDIT)
    return await beside(lambda: _state(service))


def _state(service: Serving) -> listed.AuditState:
    deciding, data = service.deciding, service.options.data
    with deciding.lock:
        seq = deciding.trail.seq
        head = _head(deciding)
        fault = deciding.fault
    key = _read(lambda: PublicKey.read(data / f"{KEY}.pub")).text
    files = [(one, one.path.stat().st_size) for one in segments.segments(data / TRAIL)]
    fingerprint = hashlib.sha256(bytes.fromhex(key)).hexdigest()[:16]
    first = files[0][0].first if files else 0
    size = sum(bytes_ for _, bytes_ in files)
    known = service.proven
    return listed.AuditState(seq, first, size, len(files), key, fingerprint, head, known, fault)


def _head(deciding: Deciding) -> listed.Head | None:
    one = deciding.head
    if one is None:
        return None
    told = msgspec.json.decode(one.details, type=Anchor)
    return listed.Head(told.log, told.seq, told.hash, one.timestamp)


def proven(found: AuditAnswer, begun: float) -> listed.Proven:
    """What verifying found, to be remembered; it began at `begun` (`time.perf_counter`)."""
    took = time.perf_counter() - begun
    return listed.Proven(
        rfc3339(time.time_ns()),
        round(took, 6),
        found.ok,
        found.records,
        found.first,
        found.last,
        found.signed,
        found.anchored,
        found.seq,
        found.what,
        found.anchors,
        found.anchors_why,
    )


async def records(service: Serving, request: Request, query: listed.RecordQuery) -> Response:
    """Records of the trail as they stand there, to take elsewhere."""
    service.deciding.permit(caller(service, request), access.AUDIT)
    return await beside(lambda: _records(service, query))


def _records(service: Serving, query: listed.RecordQuery) -> listed.RecordList:
    folder, limit = service.options.data / TRAIL, query.limit
    try:
        found = page_of(
            folder, query.after, limit=limit, most_bytes=MOST_BYTES, seconds=READ_SECONDS
        )
    except AuditError as error:
        raise RefusedError(503, "audit", str(error)) from error
    return listed.RecordList(found.lines, found.next)


def _read(asked: Callable[[], PublicKey]) -> PublicKey:
    try:
        return asked()
    except AuditError as error:
        raise RefusedError(503, "audit", str(error)) from error
