"""Expressions as a tree, by the library promql-parser, which is native code and recurses.

A tree some thousand levels deep overflows its stack and ends the process, so what could nest is
counted before anything is parsed. Its types are told apart by name: the module is loaded late.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from fedsight.collector.promql.errors import bad_data
from fedsight.collector.store.contract import NAME_LABEL, Matcher, MatchOp

if TYPE_CHECKING:
    import promql_parser as promql

LONGEST = 16_384
#: Brackets and operators of an expression at most.
MOST_NESTING = 200

TEXT = re.compile(r""""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`|#[^\r\n]*""", re.DOTALL)
NESTING = re.compile(r"[(+\-*/%^]|[=<>!]+~?|\b(?:and|or|unless|atan2)\b", re.IGNORECASE)
#: The parser ends in a panic where such a time is read.
BEFORE_1970 = re.compile(r"@\s*-")
OPS: dict[str, MatchOp] = {"Equal": "=", "NotEqual": "!=", "Re": "=~", "NotRe": "!~"}


def parsed(expression: str) -> promql.Expr:
    """The tree. Raises PromError with what the parser says."""
    import promql_parser  # loaded when first asked: a collector without Grafana never needs it

    if len(expression) > LONGEST:
        raise bad_data(f"an expression has at most {LONGEST} characters")
    code = TEXT.sub('""', expression)
    if len(NESTING.findall(code)) > MOST_NESTING:
        raise bad_data(f"an expression has at most {MOST_NESTING} brackets and operators")
    if BEFORE_1970.search(code):
        raise bad_data("a time after @ is not between 1970 and 2200")
    try:
        return promql_parser.parse(expression)
    except ValueError as error:
        raise bad_data(f"invalid parameter {str(expression)[:200]!r}: {error}") from None


def selector(expression: str) -> tuple[Matcher, ...]:
    """The matchers of a series selector, such as `fl_accuracy{run="r-1"}`."""
    import promql_parser

    tree = parsed(expression)
    if not isinstance(tree, promql_parser.VectorSelector):
        raise bad_data(f"a series selector is wanted, got {expression[:200]!r}")
    return matchers(tree)


def matchers(tree: promql.VectorSelector) -> tuple[Matcher, ...]:
    """The conditions of a selector, its name among them."""
    if tree.matchers.or_matchers:
        raise bad_data("'or' between matchers is not supported: use a regular expression")
    named = [] if tree.name is None else [Matcher(NAME_LABEL, "=", tree.name)]
    rest = (Matcher(one.name, OPS[_name(one.op)], one.value) for one in tree.matchers.matchers)
    return (*named, *rest)


def _name(op: promql.MatchOp) -> str:
    return str(op).rpartition(".")[2]
