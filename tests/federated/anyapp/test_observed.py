"""One line in a server gives its strategy the round engine, and what built-in tasks have."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from flwr.app import Array, ArrayRecord, Context, RecordDict
from flwr.serverapp.strategy import FedAvg

from fedsight.errors import UsageError
from fedsight.federated import Observed
from fedsight.federated.anyapp import apart
from fedsight.federated.anyapp.checked import fault, layout
from fedsight.federated.anyapp.loading import loaded
from fedsight.federated.anyapp.project import read
from fedsight.federated.versions import Metrics, ModelStore, RunKeeper
from fedsight.journal import Journal
from tests.federated.anyapp.apps import CLIENT, OBSERVED, SERVER, ran, written


class Models:
    """Keeps models in memory."""

    def __init__(self) -> None:
        self.kept: list[tuple[int, dict[str, torch.Tensor], Metrics]] = []

    def keep(self, round: int, state: Mapping[str, torch.Tensor], metrics: Metrics) -> None:
        self.kept.append((round, dict(state), metrics))


def test_rounds_are_those_of_flowers_own_loop(tmp_path: Path) -> None:
    models = Models()
    outcome, kept = ran(written(tmp_path / "app", server=OBSERVED), models=models)
    assert (outcome.state, outcome.reason, outcome.rounds) == ("finished", None, 2)
    assert [(one.round, one.rounds, one.participants) for one in kept.rounds] == [
        (1, 2, 3),
        (2, 2, 3),
    ]
    assert outcome.accuracy == pytest.approx(8 / 6)
    started = kept.events("RUN_STARTED")[-1].details
    assert (started["strategy"], started["rounds"], started["model_parameters"]) == (
        "FedAvg",
        2,
        9,
    )
    phases = {span.phase for batch in kept.batches for span in batch.spans}
    assert phases == {"queued", "train", "aggregate", "evaluate"}
    # Each round adds (1 * 1 + 2 * 2 + 3 * 3) / 6.
    assert [number for number, _, _ in models.kept] == [1, 2]
    _, state, metrics = models.kept[-1]
    assert state["weight"].dtype == torch.float32
    assert state["bias"].dtype == torch.float64
    torch.testing.assert_close(state["weight"], torch.full((2, 3), 2 * 14 / 6))
    assert metrics.accuracy == pytest.approx(8 / 6)


def test_the_servers_own_evaluation_counts(tmp_path: Path) -> None:
    server = OBSERVED.replace(
        "strategy.start(grid, model(),",
        "from flwr.app import MetricRecord\n"
        "    asked = []\n"
        "    def evaluate(number, arrays):\n"
        "        asked.append(number)\n"
        "        return MetricRecord({'loss': float(number), 'accuracy': 0.5})\n"
        "    grid.session.asked = asked\n"
        "    strategy.start(grid, model(), evaluate_fn=evaluate,",
    )
    outcome, kept = ran(written(tmp_path / "app", server=server))
    assert (outcome.loss, outcome.accuracy) == (2.0, 0.5)
    assert kept.figures("fl_eval_loss") == [1.0, 2.0]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("arrays[name].numpy() * np.nan", "array 'weight' holds 6 NaN and 0 infinite values of 6"),
        ("arrays[name].numpy() + np.inf", "array 'weight' holds 0 NaN and 6 infinite values of 6"),
        ("arrays[name].numpy().ravel()", "array 'weight' is float32 of shape (6,), the model's"),
        ("arrays[name].numpy().astype('f8')", "array 'weight' is float64 of shape (2, 3), the"),
    ],
)
def test_an_update_that_would_spoil_the_model_is_refused_by_name(
    tmp_path: Path, change: str, said: str
) -> None:
    client = CLIENT.replace(
        "arrays[name].numpy() + part(context) + 1",
        f"{change} if part(context) == 1 and name == 'weight' else arrays[name].numpy() + 1",
    )
    folder = written(tmp_path / "app", client=client, server=OBSERVED)
    models = Models()
    outcome, kept = ran(folder, sets=["rounds=1"], models=models)
    assert outcome.state == "finished"
    (refused,) = kept.events("UPDATE_REJECTED")
    assert refused.node == "client-1"
    assert said in str(refused.details["message"])
    torch.testing.assert_close(models.kept[0][1]["weight"], torch.ones(2, 3))


def test_what_an_app_may_send_is_not_refused_where_it_says_so(tmp_path: Path) -> None:
    client = CLIENT.replace("arrays[name].numpy() +", "arrays[name].numpy().astype('f4') +")
    server = OBSERVED.replace("Observed(FedAvg())", "Observed(FedAvg(), check=False)")
    outcome, kept = ran(written(tmp_path / "app", client=client, server=server))
    assert outcome.state == "finished"
    assert kept.events("UPDATE_REJECTED") == []


def test_rules_close_a_round_early(tmp_path: Path) -> None:
    server = OBSERVED.replace("Observed(FedAvg())", "Observed(FedAvg(), quorum=2)")
    outcome, kept = ran(written(tmp_path / "app", server=server))
    assert outcome.state == "finished"
    assert [(one.participants, one.selected) for one in kept.rounds] == [(2, 3), (2, 3)]
    silent = kept.events("CLIENT_SILENT")
    assert "closed by 2 answers" in str(silent[0].details["message"])


def test_a_rule_that_is_not_allowed_is_named() -> None:
    with pytest.raises(UsageError, match="quorum"):
        Observed(FedAvg(), quorum=-1)


def test_nobody_answers_three_times_running_and_the_run_has_failed(tmp_path: Path) -> None:
    client = CLIENT.replace("    arrays = message.content", "    raise ValueError('never')")
    folder = written(tmp_path / "app", client=client, server=OBSERVED)
    outcome, kept = ran(folder, sets=["rounds=9"])
    assert outcome.state == "failed"
    assert "no node returned a usable update in 3 rounds running" in (outcome.reason or "")
    assert len(kept.events("ROUND_FAILED")) == 3


def test_two_starts_are_one_run_whose_rounds_go_on(tmp_path: Path) -> None:
    more = "\n    strategy.start(grid, model(), num_rounds=1)\n"
    outcome, kept = ran(written(tmp_path / "app", server=OBSERVED + more))
    assert outcome.state == "finished"
    assert [report.round for report in kept.rounds] == [1, 2, 3]
    # Started without it, too.
    plain = SERVER + "\n    from fedsight.federated import Observed\n"
    plain += "    Observed(strategy).start(grid, model(), num_rounds=1)\n"
    _, kept = ran(written(tmp_path / "both", server=plain))
    assert [report.round for report in kept.rounds] == [1, 2, 3]


def test_models_are_versions_with_their_arrays_names(tmp_path: Path) -> None:
    store = ModelStore(tmp_path / "models")
    keeper = RunKeeper(store, "r-1", "tried", 5)
    ran(written(tmp_path / "app", server=OBSERVED), models=keeper)
    (newest,) = [one for one in store.scan("r-1").versions if one.round == 2]
    assert {one.name: (one.shape, one.dtype) for one in newest.tensors} == {
        "weight": ((2, 3), "float32"),
        "bias": ((3,), "float64"),
    }


def test_faults_name_the_array() -> None:
    model = ArrayRecord({"a": Array(np.zeros(2)), "b": Array(np.zeros((2, 2), np.int64))})
    expected = {"arrays": layout(model)}

    def wrong(**arrays: np.ndarray) -> str | None:
        record = ArrayRecord({name: Array(one) for name, one in arrays.items()})
        return fault({"arrays": record}, expected)

    a, b = np.zeros(2), np.zeros((2, 2), np.int64)
    assert wrong(a=a, b=b) is None
    assert wrong(a=a) == "update has no array 'b'"
    assert wrong(a=a, b=b, c=a) == "update has an array 'c' that the model has not"
    assert fault({}, expected) == "update has no arrays 'arrays'"
    assert fault({"arrays": model, "more": ArrayRecord({"x": Array(np.array([np.inf]))})}, expected)


def test_without_a_run_of_ours_it_journals_into_the_data_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEDSIGHT_DATA", str(tmp_path / "data"))
    app = read(written(tmp_path / "app", server=OBSERVED))
    with loaded(app) as parts:
        grid = apart.grid(app, parts.client, 3)
        parts.server(grid, Context(1, 1, {}, RecordDict(), dict(app.config)))
    (path,) = (tmp_path / "data" / "journals").glob("*.sqlite")
    with Journal(path.parent, path.stem) as journal:
        kinds = [event.kind for record in journal.read(0, 100) for event in record.batch.events]
    assert kinds[0] == "RUN_STARTED"
    assert kinds[-1] == "RUN_ENDED"
    assert kinds.count("ROUND_COMPLETED") == 2
    assert len(list((tmp_path / "data" / "models").rglob("*.safetensors"))) == 2


def test_without_a_run_of_ours_what_is_raised_reaches_flower(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEDSIGHT_DATA", str(tmp_path / "data"))
    server = OBSERVED.replace("num_rounds=", "evaluate_fn=lambda *_: 1 / 0, num_rounds=")
    app = read(written(tmp_path / "app", server=server))
    context = Context(1, 1, {}, RecordDict(), dict(app.config))
    with loaded(app) as parts:
        grid = apart.grid(app, parts.client, 3)
        with pytest.raises(ZeroDivisionError):
            parts.server(grid, context)
