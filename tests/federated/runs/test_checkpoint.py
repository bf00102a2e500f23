from __future__ import annotations

import json
import resource
import tracemalloc
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from fedsight.errors import FedsightError, UsageError
from fedsight.federated.plan import AlgorithmPlan, Plan, RoundPlan, SelectionPlan
from fedsight.federated.rounds.control import Control
from fedsight.federated.runs.checkpoint import (
    Checkpoint,
    Checkpoints,
    changes,
    resumption,
)
from fedsight.federated.runs.state import State, joined, part
from fedsight.federated.training import Outcome, RoundReport, Steering, train
from fedsight.federated.versions import ModelStore, RunKeeper
from fedsight.journal import Journal
from fedsight.signals import Batch, Event

SMALL = Plan(task="digits", nodes=5, rounds=4, fraction=0.6, epochs=1)


def one(**more: Any) -> Checkpoint:
    state = State({"rounds/empty": 0, "text": "ü"}, {"m/v": np.arange(3, dtype=np.float64)})
    event = Event(1, "federated", "ROUND_COMPLETED", "r-1", 2)
    model = np.array([0.1, -0.0, 3e38], np.float32)
    return replace(
        Checkpoint("r-1", 2, SMALL.config(), model, state, Batch(events=[event])), **more
    )


def test_what_is_written_is_read_back_to_the_last_bit(tmp_path: Path) -> None:
    store = Checkpoints(tmp_path / "new")
    store.write(one())
    found = store.read("r-1")
    assert found.model.tobytes() == one().model.tobytes()
    assert (found.run, found.round, found.plan) == ("r-1", 2, SMALL.config())
    assert found.state.facts == one().state.facts
    assert found.state.arrays["m/v"].tolist() == [0.0, 1.0, 2.0]
    assert found.record == one().record


@given(
    arrays(
        st.sampled_from([np.float32, np.float64, np.int64, np.uint8]),
        array_shapes(min_dims=1, max_dims=2, min_side=0, max_side=4),
    ),
    st.text(max_size=9),
)
def test_any_state_is_read_back(array: np.ndarray[Any, Any], text: str) -> None:
    with TemporaryDirectory() as folder:
        store = Checkpoints(Path(folder))
        store.write(one(state=State({"text": text}, {"odd": np.zeros(1, np.uint8), "a": array})))
        found = store.read("r-1").state
    assert found.facts == {"text": text}
    assert (found.arrays["a"].dtype, found.arrays["a"].shape) == (array.dtype, array.shape)
    assert found.arrays["a"].tobytes() == array.tobytes()


def test_what_lies_in_a_file_is_written_without_being_held_in_memory(tmp_path: Path) -> None:
    with TemporaryFile(dir=tmp_path) as file:
        file.truncate(2**26)
        lying = np.memmap(file, np.float32, "r", shape=(2**24,))
    tracemalloc.start()
    Checkpoints(tmp_path).write(one(state=State({}, {f"c{at}": lying for at in range(4)})))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 2**24


def test_a_newer_one_replaces_it_whole_and_leaves_nothing_else(tmp_path: Path) -> None:
    store = Checkpoints(tmp_path)
    store.write(one())
    store.write(one(round=3))
    assert store.read("r-1").round == 3
    assert [path.name for path in tmp_path.iterdir()] == ["r-1.safetensors"]
    assert store.runs() == ["r-1"]
    store.remove("r-1")
    assert store.runs() == []
    store.remove("r-1")


def test_a_run_without_one_is_refused_and_told_what_there_is(tmp_path: Path) -> None:
    store = Checkpoints(tmp_path)
    with pytest.raises(UsageError, match=r"run r-9 has no checkpoint in .*; no run was cut off"):
        store.read("r-9")
    store.write(one())
    with pytest.raises(UsageError, match="there are r-1"):
        store.read("r-9")


@pytest.mark.parametrize("name", ["../r-1", "a/b", "", ".hidden", "x" * 200])
def test_no_name_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="a run's name must match"):
        Checkpoints(tmp_path).read(name)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    store = Checkpoints(tmp_path)
    store.write(one())
    path = store.path("r-1")
    whole = path.read_bytes()
    for broken in (b"", b"garbage", whole[: len(whole) // 2], whole.replace(b"r-1", b"r-2")):
        path.write_bytes(broken)
        with pytest.raises(UsageError, match=r"r-1.safetensors cannot be read"):
            store.read("r-1")


def test_a_full_disk_leaves_the_one_before(tmp_path: Path) -> None:
    store = Checkpoints(tmp_path)
    store.write(one())
    (tmp_path / ".r-1.safetensors.part").mkdir()
    with pytest.raises(FedsightError, match="cannot write the checkpoint"):
        store.write(one(round=3))
    assert store.read("r-1").round == 2


def test_what_could_not_be_written_whole_takes_no_room(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))  # as where the disk is full
    try:
        with pytest.raises(FedsightError, match="File too large"):
            Checkpoints(tmp_path).write(one(model=np.zeros(100_000, np.float32)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_changes_are_named_by_their_keys() -> None:
    assert changes(SMALL.config(), {"lr": 0.05, "rounds": 4}) == []
    found = changes(SMALL.config(), {"lr": 0.1, "server_lr": 2.0})
    assert found == ["lr: 0.05 -> 0.1", "server_lr: None -> 2.0"]


@pytest.mark.parametrize("told", [False, True])
def test_the_journal_says_whether_the_round_was_told(tmp_path: Path, told: bool) -> None:
    with Journal(tmp_path, "r-1") as journal:
        journal.append(Batch(events=[Event(1, "federated", "ROUND_COMPLETED", "r-1", 1)]))
        if told:
            journal.append(one().record)
        assert resumption(one(), journal).told == (one().round if told else 1)


@pytest.mark.parametrize(("before", "after", "length"), [(0, 450, 1), (30, 0, 400_000)])
def test_a_round_that_was_told_is_found_behind_many_events_and_large_ones(
    tmp_path: Path, before: int, after: int, length: int
) -> None:
    said = Event(1, "federated", "NODE_SILENT", "r-1", 1, "a", {"message": "x" * length})
    with Journal(tmp_path, "r-1") as journal:
        for batch in [*[Batch(events=[said])] * before, one().record]:
            journal.append(batch)
        for _ in range(after):
            journal.append(Batch(events=[said]))
        assert resumption(one(), journal).told == one().round


def test_states_nest() -> None:
    inner = joined({"a": State({"x": 1}, {"v": np.zeros(1)}), "b": State({"x": 2})})
    outer = joined({"in": inner, "other": State()})
    assert json.dumps(dict(outer.facts)) == '{"in/a/x": 1, "in/b/x": 2}'
    assert part(part(outer, "in"), "a").facts == {"x": 1}
    assert list(part(part(outer, "in"), "a").arrays) == ["v"]
    assert part(outer, "nothing") == State()


def trained(
    folder: Path, plan: Plan, name: str, *, stop_after: int = 0, resume: Checkpoint | None = None
) -> tuple[Outcome, list[RoundReport]]:
    """A run with a journal, models and checkpoints, stopped after some round or not."""
    control, reports = Control(), list[RoundReport]()

    def on_round(report: RoundReport) -> None:
        reports.append(report)
        if report.round == stop_after:
            control.stop("cut off")

    keeper = RunKeeper(ModelStore(folder / "models"), "r-1", plan.task, 9)
    with Journal(folder / name, "r-1") as journal:
        if resume is not None:
            keeper.go_on_from(resume.round)
        outcome = train(
            plan,
            journal,
            run_id="r-1",
            steering=Steering(control=control, on_round=on_round),
            models=keeper,
            checkpoints=Checkpoints(folder / "checkpoints"),
            resume=None if resume is None else resumption(resume, journal),
        )
    return outcome, reports


ALGORITHMS = ["fedavg", "fedavgm", "fedadam", "fedyogi", "fedadagrad", "fedprox", "scaffold"]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_resumed_run_ends_with_the_bits_of_one_that_was_not_cut_off(
    tmp_path: Path, algorithm: str
) -> None:
    plan = replace(SMALL, algorithm=AlgorithmPlan(algorithm))
    whole, _ = trained(tmp_path / "whole", plan, "journals")
    cut, _ = trained(tmp_path, plan, "journals", stop_after=2)
    assert (cut.state, cut.reason, cut.rounds) == ("stopped", "cut off", 2)
    found = Checkpoints(tmp_path / "checkpoints").read("r-1")
    assert (found.round, Plan.of(found.plan)) == (2, plan)
    resumed, reports = trained(tmp_path, plan, "journals", resume=found)
    assert [report.round for report in reports] == [3, 4]
    assert resumed.model_sha256 == whole.model_sha256
    assert (resumed.bytes_up, resumed.bytes_down) == (whole.bytes_up, whole.bytes_down)
    assert Checkpoints(tmp_path / "checkpoints").runs() == []
    versions = sorted(str(one.name) for one in ModelStore(tmp_path / "models").scan().versions)
    assert versions == ["r-1/1", "r-1/2", "r-1/3", "r-1/4"]


@pytest.mark.parametrize(
    "selection",
    [
        SelectionPlan("performance", explore=0.5),
        SelectionPlan("random", fair_rounds=3),
        SelectionPlan("performance", metric="accuracy", fair_rounds=4),
    ],
)
def test_a_resumed_run_chooses_the_nodes_it_would_have_chosen(
    tmp_path: Path, selection: SelectionPlan
) -> None:
    plan = replace(SMALL, rounds=6, selection=selection)
    whole, _ = trained(tmp_path / "whole", plan, "journals")
    trained(tmp_path, plan, "journals", stop_after=3)
    found = Checkpoints(tmp_path / "checkpoints").read("r-1")
    resumed, _ = trained(tmp_path, plan, "journals", resume=found)
    assert resumed.model_sha256 == whole.model_sha256


def test_a_round_whose_checkpoint_could_not_be_written_is_told_once(tmp_path: Path) -> None:
    plan = replace(SMALL, rounds=3)
    whole, _ = trained(tmp_path / "whole", plan, "journals")
    trained(tmp_path, plan, "journals", stop_after=1)
    draft = tmp_path / "checkpoints" / ".r-1.safetensors.part"
    draft.mkdir()
    found = Checkpoints(tmp_path / "checkpoints").read("r-1")
    failed, _ = trained(tmp_path, plan, "journals", resume=found)
    assert failed.state == "failed"
    assert "cannot write the checkpoint" in (failed.reason or "")
    draft.rmdir()
    resumed, _ = trained(tmp_path, plan, "journals", resume=found)
    assert resumed.model_sha256 == whole.model_sha256
    with Journal(tmp_path / "journals", "r-1") as journal:
        events = [one for record in journal.read(0, 99) for one in record.batch.events]
    assert [one.round for one in events if one.kind == "ROUND_COMPLETED"] == [1, 2, 3]


@pytest.mark.parametrize("lost", [False, True])
def test_a_round_that_was_kept_and_not_told_is_told_on_resume_once(
    tmp_path: Path, lost: bool
) -> None:
    trained(tmp_path, SMALL, "journals", stop_after=2)
    found = Checkpoints(tmp_path / "checkpoints").read("r-1")
    folder = "other" if lost else "journals"
    trained(tmp_path, SMALL, folder, resume=found)
    with Journal(tmp_path / folder, "r-1") as journal:
        events = [one for record in journal.read(0, 99) for one in record.batch.events]
    told = [event.round for event in events if event.kind == "ROUND_COMPLETED"]
    assert told == ([2, 3, 4] if lost else [1, 2, 3, 4])
    (continued,) = (event for event in events if event.kind == "RUN_CONTINUED")
    assert continued.details == {"from_round": 2, "rounds": 4}


def test_models_of_rounds_after_the_checkpoint_are_made_anew(tmp_path: Path) -> None:
    trained(tmp_path, SMALL, "journals", stop_after=2)
    found = Checkpoints(tmp_path / "checkpoints").read("r-1")
    whole, _ = trained(tmp_path / "whole", SMALL, "journals")
    ahead = RunKeeper(ModelStore(tmp_path / "models"), "r-1", "digits", 9)
    ahead.go_on_from(2)
    assert str(ahead.latest) == "r-1/2"
    resumed, _ = trained(tmp_path, SMALL, "journals", resume=found)
    assert resumed.model_sha256 == whole.model_sha256


def test_a_checkpoint_of_another_model_is_refused_before_anything_is_said(tmp_path: Path) -> None:
    trained(tmp_path, SMALL, "journals", stop_after=2)
    found = Checkpoints(tmp_path / "checkpoints").read("r-1")
    with pytest.raises(UsageError, match=r"has 2410 values, that of task mnist .* has changed"):
        trained(tmp_path, replace(SMALL, task="mnist"), "fresh", resume=found)


def test_an_asynchronous_run_is_resumed_from_the_last_model_it_made(tmp_path: Path) -> None:
    plan = replace(SMALL, closing=RoundPlan(mode="async", buffer=2))
    trained(tmp_path, plan, "journals", stop_after=2)
    found = Checkpoints(tmp_path / "checkpoints").read("r-1")
    resumed, reports = trained(tmp_path, plan, "journals", resume=found)
    assert resumed.state == "finished"
    assert [report.round for report in reports] == [3, 4]
