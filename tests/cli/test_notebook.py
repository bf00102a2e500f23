"""A run's notebook, executed from top to bottom against a real collector and without one."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from fedsight.cli.notebook import assembled, cells
from fedsight.collector.reading import queries
from fedsight.door.times import now_ns
from fedsight.signals import Sample, batch
from tests.cli.command import TINY, fedsight, line_with, started
from tests.collector.open_store import Store
from tests.collector.server import JSON
from tests.collector.shipments import SECOND, START, shipment, whole_run
from tests.collector.shipments import started as begun
from tests.collector.shipments import trained as trained_round

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def executed(file: Path) -> list[Any]:
    """Every output of every cell, in order."""
    book = nbformat.read(file, as_version=4)
    where = {"metadata": {"path": str(file.parent)}}
    NotebookClient(book, timeout=120, kernel_name="python3", resources=where).execute()
    return [out for cell in book.cells for out in cell.get("outputs", ())]


def text(outputs: list[Any]) -> str:
    return "".join(out["text"] for out in outputs if out["output_type"] == "stream")


def pictures(outputs: list[Any]) -> int:
    return sum("image/png" in out.get("data", {}) for out in outputs)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with one trained run."""
    data = tmp_path_factory.mktemp("home") / "data"
    done = fedsight(data, "run", *TINY, "--exit", "--json")
    assert done.returncode == 0, done.stderr
    return data


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """The store of a run beside which a network was measured, its collector, and its port."""
    data = tmp_path / "data"
    data.mkdir()
    store = Store(data)
    store.send(shipment("r-1", whole_run("r-1", ["a", "b"])))
    links = [{"link": "s1:s2"}, {"link": "s2:s3"}]
    measured = [
        Sample(START + at * SECOND // 4, "network_latency_seconds", 0.25 * at, None, labels)
        for labels in links
        for at in range(4)
    ]
    store.send(shipment("net", [batch(measured)]))
    store.close()
    with started(data, "serve", "collector", "--port", "0") as serving:
        yield data, line_with(serving, "listening on").rsplit(":", 1)[1].strip()
        serving.send_signal(signal.SIGTERM)
        serving.communicate(timeout=30)


def test_a_notebook_asks_the_collector(served: tuple[Path, str], tmp_path: Path) -> None:
    data, port = served
    out = tmp_path / "run.ipynb"
    done = fedsight(data, "notebook", "r-1", "-o", str(out), COLLECTOR_PORT=port)
    assert (done.returncode, done.stderr) == (0, "")
    found = executed(out)
    said = text(found)
    assert "{'rounds': 2, 'spans': 6, 'events': 6}" in said
    assert "lr    1" in said
    # Rounds, seconds of training, waterfall, network.
    assert pictures(found) == 4
    assert "network: not measured" not in said
    assert not list(tmp_path.glob("*.zip"))
    token = (data / "token").read_text().strip()
    assert token not in out.read_text()


def test_a_notebook_reads_a_file_beside_it(trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "there" / "run.ipynb"
    out.parent.mkdir()
    flags = ("--offline", "-o", str(out))
    done = fedsight(trained, "notebook", "r-", *flags, COLLECTOR_PORT="0")
    assert (done.returncode, done.stderr) == (0, "")
    assert {file.name for file in out.parent.iterdir()} == {"run.ipynb", "run.data.zip"}
    elsewhere = tmp_path / "elsewhere"
    shutil.move(out.parent, elsewhere)
    found = executed(elsewhere / "run.ipynb")
    said = text(found)
    assert pictures(found) == 3
    assert "network: not measured" in said
    assert "client-0" in said
    again = fedsight(trained, "notebook", "r-", "-o", str(elsewhere / "run.ipynb"))
    assert again.returncode == 2
    assert "say --force to replace it" in again.stderr


def test_a_run_of_which_nothing_is_known_yet_is_shown_too(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    store = Store(data)
    store.send(shipment("r-0", [begun("r-0", [], config={})]))
    store.close()
    flags = ("--offline", "-o", str(tmp_path / "run.ipynb"))
    done = fedsight(data, "notebook", "r-0", *flags, COLLECTOR_PORT="0")
    assert done.returncode == 0, done.stderr
    said = text(executed(tmp_path / "run.ipynb"))
    for sentence in (
        "no client has trained",
        "seconds of training by client: not measured",
        "phases of rounds: not measured",
        "network: not measured",
    ):
        assert sentence in said


def test_a_run_whose_beginning_is_lost_has_no_network_of_another_time(
    served: tuple[Path, str], tmp_path: Path
) -> None:
    data, port = served
    token = (data / "token").read_text().strip()
    headers = {"Authorization": f"Bearer {token}", **JSON}
    now = [Sample(now_ns(), "network_latency_seconds", 0.25, None, {"link": "s1:s2"})]
    lost = shipment("lost", [trained_round("r-lost", 3, ["a"])], 2, 2)
    for sent in (shipment("now", [batch(now)]), lost):
        content = msgspec.json.encode(sent)
        address = f"http://127.0.0.1:{port}/api/v1/ingest"
        assert httpx.post(address, content=content, headers=headers).status_code == 200
    out = tmp_path / "lost.ipynb"
    done = fedsight(data, "notebook", "r-lost", "-o", str(out), COLLECTOR_PORT=port)
    assert done.returncode == 0, done.stderr
    assert "network: not measured" in text(executed(out))


def test_nodes_whose_names_read_like_numbers_or_nothing_keep_them(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    store = Store(data)
    nodes = ["007", "NA", "null", *(f"n-{at}" for at in range(150))]
    store.send(shipment("r-1", whole_run("r-1", nodes, rounds=1)))
    store.close()
    out = tmp_path / "run.ipynb"
    done = fedsight(data, "notebook", "r-1", "--offline", "-o", str(out), COLLECTOR_PORT="0")
    assert done.returncode == 0, done.stderr
    found = executed(out)
    lines = [line.split()[0] for line in text(found).splitlines() if line.strip()]
    assert {"007", "NA", "null"} <= {*lines}
    assert pictures(found) == 3


def test_data_that_is_there_is_replaced_only_when_asked(trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "run.ipynb"
    (tmp_path / "run.data.zip").write_text("mine")
    flags = ("notebook", "r-", "--offline", "-o", str(out))
    done = fedsight(trained, *flags, COLLECTOR_PORT="0")
    assert done.returncode == 2
    assert "say --force to replace it" in done.stderr
    assert (tmp_path / "run.data.zip").read_text() == "mine"
    nowhere = ("notebook", "r-", "--offline", "-o", str(tmp_path / "none" / "run.ipynb"))
    lost = fedsight(trained, *nowhere, COLLECTOR_PORT="0")
    assert (lost.returncode, lost.stderr.count("\n")) == (1, 1)
    assert "cannot write" in lost.stderr


def test_a_notebook_without_its_collector_says_so(trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "run.ipynb"
    done = fedsight(trained, "notebook", "r-", "-o", str(out), COLLECTOR_PORT="9")
    assert done.returncode == 0
    with pytest.raises(CellExecutionError, match="ClientError"):
        executed(out)


def test_what_a_producer_says_of_itself_is_text(store: Store, tmp_path: Path) -> None:
    evil = 'r-"); import os; [x](javascript:alert(1)) <script>'
    store.send(shipment("j", [begun(evil, [], task="**bold**")]))
    run = store.ask(queries.run, evil, queries.now_ns())
    book = nbformat.reads(assembled(run, "http://x", "x.zip", offline=True), as_version=4)
    assert book.cells[1].source == f"RUN = {evil!r}\nDATA = 'x.zip'"
    assert "<script>" not in book.cells[0].source
    assert "[x](" not in book.cells[0].source
    assert "**bold**" not in book.cells[0].source


def test_equal_runs_give_equal_notebooks(store: Store) -> None:
    store.send(shipment("j", [begun("r-1", [])]))
    run = store.ask(queries.run, "r-1", START)
    assert assembled(run, "u", "d", offline=False) == assembled(run, "u", "d", offline=False)
    kinds = [cell.kind for cell in cells()]
    assert kinds[0] == "parameters"
    assert set(kinds) == {"parameters", "markdown", "code", "online", "offline"}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path)
    yield opened
    opened.close()
