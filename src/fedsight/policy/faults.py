"""What is wrong with a policy set, and where: file, line, column, and what was expected."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cedarpy

from fedsight.errors import FedsightError
from fedsight.policy.text import Place, Token, place, tokens

#: How Cedar says that a text is a beginning of something right.
_END = "unexpected end of input"
#: How it says that a token is in the wrong place; other faults are of the whole.
_TOKEN_FAULTS = ("unexpected token", "invalid token")

#: What may be expected somewhere besides a name, and how it is told.
_CANDIDATES = {
    "entity": "entity",
    "namespace": "namespace",
    "appliesTo": "appliesTo",
    '"x"': "a text in double quotes",
    "7": "a whole number",
    **{sign: f"`{sign}`" for sign in (*"(){}[],;.:=<", "::", "==", "&&", "||", "in")},
}
#: What Cedar's grammar takes for any name, but then is one of a few.
_WORDS = {"condition": "when, unless", "effect": "permit, forbid", "variable": "principal"}
#: Cedar names a variable that there is not without saying which there are.
_VARIABLE, _VARIABLES = "invalid variable: ", "principal, action, resource, context"
_MOST_EXPECTED = 6
_QUOTED = re.compile(r"`(\w+)`")


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong; `place` is None where it is of the whole file."""

    file: str
    place: Place | None
    message: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.place.line}:{self.place.column}" if self.place else self.file
        return f"{where}: {self.message}"


class PolicyError(FedsightError):
    """A policy set that is not taken; `faults` has everything that is wrong with it."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        super().__init__(f"{faults[0]}{more}")
        self.faults = tuple(faults)


def policy_complaint(text: str) -> str | None:
    """What Cedar says is wrong with the syntax of policies, None where nothing is."""
    try:
        cedarpy.PolicySet.from_str(text)
    except ValueError as error:
        return str(error)
    return None


def schema_complaint(text: str) -> str | None:
    """What Cedar says is wrong with a schema, None where nothing is."""
    try:
        cedarpy.Schema.from_str(text)
    except ValueError as error:
        return str(error).removeprefix("error parsing schema: ")
    return None


def located(
    file: str, text: str, part: Sequence[Token], complaint: Callable[[str], str | None]
) -> Fault | None:
    """Where the syntax of the tokens `part` of `text` breaks, and what was expected there.

    Cedar says what is wrong but not where: the first token after which the text is no beginning
    of something right is the one. None where the part is right.
    """

    def prefix(count: int) -> str:
        return text[part[0].start : part[count - 1].end] if count else ""

    said = complaint(prefix(len(part)))
    if said is None:
        return None
    if said == _END:
        wrong = part[-1].end
        return Fault(
            file, place(text, wrong), _sentence("the file ends", prefix, len(part), complaint)
        )
    if not said.startswith(_TOKEN_FAULTS):
        words = next((words for kind, words in _WORDS.items() if f"policy {kind}:" in said), None)
        words = words or (_VARIABLES if said.startswith(_VARIABLE) else None)
        hint = f"; expected {words}" if words else ""
        return Fault(file, place(text, _word(part, said).start), said + hint)
    good, bad = 0, len(part)
    while bad - good > 1:
        middle = (good + bad) // 2
        if _begins_well(complaint(prefix(middle))):
            good = middle
        else:
            bad = middle
    found = _named(part[:bad], said)
    shown = "a text that does not end" if found.text == '"' else f"`{found.text[:40]}`"
    before = part.index(found)
    sentence = _sentence(f"{shown} is not expected here", prefix, before, complaint)
    return Fault(file, place(text, found.start), sentence)


def _sentence(
    wrong: str, prefix: Callable[[int], str], good: int, complaint: Callable[[str], str | None]
) -> str:
    begun = prefix(good)
    expected = _names(begun) if complaint(f"{begun} x") in (None, _END) else []
    expected += [
        told
        for candidate, told in _CANDIDATES.items()
        if (not expected or not candidate.isalpha())
        and complaint(f"{begun} {candidate}") in (None, _END)
    ]
    expected = [told for told in expected if told.strip("`") not in wrong.split("`")]
    if not expected:
        return wrong
    shown = expected[:_MOST_EXPECTED]
    return f"{wrong}; expected {', '.join(shown)}{', …' if len(expected) > len(shown) else ''}"


def _names(begun: str) -> list[str]:
    """What a name may be where one may stand."""
    found = tokens(begun)
    depth = sum((token.text in "({[") - (token.text in ")}]") for token in found)
    if depth or not found:
        return ["a name"] if depth else ["permit", "forbid"]
    return ["when", "unless"] if found[-1].text == "}" or _is_head(found) else ["a name"]


def _is_head(found: Sequence[Token]) -> bool:
    """Whether the tokens are a rule's head, with nothing after it."""
    return found[-1].text == ")" and any(one.text in {"permit", "forbid"} for one in found)


def _named(begun: Sequence[Token], said: str) -> Token:
    """The last token of a beginning that a complaint names, else its last."""
    word = said.rpartition("unexpected token ")[2].strip("`")
    return next((token for token in reversed(begun) if token.text == word), begun[-1])


def _word(part: Sequence[Token], said: str) -> Token:
    """The token that a complaint names at its end, else one that it quotes, else the first."""
    word = said.rpartition(": ")[2].strip("`").rpartition("::")[2]
    named = [word, *_QUOTED.findall(said)]
    return next((token for name in named for token in part if token.text == name), part[0])


def _begins_well(said: str | None) -> bool:
    return said is None or not said.startswith(_TOKEN_FAULTS)
