"""Which roles may do what over HTTP: Cedar decides, by the set in force or the service's own."""

from __future__ import annotations

import time
from importlib import resources

from fedsight.door.refusal import RefusedError
from fedsight.policy.decision import Decision
from fedsight.policy.engine import Engine
from fedsight.policy.request import Party, Request
from fedsight.policy.ruleset import EMPTY, RuleSet, ruleset

ASK, LOG = "askPolicy", "logEvent"
READ, AUDIT, CHANGE = "readMetrics", "readAudit", "changePolicy"
BACK = (
    "On the service's machine, `fedsight policy versions` lists its versions and `fedsight policy"
    " rollback NUMBER` goes back to one (with --set where its folder is another than the data"
    " directory's)"
)
_FEDERATION = 'name = "federation"\nmembers = []\ntime_zone = "UTC"\n[limits]\n'


def own_set() -> RuleSet:
    """The service's own rules, for what no set speaks of."""
    folder = resources.files("fedsight.policy.service")
    return ruleset(
        {
            "access.cedar": (folder / "access.cedar").read_text(encoding="utf-8"),
            "fedsight.cedarschema": (folder / "access.cedarschema").read_text(encoding="utf-8"),
            "federation.toml": _FEDERATION,
        }
    )


class Access:
    """Says whether an operator may do something. An action that the set in force has is its."""

    def __init__(self) -> None:
        self._own = Engine(own_set())

    def asked(self, who: Party, action: str) -> Request:
        """The request."""
        return Request(who, action, time.time_ns())

    def judged(self, engine: Engine, request: Request) -> Decision:
        """The answer, which is not recorded."""
        known = request.action in engine.ruleset.actions
        return (engine if known else self._own).decide(request)

    @staticmethod
    def check(request: Request, decision: Decision, engine: Engine | None = None) -> None:
        """Raise RefusedError 403 with the reason. Observing is for the federation's decisions: it
        opens nothing here."""
        if decision.allowed and not decision.observed:
            return
        message = f"{request.principal.id} may not {request.action}: {decision.reason}"
        judge = None if engine is None else engine.ruleset
        if judge is not None and not judge.rules and request.action in judge.actions:
            message = f"{message}; {EMPTY}. {BACK}"
        raise RefusedError(403, "forbidden", message)
