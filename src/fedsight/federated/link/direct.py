"""Flower's Fleet API and the calls of a training run, answered by Flower's own handlers without
the nine middlewares that stand before them.

A poll through Flower's application costs 2 ms of a core, and each node polls twenty times a
second. The handlers, the authentication and the errors are Flower's; what goes in between is here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from fastapi import FastAPI, HTTPException
from flwr.proto.message_pb2 import PullObjectResponse, PushObjectRequest
from flwr.server.superlink.linkstate import LinkState
from flwr.supercore.constant import TASK_TOKEN_HEADER
from flwr.supercore.dependencies.task import authenticate_task
from flwr.supercore.dependencies.version import VersionDependency
from flwr.supercore.error import ApiErrorCode, FlowerError, http_error_translator
from flwr.supercore.protobuf.constants import PROTOBUF_MEDIA_TYPE
from flwr.supercore.protobuf.translation import (
    PROTOBUF_REQUEST_TYPES,
    ProtobufTranslationMiddleware,
)
from flwr.supercore.servicer.runtime import runtime_handlers as core_handlers
from flwr.superlink.servicer.fleet import fleet_handlers
from flwr.superlink.servicer.runtime import runtime_handlers
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from fedsight.federated.link.frames import Piece, content_of_parts, with_content
from fedsight.federated.link.gate import Gate, said_in
from fedsight.federated.link.watching import Watching

FLEET = "/v1/fleet/"
RUNTIME = "/v1/runtime/"
#: An object is at most 5 MiB as Flower cuts it; a message's tree of objects has less.
MOST_BODY_BYTES = 64 * 2**20
#: More of a body is not taken from one whose signature is not that of a node.
MOST_UNVOUCHED_BYTES = 2**20

#: Flower's handler for each call of a node.
_FLEET: dict[str, Callable[[Any, LinkState, bool], Any]] = {
    "register-node": fleet_handlers.register_node,
    "unregister-node": fleet_handlers.unregister_node,
    "activate-node": lambda request, state, _: fleet_handlers.activate_node(request, state),
    "deactivate-node": lambda request, state, _: fleet_handlers.deactivate_node(request, state),
    "send-node-heartbeat": lambda request, state, _: fleet_handlers.send_node_heartbeat(
        request, state
    ),
    "pull-messages": lambda request, state, _: fleet_handlers.pull_messages(
        request, state, state.object_store
    ),
    "push-messages": lambda request, state, _: fleet_handlers.push_messages(request, state),
    "get-run": lambda request, state, _: fleet_handlers.get_run(request, state),
    "get-fab": lambda request, state, _: fleet_handlers.get_fab(request, state),
    "push-object": lambda request, state, _: fleet_handlers.push_object(request, state),
    "pull-object": lambda request, state, _: _pulled(
        state, lambda held: fleet_handlers.pull_object(request, held)
    ),
    "confirm-message-received": lambda request, state, _: fleet_handlers.confirm_message_received(
        request, state, state.object_store
    ),
}

#: Those of a training process that are made in every round.
_RUNTIME: dict[str, Callable[[Any, LinkState, Any], Any]] = {
    "push-messages": runtime_handlers.push_messages,
    "pull-messages": runtime_handlers.pull_messages,
    "push-object": runtime_handlers.push_object,
    "pull-object": lambda request, state, task: _pulled(
        state, lambda held: runtime_handlers.pull_object(request, held, task)
    ),
    "confirm-message-received": runtime_handlers.confirm_message_received,
    "get-nodes": runtime_handlers.get_nodes,
    "send-task-heartbeat": core_handlers.send_task_heartbeat,
}

_CHECK_VERSION = VersionDependency(
    component_name="SuperLink", connection_name="Caller <-> SuperLink Runtime API"
)


class Direct:
    """An ASGI application for the paths in `paths`; everything else is Flower's own."""

    def __init__(self, flower: FastAPI, watching: Watching, gate: Gate) -> None:
        self._flower = flower
        self._watching = watching
        self._gate = gate
        self._calls: dict[str, Callable[[Request, Any], Any]] = {}
        for name, fleet in _FLEET.items():
            self._calls[FLEET + name] = self._fleet(fleet)
        for name, runtime in _RUNTIME.items():
            self._calls[RUNTIME + name] = self._runtime(runtime)

    def takes(self, scope: Scope) -> bool:
        """Whether it answers that request."""
        return scope["path"] in self._calls and scope["method"] == "POST"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer it."""
        scope["app"] = self._flower
        request = Request(scope, receive)
        try:
            response = await http_error_translator(request, self._answer)
        except ClientDisconnect:
            return
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        path = request.scope["path"]
        parts = await self._body(request)
        began = self._watching.now()
        message, answer, pieces = await run_in_threadpool(self._work, request, path, parts)
        came, size = sum(map(len, parts)), sum(map(len, pieces))
        self._watching.saw(path, message, answer, began, came, size, said_in(request))
        return _Pieces(pieces, size)

    async def _body(self, request: Request) -> list[bytes]:
        """The request's body as it came; refused where it is larger than any that Flower sends."""
        parts: list[bytes] = []
        size, vouched = 0, not request.scope["path"].startswith(FLEET)
        async for part in request.stream():
            parts.append(part)
            size += len(part)
            if size > MOST_BODY_BYTES:
                raise HTTPException(413, f"a body has at most {MOST_BODY_BYTES} bytes")
            if size > MOST_UNVOUCHED_BYTES and not vouched:
                await run_in_threadpool(self._gate.vouch, request)
                vouched = True
        return parts

    def _work(
        self, request: Request, path: str, parts: Sequence[bytes]
    ) -> tuple[Any, Any, Sequence[Piece]]:
        """The request, Flower's answer, and that serialised."""
        message = request.state.protobuf_request = _parsed(request, parts, path)
        answer = self._calls[path](request, message)
        return message, answer, _serialised(answer)

    def _fleet(
        self, answer: Callable[[Any, LinkState, bool], Any]
    ) -> Callable[[Request, Any], Any]:
        def call(request: Request, message: Any) -> Any:
            with self._gate.open(request):
                return answer(message, self._state(), self._gate.node_auth)

        return call

    def _runtime(
        self, answer: Callable[[Any, LinkState, Any], Any]
    ) -> Callable[[Request, Any], Any]:
        def call(request: Request, message: Any) -> Any:
            _CHECK_VERSION(request)
            state = self._state()
            task = authenticate_task(request, request.headers.get(TASK_TOKEN_HEADER), state)
            return answer(message, state, task)

        return call

    def _state(self) -> LinkState:
        return cast(LinkState, self._flower.state.linkstate_factory.state())


def _parsed(request: Request, parts: Sequence[bytes], path: str) -> Any:
    """A request as Flower reads it; raises its errors. A long object is copied once."""
    ProtobufTranslationMiddleware._check_request_media_type(request)
    kind = PROTOBUF_REQUEST_TYPES["POST", path]
    if kind is not PushObjectRequest:
        return ProtobufTranslationMiddleware._parse_request(b"".join(parts), kind)
    try:
        rest, content = content_of_parts(parts, PushObjectRequest.OBJECT_CONTENT_FIELD_NUMBER)
    except ValueError as error:
        raise FlowerError(ApiErrorCode.INVALID_PROTOBUF_PAYLOAD, str(error)) from error
    found: Any = ProtobufTranslationMiddleware._parse_request(rest, kind)
    return _Push(found.node, found.run_id, found.object_id, found.session_id, content)


@dataclass(frozen=True)
class _Push:
    """A PushObjectRequest as Flower's handlers read it."""

    node: Any
    run_id: int
    object_id: str
    session_id: str
    object_content: bytes


class _Aside:
    """Flower's state, but that an object's content is laid aside and a mark put in its place."""

    def __init__(self, state: LinkState) -> None:
        self._state = state
        self.content = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._state, name)

    def get_object(self, run_id: int, object_id: str) -> bytes | None:
        content = self._state.get_object(run_id, object_id)
        self.content = content or b""
        return b"?" if content else content

    def store_traffic(self, run_id: int, *, bytes_sent: int, bytes_recv: int) -> None:
        sent = len(self.content) if bytes_sent else 0
        self._state.store_traffic(run_id, bytes_sent=sent, bytes_recv=bytes_recv)


@dataclass(frozen=True)
class _Pulled:
    """The answer to a PullObjectRequest, in pieces."""

    pieces: Sequence[Piece]


def _pulled(state: LinkState, handle: Callable[[Any], Any]) -> _Pulled:
    """Flower's answer with the content where it lies in the store."""
    held = _Aside(state)
    answer = handle(held)
    if not held.content:
        return _Pulled([answer.SerializeToString()])
    answer.ClearField("object_content")
    rest = answer.SerializeToString()
    field = PullObjectResponse.OBJECT_CONTENT_FIELD_NUMBER
    return _Pulled(with_content(rest, field, [held.content]))


def _serialised(answer: Any) -> Sequence[Piece]:
    return answer.pieces if isinstance(answer, _Pulled) else [answer.SerializeToString()]


class _Pieces(Response):
    """An answer that is sent piece by piece."""

    def __init__(self, pieces: Sequence[Piece], size: int) -> None:
        super().__init__(None, media_type=PROTOBUF_MEDIA_TYPE)
        self._pieces = pieces
        self.headers["content-length"] = str(size)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        for piece in self._pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
