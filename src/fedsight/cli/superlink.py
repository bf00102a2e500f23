"""`fedsight serve superlink`: Flower's SuperLink behind our door."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from fedsight.cli.attached import collector_url
from fedsight.cli.options import Config, log_to_stderr
from fedsight.config import LOOPBACK, PORTS, load
from fedsight.errors import UsageError

EXAMPLES = """Examples:

fedsight serve superlink

fedsight serve superlink --host 0.0.0.0 --tls-cert server.pem --tls-key server.key --node-auth
"""

FILE = "FILE"


def superlink(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = LOOPBACK,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen on; 0: any free one.")
    ] = PORTS["superlink"].number,
    database: Annotated[
        Path | None,
        typer.Option(
            help="Keep nodes and runs in this file.", show_default="in memory", metavar=FILE
        ),
    ] = None,
    tls_cert: Annotated[
        Path | None, typer.Option(help="Certificate (PEM) for TLS.", metavar=FILE)
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option(help="Its private key (PEM).", metavar=FILE)
    ] = None,
    node_auth: Annotated[
        bool, typer.Option("--node-auth", help="Only nodes whose key was registered.")
    ] = False,
    token_file: Annotated[
        Path | None,
        typer.Option(
            help="What callers from elsewhere must show to submit runs.",
            show_default="token of the data directory",
            metavar=FILE,
        ),
    ] = None,
    config: Config = None,
) -> None:
    """Run Flower's SuperLink: nodes connect to it, training processes submit their runs to it.

    Prints `listening on URL` once it does. Nodes sign their requests; everything else is for
    callers on this machine and those who show the token. Requests that were refused are journaled
    in the data directory. It starts no ServerApp of its own: that is the training process.
    """
    from fedsight.door.hosts import is_loopback
    from fedsight.door.tls import Tls
    from fedsight.door.token import token_in
    from fedsight.federated.link.refusal_journal import RefusalJournal
    from fedsight.federated.link.superlink import SuperLink, SuperLinkOptions
    from fedsight.journal.proven import ProvenSink

    settings = load(config)
    log_to_stderr(settings.log.level)
    tls = Tls.of(tls_cert, tls_key)
    own = token_in(settings.data)
    token = own if token_file is None else _read(token_file)
    options = SuperLinkOptions(host, port, database, tls, node_auth, token)
    collector = collector_url(settings, settings.collector.port)
    sink = ProvenSink(collector, settings.data, own, settings.collector.trust.verify())
    journal = RefusalJournal(settings.journals, sink)
    try:
        SuperLink(options, on_refusal=journal.note).run(
            lambda url: _announce(url, open_to_all=tls is None and not is_loopback(host))
        )
    finally:
        journal.close()
        sink.close()


def _announce(url: str, *, open_to_all: bool) -> None:
    if open_to_all:
        print(
            "nothing here is encrypted, and any node may join;"
            " say --tls-cert, --tls-key and --node-auth",
            file=sys.stderr,
        )
    print(f"listening on {url}", flush=True)


def _read(file: Path) -> str:
    try:
        token = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the token file {file}: {error}") from error
    if not token:
        raise UsageError(f"the token file {file} is empty")
    return token
