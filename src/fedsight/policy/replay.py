"""Replay: what another policy set would have said to requests that were answered already."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from fedsight.errors import FedsightError
from fedsight.policy.audit import AuditError, canonical, segments
from fedsight.policy.audit.record import LINE_BYTES
from fedsight.policy.engine import Engine
from fedsight.policy.overseer import DECISION
from fedsight.policy.request import MOST_NAME, Party, Ref, Request
from fedsight.policy.ruleset import RuleSet, ruleset
from fedsight.starting import command

#: What refuses where no rule does.
NO_RULE, ERROR = "no rule permits it", "an error"
OTHER, OTHERS = "other reasons", "other clients"
#: So many requests are judged at once, or as many as are so large.
_AT_ONCE, _BYTES_AT_ONCE = 5000, 16 * 2**20
#: From so many bytes of trail on a second process is worth its start.
_WORTH_BYTES = 4 * 2**20
#: Of each direction.
_MOST_EXAMPLES = 20
_MOST_REASONS, _MOST_LETTERS = 20, 300
#: So many clients are told one by one.
_MOST_CLIENTS = 5000
_TABLES = (
    "refused_by_rule",
    "allowed_by_rule",
    "refused_by_client",
    "allowed_by_client",
    "why_unjudged",
)

#: Is told how much is done, as a share.
Tell = Callable[[float], None]


class Difference(Struct, frozen=True):
    """One request that would have been answered otherwise."""

    seq: int
    time: int
    client: str
    action: str
    allowed: bool
    rules: tuple[str, ...]
    before: tuple[str, ...]


class Replayed(Struct):
    """What a candidate set would have changed. Rules and clients map to how many requests.

    `refused` would have been refused and were not, `allowed` the other way round. By rule, it is
    the candidate's rule that refuses, or the one that refused then. `unjudged` are requests that
    the candidate cannot judge, and so refuses; `why_unjudged` has what stood in the way.
    """

    requests: int = 0
    judged: int = 0
    refused: int = 0
    allowed: int = 0
    unjudged: int = 0
    refused_by_rule: dict[str, int] = msgspec.field(default_factory=dict)
    allowed_by_rule: dict[str, int] = msgspec.field(default_factory=dict)
    refused_by_client: dict[str, int] = msgspec.field(default_factory=dict)
    allowed_by_client: dict[str, int] = msgspec.field(default_factory=dict)
    why_unjudged: dict[str, int] = msgspec.field(default_factory=dict)
    examples: list[Difference] = msgspec.field(default_factory=list)


class _Body(Struct):
    request: dict[str, Any]
    allowed: bool
    rules: list[str]


class _Line(Struct):
    kind: str
    seq: int
    time: str
    body: msgspec.Raw


def replay(
    candidate: RuleSet,
    folder: Path,
    *,
    since: int | None = None,
    until: int | None = None,
    processes: int | None = None,
    tell: Tell = lambda _: None,
) -> Replayed:
    """Judge the decisions recorded in `folder` from `since` to before `until` (Unix ns) anew.

    `tell` is given the share that is done, now and then. The trail is read as it is; `verify` says
    whether it may be believed. Raises AuditError where it cannot be read.
    """
    try:
        files = [(str(one.path), size) for one, size in segments.written(folder)]
        size = sum(size for _, size in files)
        wanted = processes or (min(2, os.cpu_count() or 1) if size > _WORTH_BYTES else 1)
        parts = [part for part in _parts(files, wanted) if part]
        if len(parts) < 2:
            return _part(_Job(dict(candidate.files), files, since, until), tell)
        with ExitStack() as open_:
            jobs = [_Job(dict(candidate.files), part, since, until) for part in parts]
            others = [open_.enter_context(_begun(job)) for job in jobs[1:]]
            first = _part(jobs[0], tell)
            return _joined([first, *map(_ended, others)])
    except OSError as error:
        raise AuditError(f"cannot read the audit trail {folder}: {error}") from error


class _Job(Struct):
    """What another process is to replay: a set's texts, and files of the trail, each up to the byte
    where what was written ended as the replay began."""

    files: dict[str, str]
    trail: list[tuple[str, int]]
    since: int | None
    until: int | None


@contextmanager
def _begun(job: _Job) -> Iterator[subprocess.Popen[bytes]]:
    """A process that replays; it ends with the context."""
    begin, pipe = command("fedsight.policy.replay"), subprocess.PIPE
    with subprocess.Popen(begin, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        try:
            assert process.stdin is not None
            process.stdin.write(msgspec.json.encode(job))
            process.stdin.close()
            process.stdin = None
            yield process
        finally:
            process.kill()


def _ended(process: subprocess.Popen[bytes]) -> Replayed:
    """What it found. Raises AuditError, saying what it said, where it could not."""
    out, said = process.communicate()
    if process.returncode != 0:
        raise AuditError(said.decode(errors="replace").strip() or "replay was interrupted")
    return msgspec.json.decode(out, type=Replayed)


def work() -> int:
    """Be such a process: a job on standard input, what was found on standard output."""
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=_Job)
    try:
        found = _part(job)
    except FedsightError as error:
        print(error, file=sys.stderr)
        return 1
    sys.stdout.buffer.write(msgspec.json.encode(found))
    return 0


def _parts(files: Sequence[tuple[str, int]], count: int) -> list[list[tuple[str, int]]]:
    """The files in `count` runs of about one size, in order."""
    share = sum(size for _, size in files) / count
    parts, filled = [list[tuple[str, int]]() for _ in range(count)], 0
    for path, size in files:
        at = min(count - 1, int((filled + size / 2) / share)) if share else 0
        parts[at].append((path, size))
        filled += size
    return parts


def _part(job: _Job, tell: Tell = lambda _: None) -> Replayed:
    engine = Engine(ruleset(job.files))
    found = Replayed()
    waiting, size = list[tuple[_Line, _Body, Request]](), 0
    for one in _recorded(job.trail, job.since, job.until, tell):
        waiting.append(one)
        size += len(one[0].body)
        if len(waiting) >= _AT_ONCE or size > _BYTES_AT_ONCE:
            _judge(engine, waiting, found)
            waiting, size = [], 0
    _judge(engine, waiting, found)
    return found


def _recorded(
    files: Sequence[tuple[str, int]], since: int | None, until: int | None, tell: Tell
) -> Iterator[tuple[_Line, _Body, Request]]:
    lines, bodies = msgspec.json.Decoder(_Line), msgspec.json.Decoder(_Body)
    whole, read = sum(size for _, size in files), 0
    for path, size in files:
        with open(path, "rb") as file:
            left = size
            for number, text in enumerate(iter(partial(file.readline, LINE_BYTES + 1), b""), 1):
                left -= len(text)
                if len(text) > LINE_BYTES and not text.endswith(b"\n"):
                    raise AuditError(f"{Path(path).name}:{number} is no record; verify")
                if left < 0 or not text.endswith(b"\n"):
                    break  # it was written since, or cut off as it was: no decision rests on it
                read += len(text)
                if number % _AT_ONCE == 0:
                    tell(min(1.0, read / whole))
                try:
                    line = lines.decode(text)
                    time = int(line.time)
                    if line.kind != DECISION or not _within(time, since, until):
                        continue
                    said = bodies.decode(line.body)
                except (msgspec.MsgspecError, ValueError) as error:
                    name = Path(path).name
                    raise AuditError(f"{name}:{number} is no record: {error}; verify") from error
                yield line, said, rebuilt(said.request)


def _within(time: int, since: int | None, until: int | None) -> bool:
    return (since is None or time >= since) and (until is None or time < until)


def rebuilt(kept: Mapping[str, Any]) -> Request:
    """The request that a record keeps. What is no request becomes one that is refused."""
    principal, resource = kept.get("principal"), kept.get("resource")
    time = canonical.restored(kept.get("time"))
    try:
        return Request(
            _party(principal),
            str(kept.get("action")),
            time if isinstance(time, int) else -1,
            None if resource is None else _party(resource),
            _values(kept.get("context") or {}),
        )
    except (KeyError, TypeError, AttributeError):
        return Request(Party("", ""), "", -1)


def _party(kept: Any) -> Party:
    groups = tuple(Ref(one["type"], one["id"]) for one in kept.get("groups") or ())
    return Party(kept["type"], kept["id"], _values(kept.get("attributes") or {}), groups)


def _values(kept: Mapping[str, Any]) -> dict[str, Any]:
    return {name: one if type(one) in _AS_THEY_ARE else _value(one) for name, one in kept.items()}


_AS_THEY_ARE = frozenset({int, float, str, bool})


def _value(kept: Any) -> Any:
    if isinstance(kept, dict) and kept.keys() == {"type", "id"}:
        return Ref(kept["type"], kept["id"])
    return canonical.restored(kept)


def _judge(
    engine: Engine, waiting: Sequence[tuple[_Line, _Body, Request]], found: Replayed
) -> None:
    """Judge each kind of request once, however often it was asked."""
    keys = [engine.key(request) for _, _, request in waiting]
    first: dict[object, Request] = {}
    for key, (_, _, request) in zip(keys, waiting, strict=True):
        first.setdefault(key, request)
    answers = dict(zip(first, engine.decide_all(list(first.values())), strict=True))
    found.requests += len(waiting)
    found.judged += len(first)
    for key, (line, said, request) in zip(keys, waiting, strict=True):
        now = answers[key]
        if now.errors:
            found.unjudged += 1
            _add(found.why_unjudged, now.errors[0][:_MOST_LETTERS], _MOST_REASONS, OTHER)
        if now.allowed is not said.allowed:
            rules = now.refused_by or ((ERROR,) if now.errors else (NO_RULE,))
            reasons = tuple(said.rules) if now.allowed else rules
            _count(found, line, request, now.allowed, reasons or (NO_RULE,), tuple(said.rules))


def _count(
    found: Replayed,
    line: _Line,
    request: Request,
    allowed: bool,
    rules: tuple[str, ...],
    before: tuple[str, ...],
) -> None:
    by_rule = found.allowed_by_rule if allowed else found.refused_by_rule
    by_client = found.allowed_by_client if allowed else found.refused_by_client
    client, action = request.principal.id[:MOST_NAME], request.action[:MOST_NAME]
    for rule in rules:
        by_rule[rule] = by_rule.get(rule, 0) + 1
    _add(by_client, client, _MOST_CLIENTS, OTHERS)
    if allowed:
        found.allowed += 1
    else:
        found.refused += 1
    if sum(one.allowed is allowed for one in found.examples) < _MOST_EXAMPLES:
        time = int(line.time)
        one = Difference(line.seq, time, client, action, allowed, rules, before)
        found.examples.append(one)


def _add(counts: dict[str, int], name: str, most: int, others: str) -> None:
    """Count one more of a name; beyond so many names they are counted together."""
    if name not in counts and len(counts) >= most:
        name = others
    counts[name] = counts.get(name, 0) + 1


def _joined(parts: Sequence[Replayed]) -> Replayed:
    examples = [one for part in parts for one in part.examples]
    both = [[one for one in examples if one.allowed is way] for way in (False, True)]
    whole = Replayed(examples=[one for way in both for one in way[:_MOST_EXAMPLES]])
    for part in parts:
        for name in ("requests", "judged", "refused", "allowed", "unjudged"):
            setattr(whole, name, getattr(whole, name) + getattr(part, name))
        for name in _TABLES:
            counts = Counter(getattr(whole, name))
            counts.update(getattr(part, name))
            setattr(whole, name, dict(counts))
    return whole


if __name__ == "__main__":
    sys.exit(work())
