"""The command tree: what `fedsight --help` lists, each command in a file of its own."""

from __future__ import annotations

import inspect
from typing import Annotated

import typer

from fedsight import __version__
from fedsight.cli import (
    alerts,
    demo,
    doctor,
    export,
    keys,
    login,
    models,
    node,
    notebook,
    policy,
    run,
    runs,
    serve,
    store,
    up,
    windows,
)

app = typer.Typer(
    name="fedsight",
    no_args_is_help=True,
    rich_markup_mode="rich",
    suggest_commands=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"fedsight {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Run federated learning on Flower, and see all of it.

    [bold]fedsight run[/] trains a demo and shows it live; every command has its own --help.
    """


app.command(epilog=run.EXAMPLES)(run.run)
app.command(epilog=up.EXAMPLES)(up.up)
app.add_typer(demo.app, name="demo")
app.add_typer(serve.app, name="serve")
app.add_typer(node.app, name="node")
app.add_typer(keys.app, name="keys")
app.add_typer(runs.app, name="runs")
app.add_typer(alerts.app, name="alerts")
app.add_typer(models.app, name="models")
app.add_typer(store.app, name="store")
app.add_typer(policy.app, name="policy")
app.add_typer(windows.app, name="windows")
app.command(epilog=export.EXAMPLES)(export.export)
app.command(epilog=notebook.EXAMPLES)(notebook.notebook)
app.command(epilog=login.EXAMPLES)(login.login)
app.command(epilog=doctor.EXAMPLES)(doctor.doctor)


def _flow(tree: typer.Typer) -> None:
    """Let the terminal break a docstring's lines: beyond the first paragraph typer does not."""
    for command in tree.registered_commands:
        text = inspect.getdoc(command.callback) or ""
        command.help = "\n\n".join(" ".join(part.split("\n")) for part in text.split("\n\n"))
    for group in tree.registered_groups:
        if group.typer_instance is not None:
            _flow(group.typer_instance)


_flow(app)
