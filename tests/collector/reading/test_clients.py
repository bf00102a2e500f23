from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fedsight.collector.reading.clients import (
    CLIENT_FIELDS,
    ClientFilter,
    client_page,
    client_table,
    ranked,
)
from fedsight.collector.reading.columns import figure_column, text_column
from fedsight.collector.store.samples import HotSampleReader
from fedsight.signals import Event, Sample, batch
from tests.collector.open_store import Store
from tests.collector.shipments import START, shipment, started, trained

DENSE = st.lists(st.integers(0, 50), max_size=50)
SPARSE = st.lists(st.integers(0, 10**14), max_size=50)


@given(st.one_of(DENSE, SPARSE))
def test_ranks_are_places_among_the_distinct(keys: list[int]) -> None:
    distinct, place = ranked(np.array(keys, np.int64))
    assert distinct.tolist() == sorted(set(keys))
    assert distinct[place].tolist() == keys


def test_a_client_that_was_only_sent_a_model_has_no_known_status(store: Store) -> None:
    labels = {"run": "r-1", "node": "a"}
    sent = Sample(START, "fl_client_payload_down_bytes", 100.0, 1, labels)
    store.send(shipment("j", [started("r-1", ["a"]), batch([sent])]))
    table = store.ask(client_table, "r-1", ClientFilter(), ("payload_down_bytes",))
    assert table.status.tolist() == [-1]
    assert table.figures["payload_down_bytes"].tolist() == [100.0]


def test_a_figure_that_came_twice_is_the_later_one(store: Store) -> None:
    labels = {"run": "r-1", "node": "a"}
    twice = [Sample(START, "fl_client_train_loss", value, 1, labels) for value in (2.0, 1.0)]
    store.send(shipment("j", [started("r-1", ["a"]), batch(twice)]))
    table = store.ask(client_table, "r-1", ClientFilter(), ("train_loss",))
    assert table.figures["train_loss"].tolist() == [1.0]


def test_samples_of_two_runs_in_one_record_are_told_apart(store: Store) -> None:
    both = [
        Sample(START + n, "fl_client_train_loss", float(n), 1, {"run": f"r-{n}", "node": "a"})
        for n in (1, 2)
    ]
    store.send(shipment("j", [batch(both)]))
    for n in (1, 2):
        table = store.ask(client_table, f"r-{n}", ClientFilter(), ("train_loss",))
        assert table.figures["train_loss"].tolist() == [float(n)]


def test_pages_of_clients_join_to_the_whole(store: Store) -> None:
    rounds = [trained("r-1", n, ["a", "b", "c"]) for n in range(1, 4)]
    store.send(shipment("j", [started("r-1", ["c", "b", "a"]), *rounds]))

    def page(limit: int, offset: int) -> list[object]:
        which = ClientFilter(limit=limit, offset=offset)
        table = store.ask(client_table, "r-1", which, CLIENT_FIELDS)
        assert table.total == 9
        return list(client_page(table).clients)

    whole = page(100, 0)
    assert [row for at in range(0, 9, 2) for row in page(2, at)] == whole
    assert page(5, 100) == []


def test_a_page_read_in_windows_is_the_page_read_whole(store: Store) -> None:
    nodes = ["a", "b", "c"]
    unnamed = Event(START, "federated", "CLIENT_SILENT", "r-1", 4, "z", {"message": "gone"})
    labels = {"run": "r-1", "node": "y"}
    # One record that reaches across rounds, so that no window may end among them.
    across = batch(
        [Sample(START, "fl_client_samples", 5.0, n, labels) for n in (6, 8)], events=[unnamed]
    )
    rounds = [trained("r-1", n, nodes) for n in range(1, 11)]
    store.send(shipment("j", [started("r-1", nodes), *rounds, across]))
    samples = store.ask(lambda db: HotSampleReader(db).windows("r-1", 1, 10, 30))
    assert samples[0][0] == 1
    assert samples[-1][1] == 10
    assert len(samples) > 3
    assert not any(6 <= last < 8 for _, last in samples)
    for offset, limit in ((0, 100), (4, 9), (20, 100), (33, 1), (100, 5)):
        which = ClientFilter(limit=limit, offset=offset)
        whole = store.ask(client_table, "r-1", which, CLIENT_FIELDS)
        parted = store.ask(client_table, "r-1", which, CLIENT_FIELDS, window=30)
        assert client_page(parted) == client_page(whole)
        assert parted.total == 33


def test_a_count_is_whole_and_what_is_missing_is_none() -> None:
    assert figure_column("samples", np.array([3.0, np.nan])) == [3, None]
    assert figure_column("train_loss", np.array([3.5, np.nan])) == [3.5, None]
    assert figure_column("samples", np.array([])) == []


def test_text_is_coded_in_the_order_it_comes() -> None:
    column = text_column(["b", None, "a", "b"])
    assert (column.dictionary, column.index) == (["b", "a"], [0, None, 1, 0])
