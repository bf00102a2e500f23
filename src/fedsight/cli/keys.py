"""`fedsight keys`: a node's identity, made and shown."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fedsight.cli.options import Config
from fedsight.config import load

app = typer.Typer(no_args_is_help=True, help="Make and show the keys of nodes.")

DEFAULT_NAME = "node-key"


@app.callback()
def root() -> None:
    """Make and show the keys of nodes."""


@app.command(epilog="Example: fedsight keys new keys/hospital-a")
def new(
    path: Annotated[
        Path | None,
        typer.Argument(help="The file of the private key.", show_default="keys/node-key in data"),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a key that is there already.")
    ] = False,
    config: Config = None,
) -> None:
    """Make a key for a node: ECDSA on P-384, in OpenSSH's form.

    The private key goes to PATH, readable by its owner alone, and stays with the node; the public
    one to PATH.pub, for the SuperLink's operator.
    """
    settings = load(config)
    from fedsight.federated.link import identity

    where = settings.data / "keys" / DEFAULT_NAME if path is None else path.expanduser()
    made = identity.write(where, force)
    print(f"private key: {where} (stays with the node)")
    print(f"public key:  {identity.public_of(where)} (for: fedsight node register)")
    print(f"fingerprint: {made.fingerprint}")


@app.command(epilog="Example: fedsight keys show keys/hospital-a.pub")
def show(
    path: Annotated[Path, typer.Argument(help="A private or a public key file.")],
) -> None:
    """Show a key's fingerprint, by which the SuperLink's log and `fedsight node list` name it."""
    from fedsight.federated.link import identity

    public = identity.read_public(path.expanduser())
    print(f"fingerprint: {identity.fingerprint(identity.public_pem(public))}")
    print(f"OpenSSH's:   {identity.openssh_fingerprint(public)}")
