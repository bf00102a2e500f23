"""`fedsight serve policy`: the policy engine over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fedsight.cli.attached import collector_url
from fedsight.cli.options import Config, log_to_stderr
from fedsight.config import load

EXAMPLES = """Examples:

fedsight policy init

fedsight serve policy

fedsight serve policy --host 0.0.0.0 --tls-cert server.pem --tls-key server.key
"""


def policy(
    host: Annotated[
        str | None, typer.Option(help="Address to listen on.", show_default="127.0.0.1")
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="Port to listen on; 0: any free one.", show_default="5000")
    ] = None,
    rules: Annotated[
        Path | None,
        typer.Option("--set", help="Folder of the policy set.", show_default="policy in data"),
    ] = None,
    observe: Annotated[
        bool, typer.Option("--observe", help="Allow everything; say what would be refused.")
    ] = False,
    tls_cert: Annotated[
        Path | None, typer.Option(help="Certificate (PEM) for TLS.", metavar="FILE")
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option(help="Its private key (PEM).", metavar="FILE")
    ] = None,
    until_stdin_closes: Annotated[
        bool, typer.Option(help="End when standard input closes.", hidden=True)
    ] = False,
    config: Config = None,
) -> None:
    """Decide by a policy set over HTTP, and record each decision before it is answered.

    Prints `listening on URL` once it does. Governed runs of the same data directory write the same
    audit trail beside it, and their decisions show up here. Bound beyond loopback, every request
    needs a token.
    """
    from fedsight.door.tls import Tls
    from fedsight.door.token import token_in
    from fedsight.policy.service.anchoring import Witnessing
    from fedsight.policy.service.options import PolicyOptions
    from fedsight.policy.service.running import run

    settings = load(config)
    log_to_stderr(settings.log.level)
    own = settings.policy
    run(
        PolicyOptions(
            data=settings.data,
            rules=rules or own.rules or settings.data / "policy",
            tokens=own.tokens or settings.data / "policy-tokens.toml",
            host=own.host if host is None else host,
            port=own.port if port is None else port,
            hosts=own.hosts,
            local_roles=own.local_roles,
            observe=observe or own.observe,
            tls=Tls.of(tls_cert or own.tls_cert, tls_key or own.tls_key),
            witness=Witnessing(
                collector_url(settings, settings.collector.port),
                token_in(settings.data),
                settings.collector.trust.verify(),
            ),
            until_stdin_closes=until_stdin_closes,
        )
    )
