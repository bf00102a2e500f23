"""`fedsight node`: a warm node, and the SuperLink's list of nodes."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path
from typing import Annotated

import typer

from fedsight.cli.options import Config
from fedsight.cli.serve import log_to_stderr
from fedsight.config import LOOPBACK, PORTS, load
from fedsight.errors import UsageError

EXAMPLES = """[bold]Examples[/]

fedsight node --superlink 127.0.0.1:8000 --name a --partition 0 --of 2

fedsight node --superlink fl.example.org:8000 --root-cert ca.crt --key keys/a
"""
#: Names that the containers of a federation go by, for --name and --superlink.
CLIENT_ID, SERVER_HOST = "CLIENT_ID", "SERVER_HOST"

app = typer.Typer(invoke_without_command=True, help="Be a node of a federation.")


@app.callback(epilog=EXAMPLES)
def node(
    context: typer.Context,
    superlink: Annotated[
        str | None,
        typer.Option(help="Address of the SuperLink, HOST:PORT.", show_default="127.0.0.1:8000"),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="What the node is called.", show_default="the host's name")
    ] = None,
    partition: Annotated[
        int | None, typer.Option(help="Which part of the data it has, from 0.")
    ] = None,
    of: Annotated[int | None, typer.Option(help="Into how many parts the data is split.")] = None,
    tags: Annotated[str, typer.Option(help="Words to choose the node by, parted by commas.")] = "",
    property_: Annotated[
        list[str] | None,
        typer.Option("--property", help="A property as key=value; may be given several times."),
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(help="Private key of the node.", show_default="one that it makes and keeps"),
    ] = None,
    root_cert: Annotated[
        Path | None,
        typer.Option(help="Certificate of the authority that vouches for the SuperLink."),
    ] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Speak plaintext beyond this machine.")
    ] = False,
    apps: Annotated[
        bool, typer.Option("--apps", help="Run apps whose code the SuperLink sends.")
    ] = False,
    config: Config = None,
) -> None:
    """Be a node: answer a SuperLink's messages until Ctrl-C, with everything kept warm.

    It reconnects where the SuperLink goes away. Without --root-cert it trusts the system's
    certificate authorities; to this machine it speaks plaintext.
    """
    if context.invoked_subcommand is not None:
        return
    settings = load(config)
    log_to_stderr(settings.log.level)
    from fedsight.federated.link.address import Address
    from fedsight.federated.link.warm import NodeOptions, properties_of, serve

    host = os.environ.get(SERVER_HOST) or LOOPBACK
    said = superlink or f"{host}:{PORTS['superlink'].number}"
    serve(
        NodeOptions(
            superlink=Address.of(said),
            name=name or os.environ.get(CLIENT_ID) or _host_name(),
            data=settings.data,
            partition=partition,
            partitions=of,
            tags=tuple(tag.strip() for tag in tags.split(",") if tag.strip()),
            properties=properties_of(property_ or ()),
            key=key,
            root_cert=root_cert,
            insecure=insecure,
            apps=apps,
        )
    )


def _host_name() -> str:
    """The host's name as a node's name may be written."""
    name = re.sub(r"[^A-Za-z0-9._-]", "-", platform.node())[:64].lstrip("._-")
    if not name:
        raise UsageError("this host has no name of its own; say --name")
    return name
