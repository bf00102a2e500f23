"""A journal's promises: order, durability of what was acknowledged, bounded disk."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fedsight.errors import JournalError
from fedsight.journal import Journal, JournalInUseError
from fedsight.signals import Batch, Event, Sample, SampleColumns, Series, batch, samples_of

KILLS = int(os.environ.get("FEDSIGHT_KILLS", "4"))


def a_round(number: int, nodes: int = 3) -> Batch:
    time = 1_763_805_120_000_000_000 + number
    return batch(
        samples=[
            Sample(time, "fl_accuracy", 0.5, number, {"run": "r-1"}),
            *(
                Sample(time, "fl_client_train_loss", 0.1, number, {"run": "r-1", "node": f"c{at}"})
                for at in range(nodes)
            ),
        ],
        events=[Event(time, "federated", "ROUND_COMPLETED", "r-1", number)],
    )


def an_event(kind: str, run: str = "r-1") -> Batch:
    return batch(events=[Event(1, "federated", kind, run)])


def test_sequence_numbers_start_at_one_and_have_no_holes(tmp_path: Path) -> None:
    with Journal(tmp_path, "r-1") as journal:
        assert (journal.last_seq, journal.oldest_seq, journal.shipped_seq) == (0, 1, 0)
        assert [journal.append(a_round(number)) for number in (1, 2, 3)] == [1, 2, 3]
    with Journal(tmp_path, "r-1") as journal:
        assert journal.append(a_round(4)) == 4
        assert [record.seq for record in journal.read(1, 2)] == [2, 3]
        assert journal.read(3, 10)[0].batch == a_round(4)
        assert journal.read(4, 10) == []


def test_read_stops_at_its_size_but_gives_at_least_one_record(tmp_path: Path) -> None:
    with Journal(tmp_path, "r-1") as journal:
        for number in range(5):
            journal.append(a_round(number, nodes=50))
        assert [record.seq for record in journal.read(2, 10, max_bytes=1)] == [3]
        assert len(journal.read(0, 10, max_bytes=10**6)) == 5


def test_a_batch_the_collector_would_refuse_is_refused_at_once(tmp_path: Path) -> None:
    with Journal(tmp_path, "r-1") as journal:
        with pytest.raises(ValueError, match="kind"):
            journal.append(an_event("not a kind!"))
        nan = SampleColumns([Series("fl_accuracy")], [0], [1], [float("nan")], [1])
        with pytest.raises(ValueError, match="value"):
            journal.append(Batch(nan))
        assert journal.append(a_round(1)) == 1


def test_shipped_position_survives_and_can_be_taken_back(tmp_path: Path) -> None:
    with Journal(tmp_path, "r-1") as journal:
        for number in range(4):
            journal.append(a_round(number))
        journal.mark_shipped(9)
        assert journal.shipped_seq == 4
        journal.mark_shipped(2)
    with Journal(tmp_path, "r-1") as journal:
        assert (journal.shipped_seq, journal.waiting) == (2, 2)


def test_shipped_records_go_first_when_room_runs_out(tmp_path: Path) -> None:
    with Journal(tmp_path, "r-1", max_bytes=8_000) as journal:
        for number in range(10):
            journal.append(a_round(number))
            journal.mark_shipped(journal.last_seq)
        for number in range(10, 18):
            journal.append(a_round(number))
        assert journal.oldest_seq > 1
        assert journal.oldest_seq <= journal.shipped_seq + 1
        unshipped = journal.read(journal.shipped_seq, 100)
        assert [record.seq for record in unshipped] == list(range(11, 19))
        assert all(len(record.batch.samples) == 4 for record in unshipped)


def test_samples_of_nodes_go_next_and_rounds_and_events_stay(tmp_path: Path) -> None:
    with Journal(tmp_path, "r-1", max_bytes=20_000) as journal:
        journal.append(an_event("RUN_STARTED"))
        for number in range(1, 41):
            journal.append(a_round(number, nodes=20))
        records = [record.batch for record in journal.read(0, 1000)]
    kept = [sample for one in records for sample in samples_of(one.samples)]
    of_rounds = [sample.round for sample in kept if "node" not in sample.labels]
    events = [event for one in records for event in one.events]
    completed = [event.round for event in events if event.kind == "ROUND_COMPLETED"]
    notices = [event for event in events if event.kind == "SAMPLES_DROPPED"]
    assert of_rounds == completed == list(range(1, 41))
    gone = 40 * 20 - (len(kept) - len(of_rounds))
    assert gone > 0
    assert sum(event.details["samples"] for event in notices) == gone
    assert {event.run for event in notices} == {"r-1"}


def test_records_taken_back_can_lose_their_samples_again(tmp_path: Path) -> None:
    with Journal(tmp_path, "r-1", max_bytes=20_000) as journal:
        for number in range(3):
            journal.append(a_round(number, nodes=20))
        journal.mark_shipped(3)
        journal.mark_shipped(0)
        for number in range(3, 13):
            journal.append(a_round(number, nodes=20))
        first = journal.read(0, 1)[0].batch
    assert {sample.labels.get("node") for sample in samples_of(first.samples)} == {None}


def test_the_file_stays_within_its_bound(tmp_path: Path) -> None:
    bound = 300_000
    with Journal(tmp_path, "r-1", max_bytes=bound) as journal:
        for number in range(600):
            journal.append(a_round(number, nodes=40))
            journal.mark_shipped(journal.last_seq)
        assert journal.last_seq == 600
    assert journal.path.stat().st_size < bound * 1.3


def test_numbers_go_on_after_everything_was_dropped(tmp_path: Path) -> None:
    with Journal(tmp_path, "r-1", max_bytes=1_500) as journal:
        for number in range(20):
            journal.append(a_round(number))
            journal.mark_shipped(journal.last_seq)
    with Journal(tmp_path, "r-1") as journal:
        assert journal.append(a_round(21)) == 21


def test_open_runs_are_those_started_and_not_ended(tmp_path: Path) -> None:
    with Journal(tmp_path, "r-1") as journal:
        journal.append(an_event("RUN_STARTED"))
        journal.append(an_event("RUN_STARTED", "r-2"))
        journal.append(an_event("RUN_ENDED"))
    with Journal(tmp_path, "r-1") as journal:
        assert journal.open_runs == {"r-2"}
        journal.append(an_event("RUN_ENDED", "r-2"))
        assert journal.open_runs == set()


def test_a_journal_has_one_owner(tmp_path: Path) -> None:
    with (
        Journal(tmp_path, "r-1"),
        pytest.raises(JournalInUseError, match=r"r-1\.sqlite is in use"),
    ):
        Journal(tmp_path, "r-1", wait=0.05)
    Journal(tmp_path, "r-1", wait=0).close()


@pytest.mark.parametrize("journal_id", ["", "../x", "a/b", ".hidden", "x" * 200])
def test_an_id_is_no_path(tmp_path: Path, journal_id: str) -> None:
    with pytest.raises(ValueError, match="journal id must match"):
        Journal(tmp_path, journal_id)


def test_appends_of_many_threads_each_get_their_own_number(tmp_path: Path) -> None:
    with Journal(tmp_path, "r-1") as journal:
        got: list[int] = []

        def work() -> None:
            got.extend(journal.append(a_round(number)) for number in range(50))

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(got) == list(range(1, 201))


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    with pytest.raises(JournalError, match=r"data/journals/r-1\.sqlite"):
        Journal(tmp_path / "data" / "journals", "r-1")


def test_a_file_that_is_no_journal_is_named_and_left_alone(tmp_path: Path) -> None:
    damaged = tmp_path / "r-1.sqlite"
    damaged.write_bytes(b"not a database" * 100)
    with pytest.raises(JournalError, match=r"r-1\.sqlite: file is not a database"):
        Journal(tmp_path, "r-1")
    assert damaged.read_bytes() == b"not a database" * 100


FULL_DISK = """
import resource, sys
from pathlib import Path
from fedsight.errors import JournalError
from fedsight.journal import Journal
from tests.journal.test_file import a_round
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
journal = Journal(Path(sys.argv[1]), "r-1")
try:
    while True:
        print(journal.append(a_round(1, nodes=50)), flush=True)
except JournalError as error:
    print(error, flush=True)
"""


def test_a_full_disk_is_one_sentence_and_loses_nothing(tmp_path: Path) -> None:
    child = subprocess.run(
        [sys.executable, "-c", FULL_DISK, tmp_path], capture_output=True, text=True, check=True
    )
    *acknowledged, sentence = child.stdout.splitlines()
    assert str(tmp_path / "r-1.sqlite") in sentence
    with Journal(tmp_path, "r-1") as journal:
        assert journal.last_seq == int(acknowledged[-1]) > 3
        assert len(journal.read(0, 10_000)) == journal.last_seq


APPENDING = """
import sys
from pathlib import Path
from fedsight.journal import Journal
from tests.journal.test_file import a_round
with Journal(Path(sys.argv[1]), "r-1", max_bytes=10**9) as journal:
    number = journal.last_seq
    while True:
        number += 1
        print(journal.append(a_round(number)), flush=True)
"""


def appended_until_killed(folder: Path, lines: int) -> list[int]:
    """Sequence numbers that the child acknowledged before it was killed."""
    command = [sys.executable, "-c", APPENDING, folder]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        got = [int(child.stdout.readline()) for _ in range(lines)]
        child.send_signal(signal.SIGKILL)
        return got + [int(line) for line in child.stdout if line.endswith("\n")]


@pytest.mark.slow
def test_what_was_acknowledged_survives_a_kill_exactly_once(tmp_path: Path) -> None:
    random_lines = random.Random(7)
    acknowledged: list[int] = []
    for _ in range(KILLS):
        acknowledged += appended_until_killed(tmp_path, random_lines.randint(1, 400))
        with Journal(tmp_path, "r-1", max_bytes=10**9) as journal:
            records = journal.read(0, 10**6, max_bytes=10**9)
        assert [record.seq for record in records] == list(range(1, len(records) + 1))
        rounds = [record.batch.events[0].round for record in records]
        assert rounds == [record.seq for record in records]
        assert set(acknowledged) <= set(rounds)
        assert len(acknowledged) == len(set(acknowledged))


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    with Journal(tmp_path, "r-1") as journal:
        journal.append(a_round(1))
        journal.append(a_round(2))
    with sqlite3.connect(tmp_path / "r-1.sqlite") as database:
        database.execute("UPDATE record SET body = ? WHERE seq = 2", (b'{"samples": 1',))
    database.close()
    with (
        Journal(tmp_path, "r-1") as journal,
        pytest.raises(JournalError, match=r"r-1\.sqlite: record 2 is damaged"),
    ):
        journal.read(0, 10)


INTERRUPTED = """
import signal, sys, threading
from pathlib import Path
from fedsight.journal import Journal
from tests.journal.test_file import a_round
journal = Journal(Path(sys.argv[1]), "r-1")
signal.signal(signal.SIGALRM, signal.default_int_handler)
acknowledged, interruptions = [], 0
while interruptions < 200:
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.00005 + 0.000003 * interruptions)
        while True:
            acknowledged.append(journal.append(a_round(1)))
    except KeyboardInterrupt:
        interruptions += 1
journal.append(a_round(2))
assert len(acknowledged) == len(set(acknowledged)) > 0
assert [record.seq for record in journal.read(0, 10**6)] == list(range(1, journal.last_seq + 1))
"""


def test_an_append_cut_off_by_ctrl_c_does_no_harm(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", INTERRUPTED, tmp_path], check=True, timeout=60)


def test_who_waited_for_a_removed_journal_owns_the_new_one(tmp_path: Path) -> None:
    first = Journal(tmp_path, "r-1")
    first.append(a_round(1))
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(Journal, tmp_path, "r-1", wait=10)
        while not waiting.running():
            time.sleep(0.01)
        time.sleep(0.1)
        first.remove()
        with waiting.result(10) as second:
            assert second.last_seq == 0
            with pytest.raises(JournalInUseError):
                Journal(tmp_path, "r-1", wait=0)


def test_a_journal_without_records_can_be_discarded(tmp_path: Path) -> None:
    Journal(tmp_path, "r-1").discard()
    assert list(tmp_path.iterdir()) == []
    with Journal(tmp_path, "r-2") as journal:
        journal.append(a_round(1))
    journal.discard()
    assert journal.path.exists()
