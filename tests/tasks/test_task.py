from pathlib import Path

import pytest
import torch

from fedsight.errors import UsageError
from fedsight.tasks import BUILT_IN, Partition, Recipe, Task, load


class NotATask:
    def model(self, seed: int) -> torch.nn.Module:
        return torch.nn.Linear(1, 1)


@pytest.mark.parametrize(
    "name", sorted(set(BUILT_IN) - {"telemetry"})
)  # its data is the nodes' own
def test_a_built_in_task_trains_and_evaluates(name: str) -> None:
    task = load(name)
    assert isinstance(task, Task)
    model, data = task.model(0), task.data(Partition(1, 5, "iid"))
    before = task.evaluate(model, task.held_out())
    task.train(model, data, Recipe(epochs=3), torch.Generator().manual_seed(0))
    after = task.evaluate(model, task.held_out())
    assert after["loss"] < before["loss"]
    assert after["accuracy"] > before["accuracy"] + 0.2


@pytest.mark.parametrize(
    ("name", "training", "held_out"), [("mnist", 4000, 1000), ("digits", 1437, 360)]
)
def test_a_built_in_task_holds_data_out_that_no_node_has(
    name: str, training: int, held_out: int
) -> None:
    task = load(name)
    whole = task.data(Partition(0, 1, "iid"))
    kept = task.held_out()
    assert (len(whole), len(kept)) == (training, held_out)
    assert sorted(kept.labels.unique().tolist()) == list(range(10))
    seen = {image.tobytes() for image in whole.inputs.numpy()}
    shared = sum(image.tobytes() in seen for image in kept.inputs.numpy())
    assert shared == 0


@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_initial_weights_depend_on_the_seed_alone(name: str) -> None:
    def weights(seed: int) -> torch.Tensor:
        torch.manual_seed(torch.randint(1000, ()).item())
        return torch.nn.utils.parameters_to_vector(load(name).model(seed).parameters())

    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))


def test_training_depends_on_the_given_generator_alone() -> None:
    task, weights = load("digits"), []
    for global_seed in (1, 2):
        torch.manual_seed(global_seed)
        model = task.model(0)
        data = task.data(Partition(0, 10, "iid"))
        task.train(model, data, Recipe(epochs=1), torch.Generator().manual_seed(5))
        weights.append(torch.nn.utils.parameters_to_vector(model.parameters()))
    assert torch.equal(*weights)


def test_a_task_of_ones_own_is_found_by_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.py").write_text(
        "from fedsight.tasks.digits import DIGITS\nclass Own(type(DIGITS)):\n"
        "    def __init__(self): super().__init__(DIGITS.load, DIGITS.build)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert len(load("mine:Own").held_out()) == 360


def test_the_example_task_learns() -> None:
    task = load("examples.breast_cancer:BreastCancer")
    model = task.model(0)
    task.train(model, task.data(Partition(0, 1)), Recipe(), torch.Generator())
    assert task.evaluate(model, task.held_out())["accuracy"] > 0.9


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mnits", "no such task 'mnits'; did you mean 'mnist'"),
        ("x", "there are digits, mnist, telemetry, or package.module:object"),
        (":Thing", "no such task ':Thing'; there are"),
        (".mine:Thing", "no such task '.mine:Thing'"),
        ("no.such:Thing", "no module named 'no'"),
        ("fedsight.tasks.digits:NOPE", "has no attribute 'NOPE'"),
        (f"{__name__}:NotATask", "lacks data, held_out, train, evaluate"),
    ],
)
def test_what_is_not_a_task_is_refused_in_one_sentence(name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as refused:
        load(name)
    assert "\n" not in str(refused.value)
