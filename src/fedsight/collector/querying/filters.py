"""Label filters as one parameter: `node=client-3,phase!=train,task=~"mnist|digits"`."""

from __future__ import annotations

import re
from functools import lru_cache

import msgspec

from fedsight.collector.store.contract import Matcher, MatchOp
from fedsight.door.refusal import BadFieldError

MOST_FILTERS = 32
FILTER = re.compile(
    r"\s*(?P<label>[A-Za-z_][A-Za-z0-9_.:\-]{0,127})\s*(?P<op>=~|!~|!=|=)\s*"
    r'(?P<value>"(?:[^"\\]|\\.)*"|[^",]*)\s*(?P<end>,|$)',
    re.ASCII | re.DOTALL,
)
OPS: dict[str, MatchOp] = {"=": "=", "!=": "!=", "=~": "=~", "!~": "!~"}


@lru_cache(64)
def filters(name: str, text: str) -> tuple[Matcher, ...]:
    """The conditions of a parameter; a value with a comma or a quote stands in JSON's quotes.

    Raises BadFieldError naming the parameter.
    """
    found: list[Matcher] = []
    at = 0
    while at < len(text):
        one = FILTER.match(text, at)
        if one is None:
            raise BadFieldError(
                name,
                'must be filters such as node=a,task=~"x|y" (=, !=, =~, !~),'
                f" got {text[at : at + 80]!r}",
            )
        found.append(Matcher(one["label"], OPS[one["op"]], _value(name, one["value"])))
        at = one.end()
    if len(found) > MOST_FILTERS:
        raise BadFieldError(name, f"must have at most {MOST_FILTERS} filters")
    return tuple(found)


def _value(name: str, text: str) -> str:
    if not text.startswith('"'):
        return text.rstrip()
    try:
        return msgspec.json.decode(text, type=str)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadFieldError(name, f"must quote values as JSON does: {error}") from None


def narrows(matcher: Matcher) -> bool:
    """Whether a matcher leaves out every series without its label."""
    if matcher.op == "=":
        return matcher.value != ""
    return matcher.op == "=~" and matcher.value not in ("", ".*")
