"""Which metrics go into which node's window: rules on the attributes of what sent them.

Declarative, as data: a configuration names metrics, and rules that must all hold for the
attributes of the resource (and `scope.name`, the scope's). A rule on an attribute that is absent
does not hold, whatever its operator.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Literal, get_args

from fedsight.errors import UsageError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Operator = Literal["eq", "ne", "in", "regex", "exists"]
OPERATORS: tuple[Operator, ...] = get_args(Operator)

#: The resource attributes that name a node, the first that is there.
NODE_KEYS = ("fedsight.node", "host.name")
SCOPE_KEY = "scope.name"

#: What a node's window holds unless told otherwise: a Scaphandre exporter's host metrics.
SCAPHANDRE = "scaphandre-metrics"
SCAPHANDRE_METRICS = (
    "scaph_host_power_microwatts",
    "scaph_host_energy_microjoules",
    "scaph_host_load_avg_one",
    "scaph_host_load_avg_five",
    "scaph_host_load_avg_fifteen",
    "scaph_host_memory_total_bytes",
    "scaph_host_memory_available_bytes",
    "scaph_host_memory_free_bytes",
    "scaph_host_cpu_frequency",
)

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_\-]{0,63}")
_METRIC = re.compile(r"[A-Za-z_][A-Za-z0-9_.:/\-]{0,254}")
_LONGEST_PATTERN = 200


@dataclass(frozen=True)
class Rule:
    """One condition on an attribute.

    `value` is a text for eq, ne and regex (which must match the whole), a list of texts for in,
    and nothing for exists. Raises UsageError at construction where it is not.
    """

    key: str
    operator: Operator
    value: str | tuple[str, ...] = ""

    def __post_init__(self) -> None:
        if self.operator not in OPERATORS:
            allowed = ", ".join(OPERATORS)
            raise UsageError(
                f"the operator of a window's rule must be one of {allowed}, got {self.operator!r}"
            )
        if isinstance(self.value, str) is (self.operator == "in"):
            wanted = "a list of texts" if self.operator == "in" else "a text"
            raise UsageError(f"a rule with {self.operator} needs {wanted}, got {self.value!r}")
        if self.operator == "regex":
            _check_pattern(str(self.value))

    def holds(self, attributes: Mapping[str, str]) -> bool:
        """Whether the attributes are so. An absent attribute is not."""
        there = attributes.get(self.key)
        return there is not None and _HOLDS[self.operator](there, self.value)


def _check_pattern(pattern: str) -> None:
    if len(pattern) > _LONGEST_PATTERN:
        raise UsageError(
            f"the pattern of a window's rule must have at most {_LONGEST_PATTERN} characters"
        )
    _matches("", pattern)


def _matches(there: str, pattern: str | tuple[str, ...]) -> bool:
    """Whether the pattern matches all of it. RE2 takes linear time, whatever a sender calls itself.

    Raises UsageError for what is no RE2 pattern (https://github.com/google/re2/wiki/Syntax).
    """
    import duckdb  # RE2 comes with it; whoever has no rule with a pattern never loads it

    query = "SELECT regexp_full_match(?, ?, 's')"
    try:
        found = _engine().cursor().execute(query, [there, pattern]).fetchone()
    except duckdb.Error as error:
        why = str(error).removeprefix("Invalid Input Error: ")
        raise UsageError(f"the pattern {pattern!r} of a window's rule is wrong: {why}") from error
    return found is not None and bool(found[0])


@cache
def _engine() -> DuckDBPyConnection:
    import duckdb

    return duckdb.connect(config={"threads": 1})


_HOLDS: dict[str, Callable[[str, str | tuple[str, ...]], bool]] = {
    "eq": lambda there, value: there == value,
    "ne": lambda there, value: there != value,
    "in": lambda there, value: there in value,
    "regex": _matches,
    "exists": lambda _there, _value: True,
}


@dataclass(frozen=True)
class ResourceConfiguration:
    """Metrics for windows, and the rules on who may send them.

    Raises UsageError where its name or a metric's is none.
    """

    name: str
    rules: tuple[Rule, ...]
    metrics: tuple[str, ...]

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise UsageError(
                "a configuration of windows must be called by letters, digits, '_' and '-',"
                f" got {self.name[:80]!r}"
            )
        if not self.rules:
            raise UsageError(f"the configuration {self.name} of windows needs a rule")
        wrong = next((name for name in self.metrics if not _METRIC.fullmatch(name)), None)
        if wrong is not None or not self.metrics:
            raise UsageError(
                f"the configuration {self.name} of windows needs names of metrics, got {wrong!r}"
            )

    def match(self, attributes: Mapping[str, str]) -> bool:
        """Whether all rules hold."""
        return all(rule.holds(attributes) for rule in self.rules)


@dataclass
class BridgeConfiguration:
    """All configurations, by name."""

    configurations: dict[str, ResourceConfiguration] = field(default_factory=dict)

    def set_res_config(self, configuration: ResourceConfiguration) -> None:
        """Add one, or put it in the place of the one of its name."""
        self.configurations[configuration.name] = configuration

    def remove_res_config(self, name: str) -> None:
        """Remove one. Raises UsageError where there is none of that name."""
        if self.configurations.pop(name, None) is None:
            raise UsageError(f"there is no configuration {name!r} of windows")

    def get_matching_res_configs(self, attrs: Mapping[str, str]) -> list[ResourceConfiguration]:
        """Those whose rules all hold, in the order in which they were set."""
        return [each for each in self.configurations.values() if each.match(attrs)]


def scaphandre() -> BridgeConfiguration:
    """What goes into windows unless told otherwise."""
    rule = Rule("service.name", "eq", SCAPHANDRE)
    only = ResourceConfiguration(SCAPHANDRE, (rule,), SCAPHANDRE_METRICS)
    return BridgeConfiguration({only.name: only})
