"""Whether policy lets a model become `production`, where one governs the data directory."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from fedsight.errors import FedsightError
from fedsight.federated.deciding import BySet, Decider
from fedsight.federated.versions import Manifest
from fedsight.policy import Party, Ref, Request
from fedsight.policy.files import belongs

PROMOTE = "promoteModel"


@dataclass(frozen=True)
class Promotions:
    """Asks before a promotion. `rules` is the policy set's folder; without one it is `policy` in
    the data directory, which governs where there is a set in it, or was. Where `named` is somebody,
    they decide instead."""

    data: Path
    rules: Path | None = None
    observe: bool = False
    named: Decider | None = None

    @property
    def decider(self) -> Decider | None:
        """Who decides, None where nobody does."""
        if self.named is not None:
            return self.named
        folder = self._folder()
        return None if folder is None else BySet(folder, self.data, self.observe)

    def _folder(self) -> Path | None:
        if self.rules is not None:
            return self.rules
        usual = self.data / "policy"
        try:
            there = any(belongs(one.name) or one.name.startswith(".") for one in usual.iterdir())
        except FileNotFoundError:
            return None
        except OSError:
            return usual
        return usual if there else None

    def refusal(self, model: Manifest, who: str) -> str | None:
        """Why a version, seen to be whole, may not be promoted by the administrator `who`, None
        where it may. The decision is in the audit trail before it is answered: where it cannot be
        asked or recorded, that is the reason."""
        decider = self.decider
        if decider is None:
            return None
        asker = Party("Operator", who, groups=(Ref("Role", "admin"),))
        about = Party("Model", model.version, {"size_bytes": model.size})
        request = Request(asker, PROMOTE, time.time_ns(), about, {}, model.run, model.round)
        try:
            decision = decider.decide(request)
        except (FedsightError, OSError) as error:
            return f"the policy could not be asked: {error}"
        return None if decision.allowed else decision.reason
