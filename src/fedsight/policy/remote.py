"""A policy service, asked over HTTP. Where it gives no answer the answer is no.

No answer is kept: each is judged by the set that is in force when it is asked, at its own moment,
and is in the service's audit trail.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec
from msgspec import Struct

from fedsight.errors import UsageError
from fedsight.policy.decision import Decision, Ruling
from fedsight.policy.obligations import PARAMETERS, Obligation
from fedsight.policy.request import Request

SECONDS = 10.0
_AT_ONCE = 500
_MOST_BYTES = 16 * 2**20
_TYPES: Mapping[str, str] = {
    "participate": "client_eligibility",
    "train": "client_selection",
    "evaluate": "evaluation",
    "shareModel": "model_sharing",
    "startRun": "run_start",
    "nextRound": "next_round",
    "promoteModel": "model_promotion",
}
_OBLIGED = re.compile(r"([a-z_]+) (<=|>=) (\S+) \((.*), rule (\S+)\)", re.DOTALL)


class _Checked(Struct, frozen=True):
    allowed: bool
    decision_id: int | None
    rules: tuple[Ruling, ...]
    errors: tuple[str, ...]
    policy_version: str
    obligations: tuple[str, ...]
    observed: bool


class _Many(Struct, frozen=True):
    decisions: list[_Checked]


class RemoteOverseer:
    """Asks the policy service at `url` with a bearer token. Safe to use from any thread.

    `verify` is whom it trusts over TLS. Raises UsageError where the address is none.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        verify: ssl.SSLContext | bool = True,
        seconds: float = SECONDS,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
            raise UsageError(f"a policy service is http://HOST:PORT or https://…, got {url!r}")
        self._where = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        self._url = f"{url.rstrip('/')}/api/v1/check/batch"
        self._http = httpx.Client(
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
            timeout=seconds,
            trust_env=False,
            verify=verify,
        )

    def decide_all(self, requests: Sequence[Request]) -> list[Decision]:
        """The service's answers, in order. Never raises: what is not answered is refused."""
        found = list[Decision]()
        for at in range(0, len(requests), _AT_ONCE):
            found += self._asked(requests[at : at + _AT_ONCE])
        return found

    def foresee(self, requests: Sequence[Request]) -> list[Decision]:
        """The same: the service cannot be asked without a record of it."""
        return self.decide_all(requests)

    def close(self) -> None:
        """Let go of the connection."""
        self._http.close()

    def _asked(self, requests: Sequence[Request]) -> list[Decision]:
        try:
            checks = [check(one) for one in requests]
            content = msgspec.json.encode({"checks": checks})
            answer = self._http.post(self._url, content=content)
            if answer.status_code != 200:
                raise ValueError(f"it answered {answer.status_code}: {answer.text[:200]}")
            if len(answer.content) > _MOST_BYTES:
                raise ValueError("its answer is too large")
            many = msgspec.json.decode(answer.content, type=_Many).decisions
            if len(many) != len(requests):
                raise ValueError(f"it gave {len(many)} answers to {len(requests)} questions")
            return [_decision(one) for one in many]
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, TypeError, OverflowError) as error:
            said = error or type(error).__name__
            why = f"the policy service at {self._where} could not be asked: {said}"
            return [Decision(False, (), (why,), "", "") for _ in requests]


def check(request: Request) -> dict[str, Any]:
    """A request as the service is asked. Raises ValueError for what it cannot be asked."""
    kind = _TYPES.get(request.action)
    if kind is None or request.context:
        raise ValueError(f"{request.action} cannot be asked of a policy service")
    told = dict(request.principal.attributes)
    if request.principal.type == "Client":
        told["client_id"] = request.principal.id
    thing = request.resource
    if thing is not None:
        told |= thing.attributes
    if thing is not None and thing.type == "Model":
        told["model_id"] = thing.id
    if request.run is not None:
        told["run"] = request.run
    if request.round is not None:
        told["round"] = request.round
    return {"policy_type": kind, "context": told}


def _decision(said: _Checked) -> Decision:
    """An answer as a decision. What is allowed has a permit and nothing against it, and is
    recorded. Raises ValueError where it is not."""
    if said.allowed and not said.observed:
        effects = {one.effect for one in said.rules}
        if said.errors or effects != {"permit"} or said.decision_id is None:
            raise ValueError("its answer allows what it gives no reason for")
    obligations = tuple(_obligation(one) for one in said.obligations)
    version = said.policy_version
    return Decision(said.allowed, said.rules, said.errors, version, "", obligations, said.observed)


def _obligation(text: str) -> Obligation:
    found = _OBLIGED.fullmatch(text)
    if found is None or found[1] not in PARAMETERS or PARAMETERS[found[1]].bound != found[2]:
        raise ValueError(f"its answer obliges to {text!r}, which is not known here")
    bound = PARAMETERS[found[1]].bound
    return Obligation(found[1], bound, float(found[3]), found[4], 0, found[5])
