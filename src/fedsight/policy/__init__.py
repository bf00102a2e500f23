"""Oversight: policy as text, a pure engine that decides and explains, trust, and an audit trail."""

from fedsight.policy.decision import Decision, Ruling
from fedsight.policy.engine import Engine
from fedsight.policy.faults import Fault, PolicyError
from fedsight.policy.obligations import Obligation
from fedsight.policy.request import Party, Ref, Request
from fedsight.policy.ruleset import RuleSet, ruleset

__all__ = [
    "Decision",
    "Engine",
    "Fault",
    "Obligation",
    "Party",
    "PolicyError",
    "Ref",
    "Request",
    "RuleSet",
    "Ruling",
    "ruleset",
]
