"""`fedsight policy explain`: one request, judged before anybody makes it."""

from __future__ import annotations

import time
import tomllib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from fedsight.cli.options import Config
from fedsight.cli.policy_options import AsJson, SetFolder, moment, print_json, set_folder
from fedsight.cli.screen import printable
from fedsight.errors import UsageError

if TYPE_CHECKING:
    from fedsight.policy import Engine, Party, Request

EXAMPLE = (
    "Example: fedsight policy explain shareModel --client hospital-a -a trust=0.5"
    " --resource Model:update -r size_bytes=60_000_000"
)
Pairs = list[str] | None


def explain(
    action: Annotated[str, typer.Argument(help="train, shareModel, startRun, …")],
    client: Annotated[str | None, typer.Option(help="A client asks.", metavar="NAME")] = None,
    role: Annotated[
        list[str] | None, typer.Option(help="An operator of this role asks; repeatable.")
    ] = None,
    principal: Annotated[
        str | None, typer.Option(help="Somebody else asks.", metavar="TYPE:ID")
    ] = None,
    attribute: Annotated[
        Pairs, typer.Option("--attribute", "-a", help="Of who asks.", metavar="KEY=VALUE")
    ] = None,
    resource: Annotated[
        str | None,
        typer.Option(help="What it is about.", metavar="TYPE:ID", show_default="the federation"),
    ] = None,
    resource_attribute: Annotated[
        Pairs, typer.Option("--resource-attribute", "-r", help="Of that.", metavar="KEY=VALUE")
    ] = None,
    at: Annotated[
        str | None, typer.Option(help="When it is asked.", metavar="WHEN", show_default="now")
    ] = None,
    rules: SetFolder = None,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Say how a request would be decided, by which rules, and why.

    Of a client whose attributes are left out, those are told that the set's schema wants.
    """
    from fedsight.policy import Engine, Request, files

    party = _asking(client, role or [], principal, _pairs(attribute))
    about = None if resource is None else _named(resource, _pairs(resource_attribute))
    request = Request(party, action, moment(at) or time.time_ns(), about)
    _told(Engine(files.read(set_folder(rules, config))), request, as_json)


def _told(engine: Engine, request: Request, as_json: bool) -> None:
    decision = engine.decide(request)
    if as_json:
        print_json({**msgspec.to_builtins(decision), "reason": decision.reason})
        return
    print(printable(f"{'allowed' if decision.allowed else 'refused'}: {decision.reason}"))
    for one in decision.rules:
        rule = engine.ruleset.rule(one.id)
        assert rule is not None
        where = f"{rule.file}:{rule.place.line}"
        print(printable(f"\n{one.effect} {one.id} ({where})\n{rule.text}"))
    for obligation in decision.obligations:
        print(f"\nobliges: {obligation}")
    print(f"\nversion {decision.version}")


def _asking(
    client: str | None, roles: Sequence[str], principal: str | None, attributes: dict[str, Any]
) -> Party:
    from fedsight.policy import Party, Ref

    if (client is not None) + bool(roles) + (principal is not None) != 1:
        raise UsageError("say who asks: --client NAME, --role ROLE or --principal TYPE:ID")
    if client is not None:
        return Party("Client", client, attributes)
    if principal is not None:
        return _named(principal, attributes)
    return Party("Operator", "operator", attributes, tuple(Ref("Role", one) for one in roles))


def _named(written: str, attributes: dict[str, Any]) -> Party:
    from fedsight.policy import Party

    kind, colon, id_ = written.partition(":")
    if not (kind and colon and id_):
        raise UsageError(f"an entity is TYPE:ID, such as Model:update, got {written!r}")
    return Party(kind, id_, attributes)


def _pairs(written: Pairs) -> dict[str, Any]:
    return dict(_pair(one) for one in written or ())


def _pair(written: str) -> tuple[str, Any]:
    """`trust=0.5`, `capabilities=["gpu"]`; what is no TOML value is a text."""
    key, equals, value = written.partition("=")
    if not (key and equals):
        raise UsageError(f"an attribute is KEY=VALUE, such as trust=0.5, got {written!r}")
    try:
        return key, tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key, value
