"""`fedsight node`: a warm node, and the SuperLink's list of nodes."""

from __future__ import annotations

import json
import os
import platform
import re
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fedsight.cli.keys import DEFAULT_NAME
from fedsight.cli.options import Config, log_to_stderr
from fedsight.cli.ruling import Observe, ruled
from fedsight.config import LOOPBACK, PORTS, load
from fedsight.errors import UsageError

if TYPE_CHECKING:
    from fedsight.federated.link.address import Address
    from fedsight.federated.link.membership import Membership

EXAMPLES = """[bold]Examples[/]

fedsight node --superlink 127.0.0.1:8000 --name a --partition 0 --of 2

fedsight node --name a --data recorded/a.csv: for task telemetry

fedsight node --superlink fl.example.org:8000 --root-cert ca.crt --key keys/a
"""
#: Names that the containers of a federation go by, for --name and --superlink.
CLIENT_ID, SERVER_HOST = "CLIENT_ID", "SERVER_HOST"

app = typer.Typer(invoke_without_command=True, help="Be a node of a federation.")


Place = Annotated[
    str | None,
    typer.Option(
        "--superlink", help="Address of the SuperLink, HOST:PORT.", show_default="127.0.0.1:8000"
    ),
]
RootCert = Annotated[
    Path | None,
    typer.Option(
        "--root-cert", help="Certificate of the authority that vouches for the SuperLink."
    ),
]
Insecure = Annotated[bool, typer.Option("--insecure", help="Speak plaintext beyond this machine.")]
Tasks = Annotated[
    list[str] | None,
    typer.Option(
        help="Tasks of your own, package.module:object, that a run may have it load; parted by"
        " commas, or given several times.",
        show_default="only fedsight's own",
    ),
]

Own = Annotated[
    Path | None,
    typer.Option(
        help="The node's own data, for tasks that ship none: a CSV file, or a folder with one of"
        " the node's name.",
        show_default="the folder of windows",
    ),
]
Properties = Annotated[
    list[str] | None,
    typer.Option("--property", help="A property as key=value; may be given several times."),
]
OwnKey = Annotated[
    Path | None,
    typer.Option(help="Private key of the node.", show_default="one that it makes and keeps"),
]
OwnPolicy = Annotated[
    str | None,
    typer.Option(
        "--policy",
        help="Obey this node's own set (fedsight policy init DIR --node), or a service.",
        metavar="DIR|URL",
    ),
]


@app.callback(epilog=EXAMPLES)
def node(
    context: typer.Context,
    superlink: Place = None,
    name: Annotated[
        str | None,
        typer.Option(
            help="What the node is called.", show_default="as the file of --key, or the host"
        ),
    ] = None,
    partition: Annotated[
        int | None, typer.Option(help="Which part of the data it has, from 0.")
    ] = None,
    of: Annotated[int | None, typer.Option(help="Into how many parts the data is split.")] = None,
    tags: Annotated[str, typer.Option(help="Words to choose the node by, parted by commas.")] = "",
    property_: Properties = None,
    key: OwnKey = None,
    root_cert: RootCert = None,
    insecure: Insecure = False,
    apps: Annotated[
        bool, typer.Option("--apps", help="Run apps whose code the SuperLink sends.")
    ] = False,
    tasks: Tasks = None,
    data: Own = None,
    policy: OwnPolicy = None,
    observe: Observe = False,
    config: Config = None,
) -> None:
    """Be a node: answer a SuperLink's messages until Ctrl-C, with everything kept warm.

    It reconnects where the SuperLink goes away. Without --root-cert it trusts the system's
    certificate authorities; to this machine it speaks plaintext. With --policy it takes part only
    in what that allows, and answers why where it does not.
    """
    if context.invoked_subcommand is not None:
        return
    settings = load(config)
    log_to_stderr(settings.log.level)
    from fedsight.federated.link.warm import NodeOptions, properties_of, serve

    ruling = ruled(policy, observe)
    called = name or os.environ.get(CLIENT_ID)
    options = NodeOptions(
        superlink=_address(superlink),
        name=called or _name_of(key) or _host_name(),
        chosen=bool(called),
        data=settings.data,
        partition=partition,
        partitions=of,
        tags=tuple(tag.strip() for tag in tags.split(",") if tag.strip()),
        properties=properties_of(property_ or ()),
        key=key,
        root_cert=root_cert,
        insecure=insecure,
        apps=apps,
        tasks=tuple(tasks or ()),
        source=(data or settings.windows_folder).expanduser().absolute(),
    )
    place = str(options.superlink)
    with nullcontext() if ruling is None else ruling.mod(settings, options.name, place) as mod:
        serve(options, mod=mod)


TokenFile = Annotated[
    Path | None,
    typer.Option(
        "--token-file",
        help="The file `token` of the SuperLink's data directory; its own machine needs none.",
    ),
]


@app.command(epilog="Example: fedsight node register keys/hospital-a.pub --name hospital-a")
def register(
    public_key: Annotated[Path, typer.Argument(help="The node's public key file.")],
    name: Annotated[
        str, typer.Option(help="What the node is called.", show_default="as the file is called")
    ] = "",
    superlink: Place = None,
    token_file: TokenFile = None,
    root_cert: RootCert = None,
    insecure: Insecure = False,
) -> None:
    """Let a node in: a SuperLink with node authentication takes only registered keys.

    The name is the key's from then on: by it the node is judged, trusted and shown, whatever it
    says, and no other key comes in by it.
    """
    with _membership(superlink, token_file, root_cert, insecure) as membership:
        added = membership.register(public_key.expanduser(), name)
    print(f"node {added.node_id} may come: key {added.fingerprint}, called {added.name}")


@app.command(epilog="Example: fedsight node revoke hospital-a")
def revoke(
    node: Annotated[str, typer.Argument(help="Its id, name, fingerprint or key file.")],
    superlink: Place = None,
    token_file: TokenFile = None,
    root_cert: RootCert = None,
    insecure: Insecure = False,
) -> None:
    """Shut a node out, at once and for good: its key is not taken again."""
    with _membership(superlink, token_file, root_cert, insecure) as membership:
        gone = membership.revoke(node)
    print(f"node {gone.node_id} is shut out: key {gone.fingerprint}")


@app.command("list", epilog="Example: fedsight node list --json")
def list_(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON array on stdout.")] = False,
    superlink: Place = None,
    token_file: TokenFile = None,
    root_cert: RootCert = None,
    insecure: Insecure = False,
) -> None:
    """List the nodes that a SuperLink knows.

    Names are verified where node authentication is on: then they are the keys'. Else they are what
    nodes say.
    """
    with _membership(superlink, token_file, root_cert, insecure) as membership:
        members = membership.members()
    if as_json:
        rows = [asdict(one) | {"node_id": str(one.node_id)} for one in members]
        print(json.dumps(rows, default=str))
        return
    for one in members:
        name = one.name if one.verified or not one.name else f"{one.name} (unverified)"
        print(f"{one.node_id:<20} {one.status:<10} {one.fingerprint} {name}".rstrip())
    if not members:
        print("no nodes yet")


def _membership(
    superlink: str | None, token_file: Path | None, root_cert: Path | None, insecure: bool
) -> Membership:
    from fedsight.federated.link import caller
    from fedsight.federated.link.membership import Membership
    from fedsight.federated.link.warm import is_plaintext

    address = _address(superlink)
    plaintext = is_plaintext(address, root_cert, insecure)
    token = None if token_file is None else _token_in(token_file.expanduser())
    return Membership(caller.Place(address, plaintext, root_cert, token))


def _token_in(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the token in {path}: {error}") from None


def _address(superlink: str | None) -> Address:
    """The address that was given, else that of the environment, else this machine's."""
    from fedsight.federated.link.address import Address

    host = os.environ.get(SERVER_HOST) or LOOPBACK
    return Address.of(superlink or f"{host}:{PORTS['superlink'].number}")


def _name_of(key: Path | None) -> str | None:
    """What `fedsight node register` calls the key in that file where nobody says otherwise."""
    from fedsight.federated.link.identity import NAME

    name = "" if key is None else key.name
    return name if NAME.fullmatch(name) and name != DEFAULT_NAME else None


def _host_name() -> str:
    """The host's name as a node's name may be written."""
    name = re.sub(r"[^A-Za-z0-9._-]", "-", platform.node())[:64].lstrip("._-")
    if not name:
        raise UsageError("this host has no name of its own; say --name")
    return name
