import numpy as np
import pytest
import torch
from torch import nn

from fedsight.federated.flat import FlatModel


def model_with_buffers() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))


def test_a_loaded_vector_is_what_the_model_computes_with() -> None:
    flat = FlatModel(nn.Linear(2, 1))
    flat.load(np.array([2.0, 3.0, 10.0], dtype=np.float32))
    assert flat.model(torch.tensor([[1.0, 1.0]])).item() == 15.0
    assert flat.vector().tolist() == [2.0, 3.0, 10.0]


def test_the_vector_holds_the_state_dict_in_its_order() -> None:
    model = model_with_buffers()
    expected = torch.cat([value.reshape(-1).float() for value in model.state_dict().values()])
    flat = FlatModel(model)
    assert torch.equal(torch.from_numpy(flat.vector()), expected)
    assert [entry.name for entry in flat.manifest] == list(model.state_dict())


@pytest.mark.parametrize("set_to_none", [True, False])
def test_a_training_step_moves_the_vector(set_to_none: bool) -> None:
    flat = FlatModel(model_with_buffers())
    before = flat.vector()
    optimizer = torch.optim.SGD(flat.model.parameters(), lr=0.1, momentum=0.9)
    for _ in range(2):
        optimizer.zero_grad(set_to_none=set_to_none)
        flat.model(torch.randn(8, 3)).square().sum().backward()
        optimizer.step()
    assert (flat.vector() != before).sum() > len(before) - 5


def test_training_a_flat_model_gives_the_bits_of_training_a_plain_one() -> None:
    torch.manual_seed(0)
    plain = model_with_buffers()
    flat = FlatModel(model_with_buffers())
    flat.load(torch.cat([v.reshape(-1).float() for v in plain.state_dict().values()]).numpy())
    inputs = torch.randn(16, 3)
    for model in (plain, flat.model):
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(5):
            optimizer.zero_grad()
            model(inputs).square().sum().backward()
            optimizer.step()
    expected = torch.cat([v.reshape(-1).float() for v in plain.state_dict().values()])
    assert torch.equal(torch.from_numpy(flat.vector()), expected)


def test_an_integer_buffer_travels_and_is_rounded() -> None:
    flat = FlatModel(model_with_buffers())
    at = next(entry for entry in flat.manifest if entry.dtype == "int64")
    vector = flat.vector()
    vector[at.start] = 6.6
    flat.load(vector)
    assert flat.model.state_dict()[at.name].item() == 7


def test_tied_parameters_stand_in_the_vector_once() -> None:
    first, second = nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False)
    second.weight = first.weight
    flat = FlatModel(nn.Sequential(first, second))
    assert len(flat) == 9
    flat.load(np.arange(9, dtype=np.float32))
    assert second.weight[2, 2].item() == 8


def test_a_double_model_keeps_its_precision() -> None:
    flat = FlatModel(nn.Linear(1, 1).double())
    assert flat.dtype == np.float64
    flat.load(np.array([1 / 3, 2 / 3]))
    assert flat.vector().tolist() == [1 / 3, 2 / 3]


def test_a_model_moved_away_from_its_vector_is_still_read_and_loaded() -> None:
    flat = FlatModel(nn.Linear(2, 1))
    flat.model.weight.data = torch.tensor([[5.0, 6.0]])  # as a change of device does
    assert flat.vector()[:2].tolist() == [5.0, 6.0]
    flat.load(np.array([1.0, 2.0, 3.0], dtype=np.float32))
    assert flat.model.weight.tolist() == [[1.0, 2.0]]


def test_a_vector_of_another_length_is_refused() -> None:
    flat = FlatModel(nn.Linear(2, 1))
    with pytest.raises(ValueError, match=r"3 values, got an array of shape \(4,\)"):
        flat.load(np.zeros(4, dtype=np.float32))


def test_a_vector_handed_out_does_not_change_with_the_model() -> None:
    flat = FlatModel(nn.Linear(2, 1))
    taken = flat.vector()
    copy = taken.copy()
    flat.load(np.ones(3, dtype=np.float32))
    assert (taken == copy).all()
