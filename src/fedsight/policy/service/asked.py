"""What is asked over HTTP, as requests to the engine. Pure; what was left out stays out.

Attributes go to the engine as they came: a text for a number is its to refuse.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from fedsight.policy.request import MOST_NAME, Party, Request

UNNAMED = "(unnamed)"
MEGABYTE = 2**20
#: What a sharing client is taken to have where it told nothing: least of all.
LEAST: Mapping[str, Any] = {"capabilities": (), "cpu_count": 0, "memory_mb": 0}

#: Attributes of a client by each name under which callers know them.
_CLIENT = {
    "trust": "trust",
    "trust_score": "trust",
    "client_trust_score": "trust",
    "samples": "samples",
    "data_samples": "samples",
    "dataset_size": "samples",
    "capabilities": "capabilities",
    "cpu_count": "cpu_count",
    "memory_mb": "memory_mb",
    "private": "private",
    "epsilon_spent": "epsilon_spent",
}
_RUN = ("round", "rounds", "clients", "stale_rounds", "private", "epsilon_spent")
_CLIENT_TYPES = {
    "client_eligibility": "participate",
    "client_selection": "train",
    "training": "train",
    "evaluation": "evaluate",
}
_RUN_TYPES = {"run_start": "startRun", "next_round": "nextRound"}
_MODEL_TYPES = {"model_sharing": "shareModel", "model_promotion": "promoteModel"}
#: Fields whose texts name something.
_NAMES = ("client_id", "model_id", "run")
POLICY_TYPES = (*_CLIENT_TYPES, *_RUN_TYPES, *_MODEL_TYPES)


def request(policy_type: str, told: Mapping[str, Any], now: int) -> Request:
    """The request of a policy type. An unknown type becomes an action that no schema has."""
    run = told.get("run")
    named = run if isinstance(run, str) else None
    number = told.get("round")
    round_ = number if type(number) is int else None
    if policy_type in _CLIENT_TYPES:
        return Request(client(told), _CLIENT_TYPES[policy_type], now, None, {}, named, round_)
    if policy_type in _MODEL_TYPES:
        action = _MODEL_TYPES[policy_type]
        who = client(told, LEAST) if action == "shareModel" else _SERVER
        return Request(who, action, now, model(told), {}, named, round_)
    if policy_type in _RUN_TYPES:
        attributes = {key: told[key] for key in _RUN if key in told}
        about = Party("Run", named or UNNAMED, attributes)
        return Request(_SERVER, _RUN_TYPES[policy_type], now, about, {}, named, round_)
    return Request(client(told), f"policy type {policy_type}", now, None, {}, named, round_)


def overlong(told: Mapping[str, Any]) -> str | None:
    """The field of what is told in which a name is longer than one may be."""
    for field in _NAMES:
        name = told.get(field)
        if isinstance(name, str) and len(name) > MOST_NAME:
            return field
    return None


_SERVER = Party("Server", "server")


def client(told: Mapping[str, Any], least: Mapping[str, Any] | None = None) -> Party:
    """The client that is told of; of two names for one thing the later one counts."""
    found = dict(least or {})
    found |= {own: told[name] for name, own in _CLIENT.items() if name in told}
    if "memory_gb" in told and "memory_mb" not in told:
        found["memory_mb"] = _scaled(told["memory_gb"], 1024)
    name = told.get("client_id", UNNAMED)
    return Party("Client", name if isinstance(name, str) else UNNAMED, found)


def model(told: Mapping[str, Any]) -> Party:
    """The model or update; a size in MB is rounded up to bytes."""
    found = {key: told[key] for key in ("size_bytes", "norm") if key in told}
    if "model_size_mb" in told and "size_bytes" not in told:
        found["size_bytes"] = _scaled(told["model_size_mb"], MEGABYTE)
    name = told.get("model_id", "update")
    return Party("Model", name if isinstance(name, str) else "update", found)


def _scaled(value: Any, factor: int) -> Any:
    """A number in a smaller unit; what is none stays what it is, for the engine to refuse."""
    if type(value) is int:
        return value * factor
    if isinstance(value, float):
        scaled = value * factor
        return math.ceil(scaled) if math.isfinite(scaled) else scaled
    return value
