from fedsight.federated.selection import Choice, details


def name(node_id: int) -> str:
    return f"client-{node_id}"


def test_a_choice_as_an_event_tells_it() -> None:
    choice = Choice((2, 5), {5: "best loss 0.41", 2: "explored", 3: "not in only"}, ("client-9",))
    assert details(choice, name) == {
        "chosen": {"client-2": "explored", "client-5": "best loss 0.41"},
        "left_out": {"client-3": "not in only"},
        "absent": ["client-9"],
    }


def test_of_many_nodes_the_first_are_named_and_all_are_counted() -> None:
    reasons = {at: f"best loss {at / 7:.3g}" for at in range(300)}
    reasons |= dict.fromkeys(range(300, 320), "explored")
    reasons |= {at: f"below min_memory_gb 4: has {at % 3}" for at in range(1000, 1100)}
    told = details(Choice(tuple(range(320)), reasons), name)
    assert list(told["chosen"]) == [f"client-{at}" for at in range(100)]
    assert told["chosen_counts"] == {"best loss": 300, "explored": 20}
    assert len(told["left_out"]) == 100
    assert "left_out_counts" not in told


def test_reasons_are_counted_by_what_they_share() -> None:
    shared = {
        "due: not in the last 4 rounds": "due",
        "utility 1.77": "utility",
        "best loss 1.2e-05": "best loss",
        "below min_cpu 2: did not tell cpu_count": "below min_cpu 2",
        "not there: last seen 12 s ago": "not there",
        "not zone=eu: a: b\nc": "not zone=eu",
        "lacks tag gpu": "lacks tag gpu",
    }
    for reason, counted in shared.items():
        told = details(Choice((), dict.fromkeys(range(101), reason)), name)
        assert told["left_out_counts"] == {counted: 101}
