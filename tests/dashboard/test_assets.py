"""The built files: small, reproducible, from sources that hold."""

from __future__ import annotations

import gzip
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WEB = ROOT / "web"
STATIC = ROOT / "src/fedsight/dashboard/static"
FIRST_ROUTE_BYTES = 60_000
ALL_BYTES = 150_000


def zipped(name: str) -> int:
    return len(gzip.compress((STATIC / name).read_bytes(), 9))


def imported(name: str, found: set[str] | None = None) -> set[str]:
    """A script and all that it imports at once."""
    found = set() if found is None else found
    if name not in found:
        found.add(name)
        for other in re.findall(r'(?:from|import) ?"\./([^"]+\.js)"', (STATIC / name).read_text()):
            imported(other, found)
    return found


def routes() -> list[str]:
    """Scripts that pages and dialogs begin with."""
    return re.findall(r'import\("\./([^"]+\.js)"\)', (STATIC / "app.js").read_text())


def styles_of(route: str) -> set[str]:
    """The stylesheets besides the first one: none of a page that is `plain`, and one's own."""
    then = r'"\)\.then\(\w+=>\w+\.\w+\)(,!0)?(?:,!1,"([^"]+)")?'
    call = re.search(rf'"\./{re.escape(route)}{then}', read("app.js"))
    assert call, route
    plain, own = call.groups()
    return set() if plain else {"later.css", own} if own else {"later.css"}


def read(name: str) -> str:
    return (STATIC / name).read_text()


def npm(*arguments: str) -> None:
    done = subprocess.run(["npm", "--prefix", str(WEB), *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


def test_each_first_route_is_within_its_budget() -> None:
    assert len(routes()) >= 2
    for route in routes():
        scripts = imported("app.js") | imported(route)
        size = sum(map(zipped, scripts | {"style.css"} | styles_of(route)))
        print(f"first route {route}: {size} bytes gzip")
        assert size <= FIRST_ROUTE_BYTES, route


def test_all_scripts_and_styles_are_within_their_budget() -> None:
    names = [path.name for path in STATIC.iterdir() if path.suffix in {".js", ".css"}]
    assert sum(map(zipped, names)) <= ALL_BYTES


def test_every_script_is_reached_and_every_file_named_exists() -> None:
    reached = imported("app.js").union(*(imported(route) for route in routes()))
    lazily = {
        name
        for script in reached
        for name in re.findall(r'import\("\./([^"]+\.js)"\)', (STATIC / script).read_text())
    }
    reached = reached.union(*(imported(name) for name in lazily))
    assert reached == {path.name for path in STATIC.glob("*.js")}
    page = (STATIC / "index.html").read_text()
    for name in re.findall(r'(?:href|src)="([^"]+)"', page):
        assert (STATIC / name).is_file(), name


def test_fonts_come_with_their_licences() -> None:
    for font in ("inter", "jetbrains-mono"):
        assert (STATIC / f"{font}.woff2").read_bytes()[:4] == b"wOF2"
        assert "SIL Open Font License" in (STATIC / f"{font}.OFL.txt").read_text()
    notices = (STATIC / "NOTICES.txt").read_text()
    for library in ("preact", "@preact/signals", "uplot"):
        assert re.search(rf"^{library} \d", notices, re.MULTILINE), library


def test_the_lock_file_names_no_registry() -> None:
    lock = (WEB / "package-lock.json").read_text()
    assert '"resolved"' not in lock
    assert "registry" not in lock


@pytest.mark.slow
def test_a_rebuild_gives_the_committed_files(tmp_path: Path) -> None:
    assert (WEB / "node_modules").is_dir(), "run: npm ci --prefix web"
    done = subprocess.run(
        ["node", str(WEB / "build.mjs"), str(tmp_path / "built")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    built = {path.name: path.read_bytes() for path in (tmp_path / "built").iterdir()}
    committed = {path.name: path.read_bytes() for path in STATIC.iterdir()}
    assert sorted(built) == sorted(committed)
    assert [name for name in built if built[name] != committed[name]] == []


@pytest.mark.slow
def test_the_sources_pass_their_type_check() -> None:
    npm("run", "check")


@pytest.mark.slow
def test_the_pure_functions_pass_their_tests() -> None:
    npm("test")
