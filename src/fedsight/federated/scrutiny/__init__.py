"""Looks at the updates of a round, where they are, and says whose are unlike the others'.

Only norms, cosines and scores leave this place, never an update. How: `docs/attacks.md`.
"""

from fedsight.federated.scrutiny.evidence import Suspicion
from fedsight.federated.scrutiny.outliers import Look
from fedsight.federated.scrutiny.scrutiny import Scrutiny, Verdict

__all__ = ["Look", "Scrutiny", "Suspicion", "Verdict"]
