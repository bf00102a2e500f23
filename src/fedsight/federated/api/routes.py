"""What each route answers. What reads files runs in a thread, so that the event loop stays free."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from fedsight import __version__
from fedsight.door import exposition
from fedsight.door.body import read_struct
from fedsight.door.endpoint import Nothing
from fedsight.door.refusal import BadFieldError, RefusedError
from fedsight.federated.api import metrics, parameters, rows, summary
from fedsight.federated.api.clients import Registration
from fedsight.federated.api.history import RoundFacts
from fedsight.federated.api.runs import new_run_id
from fedsight.federated.api.server import NAME, Server
from fedsight.federated.api.starting import StartRequest, ordered

MOST_REASON = 200
ACCEPTED = 202


def json(answer: Struct, status: int = 200) -> Response:
    """A struct as JSON."""
    return Response(msgspec.json.encode(answer), status, media_type="application/json")


async def about(_: Server, __: Request, ___: Nothing) -> Response:
    """Name and version."""
    return json(rows.Service(NAME, __version__))


async def health(server: Server, _: Request, __: Nothing) -> Response:
    """Whether the server can train and keep."""
    return json(await asyncio.to_thread(server.health))


async def status(server: Server, _: Request, __: Nothing) -> Response:
    """What the server is doing now."""
    return json(server.status())


async def start(server: Server, request: Request, _: Nothing) -> Response:
    """Begin a run."""
    wanted = await read_struct(request, server.options.body_bytes, StartRequest)
    order = ordered(wanted, server.orders)
    run_id, plan = new_run_id(), order.plan
    server.runner.check_free()
    await asyncio.to_thread(server.let_start, run_id, plan.rounds)
    server.runner.begin(order, run_id)
    said = f"run {run_id} begins: {plan.task}, {plan.algorithm.algorithm}, {plan.rounds} rounds"
    return _command(server, run_id, said)


async def pause(server: Server, request: Request, _: Nothing) -> Response:
    """Let no further round begin."""
    reason = await _reason(server, request, "asked for over HTTP")
    current = server.runner.pause(reason)
    return _command(server, current.run_id, "pauses when the running round is over")


async def resume(server: Server, request: Request, _: Nothing) -> Response:
    """Let rounds begin again."""
    await _reason(server, request, "")
    current = server.runner.resume()
    return _command(server, current.run_id, "goes on")


async def stop(server: Server, request: Request, _: Nothing) -> Response:
    """End the run after the running round; at once where it waits or is paused."""
    reason = await _reason(server, request, "stopped over HTTP")
    current = server.runner.stop(reason)
    return _command(server, current.run_id, "ends when the running round is over")


async def restart(server: Server, request: Request, _: Nothing) -> Response:
    """Begin what the current or last run was told to do again, as a new run."""
    reason = await _reason(server, request, "restarted over HTTP")
    run_id, rounds = new_run_id(), server.runner.again().plan.rounds
    await asyncio.to_thread(server.let_start, run_id, rounds)
    server.runner.restart(reason, run_id)
    waits = server.runner.next_run == run_id
    when = "begins when the running round of the one before is over" if waits else "begins"
    return _command(server, run_id, f"run {run_id} {when}")


def _command(server: Server, run_id: str, message: str) -> Response:
    return json(rows.Command(run_id, server.status().status, message), ACCEPTED)


async def _reason(server: Server, request: Request, default: str) -> str:
    """The reason given, one printable line; else `default`."""
    asked = await read_struct(request, server.options.body_bytes, rows.Reason)
    if asked.reason is None:
        return default
    if not asked.reason.isprintable() or not 0 < len(asked.reason) <= MOST_REASON:
        message = f"must be one line of 1 to {MOST_REASON} printable characters"
        raise BadFieldError("reason", message)
    return asked.reason


async def clients(server: Server, _: Request, query: parameters.PageQuery) -> Response:
    """Clients of the current run, and who registered."""
    found = server.clients()
    page = found[query.offset : query.offset + query.limit]
    return json(rows.ClientPage(page, len(found)))


async def client(server: Server, request: Request, _: Nothing) -> Response:
    """One client, by name or node id."""
    return json(_client(server, request.path_params["client_id"]))


async def register(server: Server, request: Request, _: Nothing) -> Response:
    """Keep what a client says of itself."""
    said = await read_struct(request, server.options.body_bytes, Registration)
    server.registry.add(said)
    server.log.say("CLIENT_REGISTERED", {"ip_address": said.ip_address}, node=said.client_id)
    return json(_client(server, said.client_id))


def _client(server: Server, wanted: str) -> Struct:
    for one in server.clients():
        if wanted in (one.client_id, one.node_id):
            return one
    raise RefusedError(404, "not_found", f"there is no client {wanted[:128]!r}")


async def rounds(server: Server, _: Request, query: parameters.RoundsQuery) -> Response:
    """Rounds of the current run that are over, in order."""
    known = _rounds(server)
    found = [one for one in known if _fits(one, query)]
    page = found[query.offset : query.offset + query.limit]
    more = query.offset + len(page) < len(found)
    return json(
        rows.RoundsPage(
            [rows.RoundRow.of(one) for one in page],
            len(found),
            len(page),
            known[-1].round if known else None,
            rows.Pagination(query.limit, query.offset, more),
        )
    )


def _fits(one: RoundFacts, query: parameters.RoundsQuery) -> bool:
    if not query.start_round <= one.round <= query.end_round:
        return False
    least, most = query.min_accuracy, query.max_accuracy
    if least is None and most is None:
        return True
    if one.accuracy is None:
        return False
    return (least is None or one.accuracy >= least) and (most is None or one.accuracy <= most)


def _rounds(server: Server) -> list[RoundFacts]:
    current = server.runner.current
    return [] if current is None else current.history.rounds()


async def events(server: Server, _: Request, query: parameters.EventsQuery) -> Response:
    """What happened after an event, oldest first."""
    found = server.log.since(query.since_event_id, query.limit)
    last = found[-1].id if found else max(query.since_event_id, server.log.last_id)
    return json(rows.EventsPage([rows.EventRow.of(one) for one in found], last))


async def run_summary(server: Server, _: Request, __: Nothing) -> Response:
    """The current run summed up."""
    known = _rounds(server)
    accuracies = [one.accuracy for one in known]
    current = server.runner.current
    nodes = {} if current is None else current.history.clients()
    last = known[-1] if known else None
    return json(
        rows.Summary(
            len(known),
            None if last is None else last.accuracy,
            None if last is None else last.loss,
            sum(one.rounds > 0 for one in nodes.values()),
            summary.average_seconds(known),
            summary.communication_efficiency(known),
            rows.Convergence(
                summary.trend(accuracies),
                summary.trend([one.loss for one in known]),
                summary.convergence_rate(accuracies),
                summary.stability(accuracies),
            ),
        )
    )


async def prometheus(server: Server, request: Request, _: Nothing) -> Response:
    """Prometheus' text, or the run's rounds as columns to `Accept: application/json`."""
    wanted = request.headers.get("accept", "")
    if "application/json" in wanted and "text/plain" not in wanted:
        return json(_columns(server))
    page = exposition.text(metrics.families(server.runner.current, server.counters))
    return Response(page, headers={"Content-Type": exposition.MEDIA_TYPE})


async def run_metrics(server: Server, _: Request, __: Nothing) -> Response:
    """The current run's rounds as columns."""
    return json(_columns(server))


def _columns(server: Server) -> rows.RunMetrics:
    known = _rounds(server)
    accuracies = [one.accuracy for one in known]
    return rows.RunMetrics(
        accuracies,
        [one.loss for one in known],
        len(known),
        [one.participants for one in known],
        summary.convergence_rate(accuracies),
    )


async def models(server: Server, _: Request, query: parameters.ModelsQuery) -> Response:
    """Model versions, newest first."""
    return await _in_thread(lambda: server.models.page(query))


async def compare(server: Server, _: Request, query: parameters.CompareQuery) -> Response:
    """Two model versions side by side."""
    return await _in_thread(lambda: server.models.compare(query.a, query.b))


async def model(server: Server, request: Request, _: Nothing) -> Response:
    """One model version: RUN/ROUND, RUN/latest or RUN/best."""
    wanted = _version(request)
    return await _in_thread(lambda: server.models.one(wanted))


async def named_model(server: Server, request: Request, _: Nothing) -> Response:
    """One model version: a tag, latest or best."""
    wanted = request.path_params["version"]
    return await _in_thread(lambda: server.models.one(wanted))


async def tag_model(server: Server, request: Request, _: Nothing) -> Response:
    """Give a model version a name."""
    wanted = _version(request)
    asked = await read_struct(request, server.options.body_bytes, rows.TagRequest)
    return await _in_thread(lambda: server.models.tag(wanted, asked))


async def promote_model(server: Server, request: Request, _: Nothing) -> Response:
    """Make a model version, seen to be whole, the one in production."""
    wanted = _version(request)
    await read_struct(request, server.options.body_bytes, Nothing)
    return await _in_thread(lambda: server.models.promote(wanted))


async def rollback_model(server: Server, request: Request, _: Nothing) -> Response:
    """Go back to the version that was in production before."""
    await read_struct(request, server.options.body_bytes, Nothing)
    return await _in_thread(server.models.rollback)


def _version(request: Request) -> str:
    return f"{request.path_params['run']}/{request.path_params['round']}"


async def _in_thread(question: Callable[[], Struct]) -> Response:
    return json(await asyncio.to_thread(question))
