"""`fedsight models`: the model versions that runs left, with or without a collector running."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from fedsight.cli.options import UNKNOWN, Config, figure, size
from fedsight.cli.ruling import Policy, ruled
from fedsight.config import load
from fedsight.errors import FedsightError, ModelError, UsageError

if TYPE_CHECKING:
    from fedsight.federated.versions import Manifest, ModelStore, TagBook
    from fedsight.federated.versions.tags import Tags

REFERENCE = (
    "A version is RUN/ROUND, RUN/latest, RUN/best, latest, best or a tag;"
    " RUN may be the beginning of a run's id."
)
#: A century; more is a typing error.
MOST_DAYS = 36_500

EXAMPLES = """[bold]Examples[/]

fedsight models list: what there is, newest first

fedsight models get r-3fa9c01b/best --output model.safetensors: fetch one

fedsight models promote r-3fa9c01b/best, then fedsight models rollback: and back

fedsight models prune --keep 3 --older-than 30 --dry-run: what would go
"""

app = typer.Typer(
    no_args_is_help=True,
    help=f"List, fetch, compare, tag and prune model versions. {REFERENCE}",
    epilog=EXAMPLES,
    rich_markup_mode="rich",
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
VersionName = Annotated[str, typer.Argument(help=REFERENCE, metavar="VERSION")]


@dataclass(frozen=True)
class _Models:
    """What a command works on."""

    store: ModelStore
    book: TagBook

    @classmethod
    def of(cls, config: Path | None) -> _Models:
        from fedsight.federated.versions import ModelStore, TagBook

        store = ModelStore(load(config).model_folder)
        return cls(store, TagBook(store))

    def find(self, text: str) -> Manifest:
        from fedsight.federated.versions.references import resolve

        return resolve(self.store, self.book.read(), text)

    def require_whole(self, one: Manifest) -> None:
        reason = self.store.fault(one)
        if reason is not None:
            raise ModelError(f"model {one.version} is damaged: {reason}")


@app.command("list", epilog="Example: fedsight models list --run r-3fa9c01b")
def list_models(
    run: Annotated[str | None, typer.Option(help="Only this run's.", metavar="RUN")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many.")] = 20,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """List model versions, newest first. What is damaged is named on standard error."""
    from fedsight.federated.versions.references import full_run
    from fedsight.federated.versions.retention import age_key

    models = _Models.of(config)
    found = models.store.scan(None if run is None else full_run(models.store, run))
    for fault in found.faults:
        print(f"fedsight: {fault}", file=sys.stderr)
    tags = models.book.read()
    newest = sorted(found.versions, key=age_key, reverse=True)
    shown = newest[:limit]
    if as_json:
        _print_json({"total": len(newest), "models": [_told(one, tags) for one in shown]})
        return
    Console().print(_table(shown, tags))
    if len(newest) > len(shown):
        print(f"{len(newest) - len(shown)} more; say --limit")


@app.command(epilog="Example: fedsight models show r-3fa9c01b/best")
def show(version: VersionName, as_json: AsJson = False, config: Config = None) -> None:
    """Show one version: its figures, its file and the tensors in it."""
    models = _Models.of(config)
    one, tags = models.find(version), models.book.read()
    if as_json:
        _print_json(_told(one, tags))
        return
    lines = {
        "version": one.version,
        "task": one.task,
        "accuracy": figure(one.accuracy),
        "loss": figure(one.loss),
        "size": f"{one.size} bytes",
        "created": one.created,
        "parent": one.parent or "none",
        "tags": ", ".join(tags.of(one.version)) or "none",
        "sha256": one.sha256,
        "file": str(models.store.model_file(one.name)),
    }
    for name, value in lines.items():
        print(f"{name:<10}{value}")
    for tensor in one.tensors:
        shape = " x ".join(map(str, tensor.shape)) or "one number"
        print(f"{'tensor':<10}{tensor.name}: {shape}, {tensor.dtype}")


@app.command(epilog="Example: fedsight models get r-3fa9c01b/20 --output model.safetensors")
def get(
    version: VersionName,
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write.", metavar="FILE")],
    config: Config = None,
) -> None:
    """Copy a version's file, once it is seen to be whole; safetensors and PyTorch can read it."""
    models = _Models.of(config)
    one = models.find(version)
    models.store.copy(one, output)
    print(f"{one.version} is in {output}: {size(one.size)}, SHA-256 {one.sha256}")


@app.command(epilog="Example: fedsight models compare production latest --json")
def compare(
    first: Annotated[str, typer.Argument(help=REFERENCE, metavar="A")],
    second: Annotated[str, typer.Argument(help="The other.", metavar="B")],
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Compare two versions: every difference is B less A."""
    from fedsight.federated.versions.comparison import differences

    models = _Models.of(config)
    one, two = models.find(first), models.find(second)
    found = differences(one, two)
    if as_json:
        _print_json({"a": one.version, "b": two.version, **found})
        return
    if one.task != two.task:
        print(f"the tasks differ: {one.task} and {two.task}", file=sys.stderr)
    rows = {
        "accuracy": (figure(one.accuracy), figure(two.accuracy)),
        "loss": (figure(one.loss), figure(two.loss)),
        "size": (str(one.size), str(two.size)),
        "round": (str(one.round), str(two.round)),
    }
    table = Table("", one.version, two.version, "difference", box=None, header_style="bold")
    for (name, cells), difference in zip(rows.items(), found.values(), strict=True):
        table.add_row(name, *cells, _signed(difference))
    Console().print(table)


@app.command(epilog="Example: fedsight models tag r-3fa9c01b/best baseline")
def tag(
    version: VersionName,
    name: Annotated[str, typer.Argument(help="Letters, digits, '.', '_' and '-'.")],
    force: Annotated[bool, typer.Option("--force", help="Move the tag if it is taken.")] = False,
    config: Config = None,
) -> None:
    """Give a version a name. What has a tag is never pruned."""
    models = _Models.of(config)
    one = models.find(version)
    before = models.book.tag(one.name, name, move=force)
    print(f"{name} is {one.version}" + (f", and was {before}" if before else ""))


@app.command(epilog="Example: fedsight models untag baseline")
def untag(
    name: Annotated[str, typer.Argument(help="The tag.")],
    config: Config = None,
) -> None:
    """Take a tag away; its version stays. Without `production`, its history is gone too."""
    had = _Models.of(config).book.untag(name)
    print(f"{had} is not {name} any more")


@app.command(epilog="Example: fedsight models promote r-3fa9c01b/best")
def promote(version: VersionName, policy: Policy = None, config: Config = None) -> None:
    """Make a version, seen to be whole, the one tagged `production`, where policy lets it.

    The set or service that --policy names decides; else the configuration's `policy.rules`, or a
    policy set in the data directory.
    """
    from fedsight.federated.promotion import Promotions

    models, settings = _Models.of(config), load(config)
    ruling = ruled(policy, observe=False)
    named = None if ruling is None else ruling.decider(settings)
    one = models.find(version)
    models.require_whole(one)
    own = settings.policy
    refusal = Promotions(settings.data, own.rules, own.observe, named).refusal(
        one, getpass.getuser()
    )
    if refusal is not None:
        raise FedsightError(f"model {one.version} is not promoted, refused by policy: {refusal}")
    before = models.book.promote(one.name)
    print(f"production is {one.version}" + (f", and was {before}" if before else ""))


@app.command(epilog="Example: fedsight models rollback")
def rollback(config: Config = None) -> None:
    """Go back to the version that was `production` before."""
    left, now = _Models.of(config).book.rollback()
    print(f"production is {now}, and was {left}")


@app.command(epilog="Example: fedsight models prune --keep 3 --older-than 30 --dry-run")
def prune(
    keep: Annotated[
        int | None,
        typer.Option(min=0, max=1_000_000, help="Spare the newest N untagged of each run."),
    ] = None,
    older_than: Annotated[
        float | None,
        typer.Option(min=0, max=MOST_DAYS, help="Only what is older than so many days."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    config: Config = None,
) -> None:
    """Remove old versions, and what killed processes left.

    Never what has a tag or was promoted, nor a run's latest and its best.
    """
    if keep is None and older_than is None:
        raise UsageError("say what goes: --keep N, --older-than DAYS or both")
    before = None if older_than is None else datetime.now(UTC) - timedelta(days=older_than)
    models = _Models.of(config)
    if dry_run:
        going = _going(models, keep, before)
    else:
        with models.store.locked():
            going = _going(models, keep, before)
            models.store.remove(one.name for one in going)
            models.store.clean()
    for one in going:
        print(one.version)
    said = "would go" if dry_run else "removed"
    print(f"{len(going)} {said}, {size(sum(one.size for one in going))}", file=sys.stderr)


@app.command(epilog="Example: fedsight models verify production")
def verify(
    version: Annotated[
        str | None, typer.Argument(help=REFERENCE, metavar="VERSION", show_default="all")
    ] = None,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Read versions again and compare them with their manifests; exits with 1 on damage."""
    from fedsight.federated.versions import Fault

    models = _Models.of(config)
    chosen, faults = _to_verify(models, version)
    checked = len(chosen) + len(faults)
    for one in chosen:
        reason = models.store.fault(one)
        if reason is not None:
            faults.append(Fault(one.name, reason))
    if as_json:
        damaged = [{"version": str(one.version), "reason": one.reason} for one in faults]
        _print_json({"checked": checked, "damaged": damaged})
    else:
        for one in faults:
            print(one)
        print(f"{checked} checked, {len(faults)} damaged")
    if faults:
        raise FedsightError(f"{len(faults)} of {checked} models are damaged: {faults[0].version}")


def _to_verify(models: _Models, version: str | None) -> tuple[list[Manifest], list[Any]]:
    """Versions to read, and those whose manifest alone tells that they are damaged.

    A tag on a version that is not there is damage too.
    """
    from fedsight.federated.versions import Fault
    from fedsight.federated.versions.names import version as parsed

    if version is not None:
        return [models.find(version)], []
    found, tags = models.store.scan(), models.book.read()
    there = {one.version for one in found.versions} | {str(one.version) for one in found.faults}
    lost = [parsed(name) for name in sorted(tags.held() - there)]
    missing = [Fault(one, "it is tagged or was promoted, and missing") for one in lost if one]
    return found.versions, [*found.faults, *missing]


def _going(models: _Models, keep: int | None, before: datetime | None) -> list[Manifest]:
    from fedsight.federated.versions import droppable

    held = models.book.read().held()
    return droppable(models.store.scan().versions, held, keep=keep, before=before)


def _table(shown: Sequence[Manifest], tags: Tags) -> Table:
    titles = ("version", "task", "accuracy", "loss", "size", "created", "tags")
    table = Table(*titles, box=None, pad_edge=False, header_style="bold")
    for one in shown:
        created = f"{one.created[:19].replace('T', ' ')}Z"
        names = ", ".join(tags.of(one.version))
        figures = (figure(one.accuracy), figure(one.loss), size(one.size))
        table.add_row(one.version, one.task, *figures, created, names)
    return table


def _told(one: Manifest, tags: Tags) -> dict[str, Any]:
    """The manifest, and the tags that the version has now."""
    found: dict[str, Any] = msgspec.to_builtins(one)
    return found | {"tags": tags.of(one.version)}


def _signed(difference: float | None) -> str:
    if difference is None:
        return UNKNOWN
    return f"{difference:+d}" if isinstance(difference, int) else f"{difference:+.4f}"


def _print_json(found: object) -> None:
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(found), indent=2).decode() + "\n")
