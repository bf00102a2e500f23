"""A run's clients are the same, and as quickly there, once its samples are sealed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fedsight.collector.reading import clients, queries
from fedsight.collector.reading.clients import CLIENT_FIELDS, ClientFilter, client_page
from fedsight.collector.reading.rows import ClientPage
from fedsight.collector.store.samples import run_samples
from tests.collector.shipments import shipment, trained, whole_run
from tests.collector.store.kept_store import KeptStore

NODES = ["b", "a", "ü"]
PAGES = [
    ClientFilter(),
    ClientFilter(from_round=3, to_round=5),
    ClientFilter(node="a"),
    ClientFilter(limit=4, offset=5),
]


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[KeptStore]:
    opened = KeptStore(tmp_path)
    yield opened
    opened.close()


def pages(kept: KeptStore) -> list[ClientPage]:
    """Read whole, and a window of a few samples at a time."""
    return [
        client_page(
            kept.store.ask(clients.client_table, "r-1", which, CLIENT_FIELDS, window=window)
        )
        for which in PAGES
        for window in (7, 2_000_000)
    ]


def test_clients_are_the_same_wherever_their_samples_are(kept: KeptStore, tmp_path: Path) -> None:
    records = whole_run("r-1", NODES, 8)
    kept.store.send(shipment("j-2", whole_run("r-2", ["other"], 3)))
    kept.store.send(shipment("j-1", records[:4]))
    kept.upkeep.seal()
    kept.store.send(shipment("j-1", records[4:6], 5))
    kept.upkeep.seal()
    kept.store.send(shipment("j-1", records[6:], 7))
    mixed = pages(kept)
    kept.upkeep.compact()
    assert pages(kept) == mixed
    (tmp_path / "hot").mkdir()
    hot = KeptStore(tmp_path / "hot")
    hot.store.send(shipment("j-1", records))
    assert pages(hot) == mixed
    hot.close()


def test_a_figure_that_came_again_counts_across_files(kept: KeptStore) -> None:
    kept.store.send(shipment("j-1", [trained("r-1", 1, ["a"])]))
    kept.upkeep.seal()
    kept.store.send(shipment("j-2", [trained("r-1", 1, ["a", "b"])]))
    found = kept.store.ask(lambda store: run_samples(store).of_run("r-1", 1, 1))
    assert len(found.value) == len(found.series) == len(found.round)
    page = client_page(kept.store.ask(clients.client_table, "r-1", ClientFilter(), CLIENT_FIELDS))
    assert [(row.node, row.train_seconds) for row in page.clients] == [("a", 0.1), ("b", 0.2)]


def test_windows_cover_the_rounds_and_hold_about_as_many_samples(kept: KeptStore) -> None:
    records = whole_run("r-1", NODES, 10)
    kept.store.send(shipment("j-1", records[:7]))
    kept.upkeep.seal()
    kept.store.send(shipment("j-1", records[7:], 8))
    found = kept.store.ask(lambda store: run_samples(store).windows("r-1", 1, 10, 45))
    assert [first for first, _ in found] == [1, *(last + 1 for _, last in found[:-1])]
    assert found[-1][1] == 10
    assert len(found) == 5


def test_all_samples_are_counted(kept: KeptStore) -> None:
    kept.store.send(shipment("j-1", whole_run("r-1", NODES, 4)))
    before = kept.store.ask(queries.counts)
    kept.upkeep.seal()
    assert kept.store.ask(queries.counts) == before
