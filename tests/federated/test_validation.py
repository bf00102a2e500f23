"""Runs whose nodes have data of their own and say how good a model is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from flwr.app import Error, Message, MessageType, MetricRecord, RecordDict
from safetensors import safe_open

from fedsight.errors import UsageError
from fedsight.federated import validation
from fedsight.federated.node.personal import MOST_KEPT
from fedsight.federated.observation import Validation
from fedsight.federated.plan import PersonalPlan, Plan, RoundPlan
from fedsight.federated.runs.checkpoint import Checkpoints, resumption
from fedsight.federated.training import Outcome, RoundReport, Steering, train
from fedsight.federated.validation import mean, validation_of
from fedsight.journal import Journal
from fedsight.signals import samples_of
from tests.federated import placed
from tests.federated.test_training import Kept

TASK = "tests.federated.placed:TARGETS"


def plan(data: Path, nodes: int, **more: object) -> Plan:
    """Of every node one epoch, half the way to its target."""
    known: dict[str, object] = {
        "task": TASK,
        "partition": "own",
        "data": str(data),
        "nodes": nodes,
        "rounds": 3,
        "lr": 0.5,
        "epochs": 1,
    }
    return Plan(**{**known, **more})  # type: ignore[arg-type]


def run(given: Plan, kept: Path | None = None) -> tuple[Outcome, Kept, list[RoundReport]]:
    recorder, reports = Kept(), list[RoundReport]()
    steering = Steering(on_round=reports.append)
    outcome = train(given, recorder, run_id="r-own", steering=steering, kept=kept)
    return outcome, recorder, reports


def figures(recorder: Kept, name: str) -> dict[tuple[str | None, int | None], float]:
    """A metric's values by node and round."""
    return {
        (one.labels.get("node"), one.round): one.value
        for batch in recorder.batches
        for one in samples_of(batch.samples)
        if one.name == name
    }


def test_a_rounds_loss_is_the_mean_of_what_the_nodes_find(tmp_path: Path) -> None:
    data = placed.folder(tmp_path, near=1.0, far=3.0)
    outcome, recorder, reports = run(plan(data, 2))
    # The weight goes halfway to the mean of 2: 1, 1.5, 1.75; one node is below it, one above.
    assert [report.loss for report in reports] == pytest.approx([1.0, 1.0, 1.0])
    assert [report.accuracy for report in reports] == [None] * 3
    assert reports[-1].figures == pytest.approx({"distance": 1.0, "squared": 1.0625})
    assert outcome.loss == pytest.approx(1.0)
    assert outcome.accuracy is None
    assert figures(recorder, "fl_eval_squared")[None, 1] == pytest.approx(2.0)
    assert figures(recorder, "fl_client_eval_loss")["far", 1] == pytest.approx(2.0)
    assert figures(recorder, "fl_client_eval_loss")["near", 3] == pytest.approx(0.75)
    assert figures(recorder, "fl_accuracy") == {}
    assert figures(recorder, "fl_eval_unasked") == {}


def test_nodes_are_called_as_their_data_and_more_than_there_is_data_of_are_refused(
    tmp_path: Path,
) -> None:
    data = placed.folder(tmp_path, a=1.0, b=2.0, c=3.0)
    _, recorder, _ = run(plan(data, 2, rounds=1))
    (started,) = [
        one for batch in recorder.batches for one in batch.events if one.kind == "RUN_STARTED"
    ]
    assert started.details["nodes"] == ["a", "b"]
    with pytest.raises(UsageError, match=r"nodes is 4, but .* has data of 3: a, b, c"):
        run(plan(data, 4))


def test_the_best_round_is_the_one_of_least_loss(tmp_path: Path) -> None:
    """Each round leaves a tenth of the way."""
    data = placed.folder(tmp_path, only=2.0)
    outcome, _, reports = run(plan(data, 1, lr=0.9, rounds=3))
    assert [report.loss for report in reports] == pytest.approx([0.2, 0.02, 0.002], rel=1e-3)
    assert outcome.best_round == 3


def test_nodes_keep_a_model_of_their_own_only_where_it_is_better(tmp_path: Path) -> None:
    data = placed.folder(tmp_path / "data", near=1.75, far=3.0, low=0.5)
    wanted = PersonalPlan(personal=True, personal_epochs=1, personal_lr=1.0)
    # The mean target is 1.75, the weight 1.53125 after three rounds: tuning is exact on each node.
    outcome, recorder, _ = run(plan(data, 3, tuned=wanted), tmp_path / "kept")
    found = outcome.personal
    assert found is not None
    assert (found.round, found.kept, dict(found.failed)) == (outcome.best_round, 3, {})
    assert found.after["loss"] == pytest.approx(0.0)
    assert figures(recorder, "fl_personal_after_loss")["far", found.round] == pytest.approx(0.0)
    with safe_open(tmp_path / "kept" / "far" / "r-own.safetensors", framework="numpy") as file:
        assert file.get_tensor("weight").tolist() == [[3.0, 3.0]]
        assert file.get_tensor("own/target").tolist() == [3.0]
        said = json.loads(file.metadata()["fedsight"])
    assert (said["node"], said["run"], said["round"]) == ("far", "r-own", found.round)
    assert said["after"]["loss"] == 0.0
    assert "MODELS_PERSONALISED" in recorder.kinds()


def test_a_task_that_tunes_itself_says_what_is_kept(tmp_path: Path) -> None:
    data = placed.folder(tmp_path / "data", high=3.0, low=0.5)
    wanted = PersonalPlan(personal=True, personal_epochs=1, personal_lr=1.0)
    given = plan(data, 2, tuned=wanted, task="tests.federated.placed:CHOOSING")
    outcome, recorder, _ = run(given, tmp_path / "kept")
    assert outcome.personal is not None
    assert outcome.personal.kept == 1
    kept = figures(recorder, "fl_personal_kept")
    assert {node: value for (node, _), value in kept.items()} == {"high": 1.0, "low": 0.0}
    with safe_open(tmp_path / "kept" / "high" / "r-own.safetensors", framework="numpy") as file:
        assert file.get_tensor("weight").tolist() == [[3.0, 3.0]]
    assert not list((tmp_path / "kept").glob("low/*"))


def test_a_model_that_is_no_better_is_not_kept_and_an_older_one_of_the_run_goes(
    tmp_path: Path,
) -> None:
    data, kept = placed.folder(tmp_path / "data", only=2.0), tmp_path / "kept"
    (kept / "only").mkdir(parents=True)
    (kept / "only" / "r-own.safetensors").write_bytes(b"of an attempt before")
    worse = PersonalPlan(personal=True, personal_epochs=1, personal_lr=3.0)
    outcome, recorder, _ = run(plan(data, 1, tuned=worse), kept)
    assert outcome.personal is not None
    assert outcome.personal.kept == 0
    assert outcome.personal.after == outcome.personal.before
    assert figures(recorder, "fl_personal_kept") == {("only", outcome.personal.round): 0.0}
    assert list((kept / "only").iterdir()) == []


def test_of_a_node_the_newest_models_are_kept(tmp_path: Path) -> None:
    data, kept = placed.folder(tmp_path / "data", only=2.0), tmp_path / "kept"
    (kept / "only").mkdir(parents=True)
    for number in range(MOST_KEPT):
        (kept / "only" / f"r-{number}.safetensors").write_bytes(b"old")
    wanted = PersonalPlan(personal=True, personal_lr=0.9)
    run(plan(data, 1, tuned=wanted), kept)
    names = {path.name for path in (kept / "only").iterdir()}
    assert len(names) == MOST_KEPT
    assert "r-own.safetensors" in names
    assert "r-0.safetensors" not in names


def test_only_a_task_validated_on_its_nodes_can_be_personal() -> None:
    with pytest.raises(UsageError, match="task digits is not validated on its nodes"):
        train(Plan(task="digits", tuned=PersonalPlan(personal=True)), Kept(), run_id="r-x")


def test_a_node_whose_data_cannot_be_read_fails_alone_and_is_named(tmp_path: Path) -> None:
    data = placed.folder(tmp_path, a=1.0)
    (tmp_path / "b.txt").write_text("warm")
    outcome, recorder, reports = run(plan(data, 2, rounds=1))
    assert outcome.state == "finished"
    assert any("b: ValueError: could not convert" in one for one in reports[0].failures)
    assert any("b: did not validate: ValueError" in one for one in reports[0].failures)
    assert "EVALUATION_FAILED" in recorder.kinds()
    assert reports[0].loss == pytest.approx(0.5)


def test_asynchronous_rounds_are_validated_by_nodes_that_are_free(tmp_path: Path) -> None:
    data = placed.folder(tmp_path, a=1.0, b=1.0, c=1.0)
    rule = RoundPlan(mode="async", buffer=1)
    outcome, _, reports = run(plan(data, 3, closing=rule))
    assert outcome.state == "finished"
    assert all(report.loss is not None for report in reports)


def answer(content: RecordDict | Error) -> Message:
    asked = Message(RecordDict(), 7, MessageType.EVALUATE)
    return Message(content, reply_to=asked)


def found(**metrics: float) -> Message:
    named = {key.replace("_", "-"): value for key, value in metrics.items()}
    return answer(RecordDict({"metrics": MetricRecord(named)}))  # type: ignore[arg-type]


def test_what_does_not_count_as_an_answer_is_said() -> None:
    names = ("mase",)
    good = validation_of(found(num_examples=3, loss=0.5, mase=1.5, other=9.0), names)
    assert good == Validation(3, {"loss": 0.5, "mase": 1.5})
    assert validation_of(answer(Error(1, "no rows")), names) == "no rows"
    assert validation_of(answer(RecordDict()), names) == "the answer holds no figures"
    for samples in (0, -1, 2**50, 1.5):
        said = validation_of(found(num_examples=samples, loss=1.0), names)
        assert said == f"the answer stands for {samples!r} samples"
    nothing = validation_of(found(num_examples=3, loss=float("nan")), names)
    assert nothing == "no figure of the answer is a number"


def test_means_are_weighted_by_samples_and_over_those_who_have_the_figure() -> None:
    answers = [Validation(1, {"loss": 4.0}), Validation(3, {"loss": 0.0, "mase": 2.0})]
    assert mean(answers) == {"loss": 1.0, "mase": 2.0}
    assert mean([]) == {}


def test_names_of_figures_are_checked() -> None:
    assert validation.checked_figures(("mase", "mae_w2")) == ("mase", "mae_w2")
    for name in ("", "Mase", "a b", "x" * 33):
        with pytest.raises(UsageError, match="figures must be called by small letters"):
            validation.checked_figures((name,))


def test_a_run_that_was_cut_off_tunes_the_same_best_model(tmp_path: Path) -> None:
    data = placed.folder(tmp_path / "data", only=2.0)
    given = plan(data, 1, lr=1.0, rounds=4, tuned=PersonalPlan(personal=True, personal_lr=1.0))
    whole, _, _ = run(given, tmp_path / "whole")
    checkpoints = Checkpoints(tmp_path / "checkpoints")

    def stop(report: RoundReport) -> None:
        if report.round == 3:
            raise KeyboardInterrupt

    with Journal(tmp_path / "journals", "r-own") as journal:
        steering = Steering(on_round=stop)
        cut = train(given, journal, run_id="r-own", steering=steering, checkpoints=checkpoints)
        assert (cut.state, cut.personal) == ("interrupted", None)
        found = resumption(checkpoints.read("r-own"), journal)
        resumed = train(
            given,
            journal,
            run_id="r-own",
            checkpoints=checkpoints,
            resume=found,
            kept=tmp_path / "kept",
        )
    assert resumed.state == "finished"
    assert resumed.personal == whole.personal
    assert resumed.best_round == whole.best_round
