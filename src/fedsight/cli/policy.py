"""`fedsight policy`: the rules of a federation, tested and explained before they decide."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from fedsight.cli import policy_audit, policy_explain, policy_import, policy_trust
from fedsight.cli.options import Config
from fedsight.cli.policy_options import (
    AsJson,
    Folder,
    SetFolder,
    either,
    moment,
    new_folder,
    print_json,
    print_table,
    set_folder,
)
from fedsight.cli.screen import printable
from fedsight.errors import FedsightError, UsageError

if TYPE_CHECKING:
    from fedsight.policy import RuleSet
    from fedsight.policy.replay import Replayed

EXAMPLES = """[bold]Examples[/]

fedsight policy init, then fedsight policy show: a first set of rules

fedsight policy test: does the set keep what its tests promise?

fedsight policy explain train --client hospital-a -a trust=0.3: who would refuse, and why

fedsight policy replay --set candidate --since 7d: what would another set have changed?
"""

app = typer.Typer(
    no_args_is_help=True,
    help="Write, test, explain and change the rules of a federation.",
    epilog=EXAMPLES,
    rich_markup_mode="rich",
)
app.add_typer(policy_audit.app, name="audit")
app.add_typer(policy_trust.app, name="trust")
app.command(epilog=policy_explain.EXAMPLE)(policy_explain.explain)
app.command("import", epilog=policy_import.EXAMPLE)(policy_import.import_)

Author = Annotated[str | None, typer.Option(help="Who does it.", show_default="your user name")]


@app.command(epilog="Example: fedsight policy init")
def init(
    folder: Annotated[
        Path | None, typer.Argument(help="Where to.", show_default="policy in data")
    ] = None,
    node: Annotated[
        bool, typer.Option("--node", help="A set by which a node decides for itself.")
    ] = False,
    upgrade: Annotated[
        bool, typer.Option("--upgrade", help="Add what the schema of an older set lacks.")
    ] = False,
    author: Author = None,
    config: Config = None,
) -> None:
    """Write the default set of rules, with its schema, its numbers and its tests."""
    from fedsight.policy import files
    from fedsight.policy.versions import Versions

    where = set_folder(folder, config) if upgrade else new_folder(folder, config)
    if upgrade:
        _upgrade(where, author or getpass.getuser())
        return
    files.vacant(where)
    texts = files.default_texts(node)
    Versions(where).replace(texts, author or getpass.getuser(), "the default set")
    print(f"{len(texts)} files are in {where}: {', '.join(texts)}")


def _upgrade(where: Path, author: str) -> None:
    """Add to the schema of a set what it lacks, or say that there is nothing."""
    from fedsight.policy import files, upgrading
    from fedsight.policy.ruleset import SCHEMA
    from fedsight.policy.versions import Versions

    found = files.read(where)
    lacks = upgrading.lacks(found.schema)
    if not lacks:
        print(f"{where} lacks nothing")
        return
    texts = {**found.files, SCHEMA: upgrading.upgraded(found.schema)}
    added = ", ".join(f"{one.attribute} of {one.type}" for one in lacks)
    made = Versions(where).replace(texts, author, f"{SCHEMA}: {added}")
    print(f"{where} has {added} now: version {made.version}, number {made.number}")


@app.command(epilog="Example: fedsight policy validate candidate")
def validate(
    folder: Folder = None,
    rules: SetFolder = None,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Check a set as it is checked before it decides; exits with 1 where it is wrong."""
    from fedsight.policy import PolicyError, files

    where = set_folder(either(folder, rules), config)
    try:
        found = files.read(where)
    except PolicyError as error:
        if as_json:
            print_json({"ok": False, "faults": [str(one) for one in error.faults]})
        else:
            for one in error.faults[1:]:
                print(printable(str(one)), file=sys.stderr)
        raise
    if as_json:
        told = {"ok": True, "version": found.version, "rules": len(found.rules)}
        print_json({**told, "warnings": list(found.warnings)})
        return
    _warn(found)
    print(f"{where} is right: version {found.version}, {len(found.rules)} rules")


def _warn(found: RuleSet) -> None:
    for warning in found.warnings:
        print(f"fedsight: {warning}", file=sys.stderr)


@app.command("test", epilog="Example: fedsight policy test candidate")
def run_tests(
    folder: Folder = None,
    rules: SetFolder = None,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Run the tests in the set's *.test.toml files; exits with 1 where one fails."""
    from fedsight.policy import Engine, files, testing

    found = files.read(set_folder(either(folder, rules), config))
    tested = testing.run(Engine(found), found.files)
    failed = [one for one in tested if one.wrong is not None]
    if as_json:
        rows = [{"file": one.file, "name": one.name, "wrong": one.wrong} for one in tested]
        print_json({"version": found.version, "tests": rows})
    else:
        for one in tested:
            print(f"{'FAILED' if one.wrong else 'passed'}  {one.file}: {one.name}")
            if one.wrong:
                print(f"        {one.wrong}")
    if failed:
        raise FedsightError(f"{len(failed)} of {len(tested)} policy tests failed: {failed[0].name}")
    if not as_json:
        print(f"{len(tested)} policy tests passed" if tested else "the set has no tests")


@app.command(epilog="Example: fedsight policy show client.trust-too-low")
def show(
    rule: Annotated[
        str | None, typer.Argument(help="A rule's id.", show_default="all rules")
    ] = None,
    rules: SetFolder = None,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """List the rules of a set, or show one as it is written."""
    from fedsight.policy import files

    found = files.read(set_folder(rules, config))
    if rule is not None:
        _show_one(found, rule, as_json)
    elif as_json:
        print_json([_told(found, one.id) for one in found.rules])
    else:
        rows = (
            (one.id, one.effect, ", ".join(sorted(one.actions)) or "any", one.reason)
            for one in found.rules
        )
        print_table(("rule", "effect", "actions", "reason"), rows)
        _warn(found)
        print(f"version {found.version}")


def _show_one(found: RuleSet, rule: str, as_json: bool) -> None:
    one = found.rule(rule)
    if one is None:
        raise UsageError(f"there is no rule {rule!r}; fedsight policy show lists them")
    if as_json:
        print_json(_told(found, rule))
        return
    print(printable(f"// {one.file}:{one.place.line}\n{one.text}"))
    for obligation in one.obligations:
        print(f"// obliges: {obligation}")


def _told(found: RuleSet, rule: str) -> dict[str, object]:
    one = found.rule(rule)
    assert one is not None
    told: dict[str, object] = {"id": one.id, "effect": one.effect, "reason": one.reason}
    told |= {"file": one.file, "line": one.place.line, "actions": sorted(one.actions)}
    return told | {"obligations": [str(each) for each in one.obligations], "text": one.text}


@app.command(epilog="Example: fedsight policy replay --set candidate --since 7d")
def replay(
    rules: SetFolder = None,
    since: Annotated[
        str | None, typer.Option(help="From when on: 7d, 12h, or a time.", metavar="WHEN")
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="To before when: 1h, or a time.", metavar="WHEN")
    ] = None,
    audit: policy_audit.TrailFolder = None,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Say what a set would have changed of the decisions that were recorded."""
    from fedsight.policy import files
    from fedsight.policy.replay import replay as replayed

    candidate = files.read(set_folder(rules, config))
    folder = policy_audit.trail_folder(audit, config)
    found = replayed(candidate, folder, since=moment(since), until=moment(until))
    if as_json:
        print_json({"version": candidate.version, **msgspec.to_builtins(found)})
        return
    _print_replayed(found, candidate.version)


def _print_replayed(found: Replayed, version: str) -> None:
    print(
        f"{found.requests:,} decisions: version {version} would have refused {found.refused:,}"
        f" that were allowed, and allowed {found.allowed:,} that were refused"
    )
    tables = {
        "refused by rule": found.refused_by_rule,
        "refused by client": found.refused_by_client,
        "allowed, refused then by rule": found.allowed_by_rule,
        "allowed, by client": found.allowed_by_client,
    }
    for title, counts in tables.items():
        for name, count in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:20]:
            print(f"{title:<32}{count:>9,}  {printable(name)}")
    if found.unjudged:
        print(f"{found.unjudged:,} it cannot judge, and so would refuse:")
    for why, count in sorted(found.why_unjudged.items(), key=lambda pair: -pair[1])[:20]:
        print(f"{'not judged':<32}{count:>9,}  {printable(why)}")


@app.command(epilog="Example: fedsight policy versions --diff 3")
def versions(
    diff: Annotated[
        int | None, typer.Option(help="Show what version N changed.", metavar="N")
    ] = None,
    rules: SetFolder = None,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """List the versions of a set, or show how one differs from the one before it."""
    from fedsight.policy.versions import Versions, difference

    book = Versions(set_folder(rules, config))
    if diff is not None:
        after = book.get(diff)
        before = [one for one in book.all() if one.number < diff]
        texts = before[-1].files if before else {}
        names = str(before[-1].number) if before else "nothing", str(diff)
        print(printable(difference(texts, after.files, names)))
        return
    all_ = book.all()
    if as_json:
        rows = [{k: v for k, v in msgspec.to_builtins(one).items() if k != "files"} for one in all_]
        print_json(rows)
        return
    told = ((str(one.number), one.version, one.when, one.author, one.note) for one in all_)
    print_table(("number", "version", "when", "author", "note"), told)


@app.command(epilog="Example: fedsight policy rollback 2")
def rollback(
    number: Annotated[int, typer.Argument(help="The version to go back to.")],
    author: Author = None,
    rules: SetFolder = None,
    config: Config = None,
) -> None:
    """Make an older version of the set the newest."""
    from fedsight.policy.versions import Versions

    book = Versions(set_folder(rules, config))
    made = book.rollback(number, author or getpass.getuser())
    print(f"the policy set is version {made.version} again: number {made.number}, as {number} was")
