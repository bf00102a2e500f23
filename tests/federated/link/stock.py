"""Flower's own parts to try ours against: a run driven by its HttpGrid, and its node."""

from __future__ import annotations

import hashlib
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from uuid import uuid4

from flwr.app import ConfigRecord, Message, RecordDict
from flwr.common.serde import run_from_proto
from flwr.proto.control_pb2 import StartRunRequest, StopRunRequest
from flwr.proto.fab_pb2 import Fab
from flwr.proto.runtime_pb2 import AcquireTaskRequest, PullTaskInputRequest
from flwr.supercore.control import ControlHttpClient
from flwr.supercore.interceptors import RuntimeTokenHttpInterceptor
from flwr.supercore.run import Run
from flwr.supercore.runtime import RuntimeHttpClient
from flwr.supercore.task_identity import TaskIdentity
from flwr.superlink.grid.http_grid import HttpGrid

from fedsight.federated.link.fab import CLIENT_APP, SERVER_APP

PROJECT = """
[project]
name = "tried"
version = "1.0.0"
description = "{nonce}"
[tool.flwr.app]
publisher = "tests"
[tool.flwr.app.components]
serverapp = "{server}"
clientapp = "{client}"
[tool.flwr.app.config]
{config}
"""


def app_bundle(
    client: str = CLIENT_APP,
    config: Mapping[str, object] | None = None,
    files: Mapping[str, str] | None = None,
) -> bytes:
    """An app bundle that names `client`, with these files beside its pyproject.toml."""
    lines = "\n".join(
        f"{key} = {str(value).lower() if isinstance(value, bool) else repr(value)}"
        for key, value in (config or {}).items()
    )
    text = PROJECT.format(nonce=uuid4().hex, server=SERVER_APP, client=client, config=lines)
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as bundle:
        for name, content in {"pyproject.toml": text, **(files or {})}.items():
            bundle.writestr(name, content)
    return buffer.getvalue()


class Server:
    """One Flower run, and its grid."""

    def __init__(self, address: str, run: Run, token: str) -> None:
        self.address = address
        self.run_id = run.run_id
        self.grid = HttpGrid(address, True, token=token)
        self.grid.set_run(run)

    def nodes(self, count: int, within: float = 30.0) -> list[int]:
        """The ids of nodes, once there are so many."""
        deadline = time.monotonic() + within
        while len(found := list(self.grid.get_node_ids())) < count:
            assert time.monotonic() < deadline, f"{len(found)} of {count} nodes came"
            time.sleep(0.02)
        return sorted(found)

    def ask(
        self, node: int, kind: str, content: RecordDict | None = None, within: float = 30.0
    ) -> Message:
        """A node's answer to one message."""
        (answer,) = self.ask_all([node], kind, lambda: content or question(), within)
        return answer

    def ask_all(
        self, nodes: list[int], kind: str, content: Callable[[], RecordDict], within: float = 30.0
    ) -> list[Message]:
        """The nodes' answers, as they came."""
        return self.wait(set(self.push(nodes, kind, content)), within)

    def push(self, nodes: list[int], kind: str, content: Callable[[], RecordDict]) -> list[str]:
        """Send each node a message; their ids."""
        TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = self.run_id, 1, 1
        messages = [Message(content(), node, kind) for node in nodes]
        return list(self.grid.push_messages(messages))

    def wait(self, asked: set[str], within: float = 30.0) -> list[Message]:
        """The answers to these messages, as they came."""
        waiting, answers = set(asked), list[Message]()
        deadline = time.monotonic() + within
        while waiting:
            assert time.monotonic() < deadline, f"no answer to {len(waiting)} messages"
            found = list(self.grid.pull_messages(waiting))
            waiting -= {one.metadata.reply_to_message_id for one in found}
            answers += found
            time.sleep(0.01)
        return answers


def question() -> RecordDict:
    """What the server asks each node that it does not know."""
    return RecordDict({"config": ConfigRecord()})


@contextmanager
def submitted(address: str, bundle: bytes) -> Iterator[Server]:
    """A run of that bundle whose ServerApp is this process; stopped at the end."""
    digest = hashlib.sha256(bundle).hexdigest()
    with ControlHttpClient.from_server_address(address, True, None, []) as control:
        run = control.StartRun(StartRunRequest(fab=Fab(hash_str=digest, content=bundle)))
        with RuntimeHttpClient.from_server_address(address, True, None, []) as runtime:
            request = AcquireTaskRequest(agentapp_fab_hashes=[digest])
            task = runtime.AcquireTask(request)
        token = RuntimeTokenHttpInterceptor(task.token)
        with RuntimeHttpClient.from_server_address(address, True, None, [token]) as runtime:
            begun = runtime.PullTaskInput(PullTaskInputRequest())
        server = Server(address, run_from_proto(begun.run), task.token)
        try:
            yield server
        finally:
            server.grid.close()
            control.StopRun(StopRunRequest(run_id=run.run_id))
