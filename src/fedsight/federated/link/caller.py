"""Calls to a SuperLink's Control and Runtime APIs that outlast its absence, for a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from flwr.supercore.constant import TASK_TOKEN_HEADER
from flwr.supercore.error import ApiErrorCode
from flwr.supercore.runtime_version_compatibility import RuntimeVersionMetadata

from fedsight.errors import FedsightError
from fedsight.federated.link.address import Address
from fedsight.federated.link.lost import LinkLostError
from fedsight.federated.link.wire import AwayError, Body, RejectedError, Wire, trust

T = TypeVar("T")
S = TypeVar("S", bound=msgspec.Struct)

#: A SuperLink that takes longer for an answer counts as away.
ANSWER_SECONDS = 20.0
#: One that answers, each time that it failed, is not waited for as long as one that is away.
FAILS_SECONDS = 30.0
FIRST_PAUSE = 0.1
LONGEST_PAUSE = 2.0
#: So often it is said that we still wait.
SAY_SECONDS = 5.0


@dataclass(frozen=True)
class Place:
    """Where a SuperLink is and how to speak to it.

    `root_cert`: PEM file of who signed its certificate, None: the system's authorities;
    `insecure`: plaintext; `token`: what it wants to see of callers from elsewhere.
    """

    address: Address
    insecure: bool = True
    root_cert: Path | None = None
    token: str | None = None


class Caller:
    """One training process's connection to a SuperLink; safe to use from any thread.

    A call while the SuperLink is away is tried again until it has been away for `wait_seconds`:
    then LinkLostError. `on_wait` is told what is being waited for, now and then, and `on_back` that
    it is over; `away_seconds` is how long it was in all. A refusal is the caller's to understand:
    RejectedError.
    """

    def __init__(
        self,
        place: Place,
        *,
        wait_seconds: float,
        on_wait: Callable[[str], object] = lambda _: None,
        on_back: Callable[[str], object] = lambda _: None,
        on_idle: Callable[[float], object] = time.sleep,
    ) -> None:
        self.address = place.address
        self._wire = Wire(place.address, trust(place.root_cert, place.insecure), ANSWER_SECONDS)
        self._wait_seconds = wait_seconds
        self._on_wait = on_wait
        self._on_back = on_back
        self.away_seconds = 0.0
        self._idle = on_idle
        version = RuntimeVersionMetadata.from_local_component("flwr-serverapp")
        self._headers = dict(version.as_metadata())
        if place.token is not None:
            self._headers["Authorization"] = f"Bearer {place.token}"

    def use(self, task_token: str) -> None:
        """Show that token of a task from now on."""
        self._headers = {**self._headers, TASK_TOKEN_HEADER: task_token}

    def once(self, path: str, request: Any, answer: type[T]) -> T:
        """One call, tried once: AwayError where nobody answers, RejectedError on a no."""
        body = self._wire.post(path, request.SerializeToString(), self._sent)
        return _decoded(body, answer, self.address)

    def call(self, path: str, request: Any, answer: type[T]) -> T:
        """One call, tried until the SuperLink answers or has been away for too long."""
        return self.outlasting(lambda: self.once(path, request, answer))

    def send(self, path: str, body: Body) -> bytes:
        """A body that is made up already, tried once."""
        return self._wire.post(path, body, self._sent)

    def read(self, path: str, kind: type[S]) -> S | None:
        """What one of our own SuperLink's routes says; None where it is somebody else's."""
        try:
            return msgspec.json.decode(self._wire.get(path, self._sent), type=kind)
        except (RejectedError, msgspec.MsgspecError):
            return None

    def outlasting(self, work: Callable[[], T]) -> T:
        """Do some work, anew after each time that the SuperLink was away."""
        since = said = None
        pause = FIRST_PAUSE
        while True:
            try:
                found = work()
            except RejectedError:
                self._back(since)
                raise
            except AwayError as error:
                now = time.monotonic()
                since = now if since is None else since
                patience = (
                    min(self._wait_seconds, FAILS_SECONDS) if error.answered else self._wait_seconds
                )
                left = since + patience - now
                if left <= 0:
                    raise LinkLostError(
                        f"the SuperLink at {self.address} has not answered for {patience:g} s:"
                        f" {error}"
                    ) from error
                if said is None or now - said >= SAY_SECONDS:
                    said = now
                    self._on_wait(
                        f"the SuperLink at {self.address} does not answer ({error});"
                        f" waiting {left:.0f} s more"
                    )
                self._idle(min(pause, left))
                pause = min(LONGEST_PAUSE, 2 * pause)
            else:
                self._back(since)
                return found

    def _back(self, since: float | None) -> None:
        """It answers; it was away since then, or not at all."""
        if since is not None:
            seconds = time.monotonic() - since
            self.away_seconds += seconds
            self._on_back(f"the SuperLink at {self.address} answers again, after {seconds:.0f} s")

    def close(self) -> None:
        """Close the connections."""
        self._wire.close()

    def _sent(self) -> Mapping[str, str]:
        return self._headers


def refused(error: RejectedError, address: Address) -> FedsightError:
    """What a person can do about a SuperLink that says no at the very beginning."""
    if error.code == ApiErrorCode.RUNTIME_VERSION_INCOMPATIBLE:
        return FedsightError(f"the SuperLink at {address} is of another Flower: {error}")
    if error.code is None and error.status == 401:
        return FedsightError(
            f"the SuperLink at {address} takes runs from its own machine or with its token only;"
            " give the token of its data directory with --token-file"
        )
    if error.code is None:
        return FedsightError(f"{address} answers, but not as a Flower SuperLink: {error}")
    return FedsightError(f"the SuperLink at {address} refused the run: {error}")


def unreachable(error: AwayError, address: Address) -> FedsightError:
    """What a person can do about a SuperLink that was never there."""
    if "onnection refused" in str(error):
        return FedsightError(
            f"nothing listens at {address}; start a SuperLink there with: fedsight serve superlink"
        )
    return FedsightError(
        f"{address} does not answer as a Flower SuperLink ({error}); if it speaks TLS, name the"
        " authority of its certificate with --root-cert"
    )


def _decoded(body: bytes, answer: type[T], address: Address) -> T:
    found: Any = answer()
    try:
        found.ParseFromString(body)
    except Exception as error:  # protobuf's own error, of a package that we do not import
        raise FedsightError(f"{address} answers, but not as a Flower SuperLink") from error
    return found  # type: ignore[no-any-return]
