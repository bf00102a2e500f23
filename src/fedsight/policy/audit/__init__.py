"""The audit trail: records that nobody can rewrite unseen (docs/audit.md says against whom)."""

from fedsight.policy.audit.keys import PublicKey, SigningKey
from fedsight.policy.audit.record import Anchor, AuditError, TurnError
from fedsight.policy.audit.trail import Trail
from fedsight.policy.audit.verifying import Verdict, verify

__all__ = [
    "Anchor",
    "AuditError",
    "PublicKey",
    "SigningKey",
    "Trail",
    "TurnError",
    "Verdict",
    "verify",
]
