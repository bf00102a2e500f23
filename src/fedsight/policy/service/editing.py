"""What the routes answer that look at sets, change them, and go back."""

from __future__ import annotations

import asyncio
import hashlib
import json as text_json
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from fedsight.door.body import read_struct
from fedsight.door.endpoint import Nothing
from fedsight.door.refusal import BadFieldError, RefusedError
from fedsight.door.times import rfc3339
from fedsight.errors import FedsightError, UsageError
from fedsight.policy.faults import PolicyError
from fedsight.policy.files import belongs, texts
from fedsight.policy.request import Party
from fedsight.policy.service import access
from fedsight.policy.service import edit_rows as rows
from fedsight.policy.service.alone import alone
from fedsight.policy.service.callers import operator
from fedsight.policy.service.routes import beside, caller, json
from fedsight.policy.service.serving import Serving
from fedsight.policy.version import Version
from fedsight.policy.versions import difference
from fedsight.policy.watching import InForce

#: Refusals of a rule are counted over so long, as far as decisions are kept.
RECENT_NS = 24 * 3600 * 10**9
#: File systems take 255, of which a replacement needs some.
_NAME_BYTES = 200
_UNREADABLE = "unreadable"
_ADMIN = operator("data directory", ("admin",))


async def policies(service: Serving, request: Request, _: Nothing) -> Response:
    """The set in force, rule by rule and as its files."""
    service.deciding.permit(caller(service, request), access.READ)
    who = service.tokens.who(request.headers.get("authorization", ""))
    return await asyncio.to_thread(_answered, service, who or _ADMIN)


def _answered(service: Serving, who: Party) -> Response:
    found = _policies(service, who)
    answer = json(found)
    answer.headers["ETag"] = f'"{found.digest}"'
    return answer


def _policies(service: Serving, who: Party) -> rows.PolicySet:
    force = service.deciding.force
    taken, digest = force.engine.ruleset, digest_of(force)
    since, refused = _refused(service)
    found = [
        rows.PolicyRow(
            one.id,
            one.effect,
            one.reason,
            one.file,
            one.place.line,
            one.text,
            sorted(one.actions),
            refused[one.id],
        )
        for one in taken.rules
    ]
    newest, _ = force.versions.page(1, 0)
    return rows.PolicySet(
        taken.version,
        newest[0].number if newest else None,
        digest,
        found,
        dict(force.files),
        list(taken.warnings),
        force.fault,
        service.options.observe,
        since,
        _why_not(service, who, access.CHANGE),
        _why_not(service, who, access.AUDIT),
    )


def _refused(service: Serving) -> tuple[str, Counter[str]]:
    """How often each rule refused, and since when that was counted."""
    with service.deciding.lock:
        full, kept = service.deciding.decisions.full, service.deciding.decisions.newest()
    since = rfc3339(time.time_ns() - RECENT_NS)
    recent = [one for one in kept if one.timestamp >= since]
    if full and len(recent) == len(kept):
        since = recent[-1].timestamp
    refusals = (one for one in recent if one.observed or not one.allowed)
    return since, Counter(rule for one in refusals for rule in one.rules)


def _why_not(service: Serving, who: Party, action: str) -> str | None:
    """Why the set in force does not let somebody do something."""
    asking = service.deciding.access
    said = asking.judged(service.deciding.force.engine, asking.asked(who, action))
    return None if said.allowed and not said.observed else said.reason


def digest_of(force: InForce) -> str:
    """What tells all files of the set apart from others, tests too. Where the folder's set is not
    the one in force, it is of what lies there: a change would replace that."""
    return _digest(force.files) if force.fault is None else _folder_digest(force)


def _folder_digest(force: InForce) -> str:
    try:
        return _digest(texts(force.folder))
    except PolicyError:
        return _UNREADABLE


def _digest(files: Mapping[str, str]) -> str:
    return hashlib.sha256(text_json.dumps(dict(files), sort_keys=True).encode()).hexdigest()[:16]


async def validate(service: Serving, request: Request, _: Nothing) -> Response:
    """Whether a set would be taken, all that is wrong with it, and what came of its tests."""
    who = caller(service, request)
    service.deciding.permit(who, access.READ)
    found = await read_struct(request, service.options.body_bytes, rows.Candidate)
    check_names(found.files)
    return json(await service.trier.tried(found.files, who))


async def replace(service: Serving, request: Request, _: Nothing) -> Response:
    """Put a whole set in force: what is answered later is answered by it."""
    who = caller(service, request)
    await service.deciding.permit_change(who, access.CHANGE)
    new = await read_struct(request, service.options.body_bytes, rows.NewSet)
    check_names(new.files)
    expected = Expected(_if_match(request), new.expected, new.expected_version)
    return await _changed(service, who, expected, dict(new.files), new.by, new.note)


async def rollback(service: Serving, request: Request, _: Nothing) -> Response:
    """Put an older version in force again, as the newest one."""
    who = caller(service, request)
    await service.deciding.permit_change(who, access.CHANGE)
    back = await read_struct(request, service.options.body_bytes, rows.Back)
    files = (await asyncio.to_thread(version_of, service, back.number)).files
    note = f"back to version {back.number}" + (f": {back.note}" if back.note else "")
    expected = Expected(_if_match(request), back.expected)
    return await _changed(service, who, expected, files, back.by, note)


class Expected(NamedTuple):
    """What a change is meant to replace: as If-Match, `expected` or `expected_version` name it."""

    match: str | None
    digest: str | None
    version: str | None = None

    def check(self, force: InForce, digest: str) -> None:
        """Raise RefusedError where the set with this digest is another: 409, 412 for If-Match."""
        before = force.engine.version
        if self.version not in (None, before):
            message = f"version {before} is in force, not {self.version}"
            raise RefusedError(409, "conflict", message, field="expected_version")
        if self.match not in (None, digest):
            raise RefusedError(412, "precondition", _whose(force), field="If-Match")
        if self.digest not in (None, digest):
            raise RefusedError(409, "conflict", _whose(force), field="expected")


async def _changed(
    service: Serving,
    who: Party,
    expected: Expected,
    files: dict[str, str],
    by: str | None,
    note: str,
) -> Response:
    await _right(service, files)
    author = f"{by} ({who.id})" if by and by != who.id else who.id

    def change() -> rows.Taken:
        force = service.deciding.force
        with alone(service):
            force.look()
            # Another set may have come while this one was looked at: it says who may change it.
            service.deciding.permit(who, access.CHANGE)
            seen = digest_of(force)
            expected.check(force, seen)

            def still() -> None:
                if any(expected) and _folder_digest(force) != seen:
                    raise RefusedError(409, "conflict", _whose(force), field="expected")

            return _in_force(force, files, author, note, still)

    return await beside(change)


async def _right(service: Serving, files: dict[str, str]) -> None:
    """Raise RefusedError 422 where a set is wrong; looked at beside, within the deadline."""
    found = await service.trier.tried(files)
    if not found.ok:
        places = (
            f"{one.file}:{one.line}:{one.column}: {one.message}"
            if one.line
            else f"{one.file}: {one.message}"
            for one in found.faults[:10]
        )
        message = f"the set is not taken: {'; '.join(places)}"
        raise RefusedError(422, "policy", message, field="files")


def _in_force(
    force: InForce, files: dict[str, str], author: str, note: str, still: Callable[[], None]
) -> rows.Taken:
    try:
        made = force.versions.replace(files, author, note, still)
    except PolicyError as error:
        raise unfit(error) from error
    except FedsightError as error:
        raise RefusedError(503, "store", str(error)) from error
    finally:
        force.look()
    if force.engine.version != made.version:
        message = f"the set was written and is not in force: {force.fault or 'changed since'}"
        raise RefusedError(503, "store", message)
    return rows.Taken(made.version, made.number)


def _if_match(request: Request) -> str | None:
    told = request.headers.get("if-match", "*").strip()
    return None if told == "*" else told.removeprefix("W/").strip('"')


def _whose(force: InForce) -> str:
    newest = force.versions.newest()
    whose = f"version {newest.number} is by {newest.author}" if newest else "its folder has changed"
    return f"the set was changed meanwhile: {whose}; look at it, then change it again"


def unfit(error: PolicyError) -> RefusedError:
    """422 with what is wrong."""
    told = "; ".join(map(str, error.faults[:10]))
    return RefusedError(422, "policy", f"the set is not taken: {told}", field="files")


def check_names(files: Mapping[str, str]) -> None:
    """Refuse names that are no set's: with a path, of another kind, or such as no file can have."""
    for name in files:
        odd = set(name) & set("/\\\0") or name[:1] == "." or not name.isprintable()
        if not belongs(name) or odd or len(name.encode()) > _NAME_BYTES:
            raise BadFieldError("files", f"{name[:80]!r} is the name of no file of a set")


async def versions(service: Serving, request: Request, query: rows.VersionQuery) -> Response:
    """The versions that were in force: by whom, since when, why."""
    service.deciding.permit(caller(service, request), access.READ)
    kept = service.deciding.force.versions
    found, total = await asyncio.to_thread(kept.page, query.limit, query.offset)
    listed = [
        rows.VersionRow(one.number, one.version, one.author, rfc3339(one.time), one.note)
        for one in found
    ]
    return json(rows.VersionList(listed, total))


async def version(service: Serving, request: Request, _: Nothing) -> Response:
    """A version with its files."""
    service.deciding.permit(caller(service, request), access.READ)
    told = request.path_params["number"]
    number = int(told) if told.isascii() and told.isdecimal() and len(told) <= 6 else 0
    return await beside(lambda: _whole(version_of(service, number)))


def _whole(one: Version) -> rows.WholeVersion:
    when, files = rfc3339(one.time), dict(one.files)
    return rows.WholeVersion(one.number, one.version, one.author, when, one.note, files)


def version_of(service: Serving, number: int) -> Version:
    """A version by its number. Raises RefusedError 404."""
    try:
        return service.deciding.force.versions.get(number)
    except UsageError as error:
        raise RefusedError(404, "not_found", str(error)) from None


async def diff(service: Serving, request: Request, query: rows.DiffQuery) -> Response:
    """How two versions differ."""
    service.deciding.permit(caller(service, request), access.READ)

    def between() -> rows.Diff:
        before, after = (version_of(service, one) for one in (query.before, query.after))
        names = (str(query.before), str(query.after))
        return rows.Diff(query.before, query.after, difference(before.files, after.files, names))

    return await beside(between)
