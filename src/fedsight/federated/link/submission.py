"""A Flower run of our own on a SuperLink: submitted, its ServerApp's task claimed, kept alive.

Flower starts a ServerApp where a SuperExec finds its task. We are the ServerApp already: the task
is claimed by the hash of our bundle, which is unique, so that nobody else's is taken.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from flwr.common.constant import Status, SubStatus
from flwr.common.serde import fab_to_proto, run_from_proto, user_config_to_proto
from flwr.proto.control_pb2 import (
    ListRunsRequest,
    ListRunsResponse,
    StartRunRequest,
    StartRunResponse,
)
from flwr.proto.runtime_pb2 import (
    AcquireTaskRequest,
    AcquireTaskResponse,
    PullTaskInputRequest,
    PullTaskInputResponse,
    PushTaskOutputRequest,
    PushTaskOutputResponse,
    SendTaskHeartbeatRequest,
    SendTaskHeartbeatResponse,
)
from flwr.supercore.fab import Fab
from flwr.supercore.run import Run

from fedsight.errors import FedsightError
from fedsight.federated.link import fab
from fedsight.federated.link.caller import Caller
from fedsight.federated.link.fab import ConfigValue
from fedsight.federated.link.wire import AwayError, RejectedError

CONTROL = "/v1/control"
RUNTIME = "/v1/runtime"

#: A task that is not ours after so long is somebody else's.
CLAIM_SECONDS = 5.0
CLAIM_PAUSE = 0.1
MOST_SUBMISSIONS = 5
#: Flower gives a task up after 60 s without one.
HEARTBEAT_SECONDS = 10.0

Ending = Literal["completed", "failed", "stopped"]


@dataclass(frozen=True)
class Submission:
    """A run on a SuperLink whose server we are."""

    run: Run
    task_id: int
    token: str


def submit(
    caller: Caller,
    config: Mapping[str, ConfigValue],
    client_app: str = fab.CLIENT_APP,
    make: Callable[[str], fab.Bundle] | None = None,
) -> Submission:
    """Submit a run and become its server. `make` makes another bundle, unique by what it is given.

    A SuperLink that runs ServerApps itself looks for their tasks once a second; where it found ours
    before we did, another run is submitted. Raises AwayError, RejectedError, or FedsightError
    where that goes wrong each time.
    """
    for _ in range(MOST_SUBMISSIONS):
        nonce = secrets.token_hex(16)
        made = make(nonce) if make else fab.bundle(config, nonce, client_app=client_app)
        request = StartRunRequest(
            fab=fab_to_proto(Fab(made.digest, made.content, {})),
            override_config=user_config_to_proto(dict(made.overrides)),
        )
        run_id = caller.once(f"{CONTROL}/start-run", request, StartRunResponse).run_id
        if not run_id:
            raise FedsightError(f"the SuperLink at {caller.address} did not begin the run")
        token = _claimed(caller, made.digest, run_id)
        if token is not None:
            return _begun(caller, token)
    raise FedsightError(
        f"the SuperLink at {caller.address} gave our run to its own SuperExec; start it with"
        " --isolation process, or use `fedsight serve superlink`"
    )


def _begun(caller: Caller, token: str) -> Submission:
    caller.use(token)
    task = caller.once(f"{RUNTIME}/pull-task-input", PullTaskInputRequest(), PullTaskInputResponse)
    return Submission(run_from_proto(task.run), task.task_id, token)


def _claimed(caller: Caller, digest: str, run_id: int) -> str | None:
    """The token of our run's task; None where somebody else was there first."""
    request = AcquireTaskRequest(agentapp_fab_hashes=[digest])
    deadline = time.monotonic() + CLAIM_SECONDS
    while True:
        found = caller.once(f"{RUNTIME}/acquire-task", request, AcquireTaskResponse)
        if found.token and found.task.run_id == run_id:
            return str(found.token)
        if _status(caller, run_id) != Status.PENDING or time.monotonic() >= deadline:
            return None
        time.sleep(CLAIM_PAUSE)


def _status(caller: Caller, run_id: int) -> str | None:
    """Flower's word for how far a run is; None where it is not known."""
    request = ListRunsRequest(run_id=run_id)
    found: Any = caller.once(f"{CONTROL}/list-runs", request, ListRunsResponse).run_dict
    return str(found[run_id].status.status) if run_id in found else None


def finish(caller: Caller, ending: Ending, details: str = "") -> None:
    """Tell the SuperLink how the run ended. Raises AwayError or RejectedError."""
    status = {
        "completed": SubStatus.COMPLETED,
        "failed": SubStatus.FAILED,
        "stopped": SubStatus.STOPPED,
    }[ending]
    request = PushTaskOutputRequest(sub_status=status, details=details)
    caller.once(f"{RUNTIME}/push-task-output", request, PushTaskOutputResponse)


class Heartbeats:
    """A thread that tells the SuperLink that the run's server lives, from `start` to `stop`."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="task-heartbeats", daemon=True)

    def start(self) -> Heartbeats:
        """Begin."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """End; does not wait for a call under way."""
        self._stop.set()

    def _loop(self) -> None:
        request = SendTaskHeartbeatRequest()
        while not self._stop.wait(HEARTBEAT_SECONDS):
            try:
                self._caller.once(
                    f"{RUNTIME}/send-task-heartbeat", request, SendTaskHeartbeatResponse
                )
            except (AwayError, RejectedError, FedsightError):
                continue  # whoever waits for an answer meets the same, and deals with it
