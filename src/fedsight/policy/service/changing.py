"""What the routes answer that change, try and prove: sets, replay, trust, the trail."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response

from fedsight.door.body import read_struct
from fedsight.door.endpoint import Nothing
from fedsight.door.refusal import BadFieldError, RefusedError, too_many
from fedsight.door.times import parse_rfc3339
from fedsight.errors import FedsightError
from fedsight.policy.audit import AuditError, PublicKey, verify
from fedsight.policy.faults import PolicyError
from fedsight.policy.files import belongs
from fedsight.policy.replay import replay
from fedsight.policy.ruleset import RuleSet, ruleset
from fedsight.policy.service import access, rows
from fedsight.policy.service.deciding import KEY, TRAIL
from fedsight.policy.service.routes import caller, json
from fedsight.policy.service.serving import Serving

_MOST_FAULTS = 100
T = TypeVar("T")


async def policies(service: Serving, request: Request, _: Nothing) -> Response:
    """The set in force, rule by rule and as its files."""
    service.deciding.permit(caller(service, request), access.READ)
    force = service.deciding.force
    taken = force.engine.ruleset
    found = [
        rows.PolicyRow(one.id, one.effect, one.reason, one.file, one.place.line, one.text)
        for one in taken.rules
    ]
    files = dict(taken.files)
    warnings = list(taken.warnings)
    observe = service.options.observe
    return json(rows.PolicySet(taken.version, found, files, warnings, force.fault, observe))


async def replace(service: Serving, request: Request, _: Nothing) -> Response:
    """Put a whole set in force: what is answered later is answered by it."""
    who = caller(service, request)
    service.deciding.permit(who, access.CHANGE, recorded=True)
    found = await read_struct(request, service.options.body_bytes, rows.NewSet)
    return json(await asyncio.to_thread(_replaced, service, found, who.id))


def _replaced(service: Serving, new: rows.NewSet, author: str) -> rows.Taken:
    force = service.deciding.force
    _named(new.files)
    with _alone(service):
        before = force.engine.version
        if new.expected_version not in (None, before):
            message = f"version {before} is in force, not {new.expected_version}"
            raise RefusedError(409, "conflict", message, field="expected_version")
        try:
            made = force.versions.replace(new.files, author, new.note)
        except PolicyError as error:
            raise _unfit(error) from error
        except FedsightError as error:
            raise RefusedError(503, "store", str(error)) from error
        force.look()
        if force.engine.version != made.version:
            message = f"the set was written and is not in force: {force.fault or 'changed since'}"
            raise RefusedError(503, "store", message)
        return rows.Taken(made.version, made.number)


def _unfit(error: PolicyError) -> RefusedError:
    told = "; ".join(map(str, error.faults[:10]))
    return RefusedError(422, "policy", f"the set is not taken: {told}", field="files")


def _named(files: Mapping[str, str]) -> None:
    """Refuse names that are no set's: with a path, or of another kind."""
    for name in files:
        if not belongs(name) or "/" in name or "\\" in name or "\0" in name or name[0] == ".":
            raise BadFieldError("files", f"{name[:80]!r} is the name of no file of a set")


async def validate(service: Serving, request: Request, _: Nothing) -> Response:
    """Whether a set would be taken, and all that is wrong with it."""
    service.deciding.permit(caller(service, request), access.READ)
    found = await read_struct(request, service.options.body_bytes, rows.Candidate)
    _named(found.files)
    return json(await asyncio.to_thread(_validated, found))


def _validated(candidate: rows.Candidate) -> rows.Validated:
    try:
        found = ruleset(candidate.files)
    except PolicyError as error:
        faults = [
            rows.FaultRow(
                one.file,
                one.place.line if one.place else None,
                one.place.column if one.place else None,
                one.message,
            )
            for one in error.faults[:_MOST_FAULTS]
        ]
        return rows.Validated(False, None, 0, faults, [])
    return rows.Validated(True, found.version, len(found.rules), [], list(found.warnings))


async def replayed(service: Serving, request: Request, _: Nothing) -> Response:
    """What another set would have said to requests that were answered already."""
    service.deciding.permit(caller(service, request), access.AUDIT)
    found = await read_struct(request, service.options.body_bytes, rows.ReplayOrder)
    _named(found.files)
    since, until = _moment("since", found.since), _moment("until", found.until)
    try:
        candidate = await asyncio.to_thread(ruleset, found.files)
    except PolicyError as error:
        raise _unfit(error) from error
    return json(await asyncio.to_thread(_replay, service, candidate, since, until))


def _replay(
    service: Serving, candidate: RuleSet, since: int | None, until: int | None
) -> rows.ReplayAnswer:
    folder = service.options.data / TRAIL
    with _alone(service):
        begun = time.perf_counter()
        found = _read(lambda: replay(candidate, folder, since=since, until=until))
        return rows.ReplayAnswer(candidate.version, time.perf_counter() - begun, found)


def _moment(field: str, written: str | None) -> int | None:
    """RFC 3339 in Unix nanoseconds. Raises BadFieldError."""
    if written is None:
        return None
    try:
        return parse_rfc3339(written)
    except ValueError as error:
        raise BadFieldError(field, str(error)) from None


async def trust(service: Serving, request: Request, query: rows.TrustQuery) -> Response:
    """The trust of clients, as runs of this data directory left it."""
    service.deciding.permit(caller(service, request), access.READ)
    standings = service.deciding.standings
    scores = standings.scores()
    if query.client is not None:
        if query.client not in scores:
            raise RefusedError(404, "not_found", f"nothing is known of {query.client}")
        one = rows.TrustRow(query.client, scores[query.client])
        return json(rows.TrustList([one], 1, standings.history(query.client)))
    ranked = sorted(scores.items(), key=lambda pair: (pair[1], pair[0]))
    page = ranked[query.offset : query.offset + query.limit]
    return json(rows.TrustList([rows.TrustRow(*pair) for pair in page], len(scores), []))


async def audit_verify(service: Serving, request: Request, _: Nothing) -> Response:
    """Whether the audit trail is as it was written, as far as it vouches for itself."""
    service.deciding.permit(caller(service, request), access.AUDIT)
    return json(await asyncio.to_thread(_verified, service))


def _verified(service: Serving) -> rows.AuditAnswer:
    data = service.options.data
    with _alone(service):
        with service.deciding.lock:
            _read(service.deciding.trail.sign)
        key = PublicKey.read(data / f"{KEY}.pub")
        found = _read(lambda: verify(data / TRAIL, key))
    return rows.AuditAnswer(
        found.ok, found.records, found.first, found.last, found.signed, found.seq, found.what
    )


def _read(asked: Callable[[], T]) -> T:
    try:
        return asked()
    except AuditError as error:
        raise RefusedError(503, "audit", str(error)) from error


@contextmanager
def _alone(service: Serving) -> Iterator[None]:
    """One long question at a time. Raises RefusedError 429."""
    if not service.busy.acquire(blocking=False):
        raise too_many("another change, replay or verification is under way", 1.0)
    try:
        yield
    finally:
        service.busy.release()
