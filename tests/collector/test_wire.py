from __future__ import annotations

import msgspec
import pytest

from fedsight.collector.taking.series import REMEMBERED_BYTES
from fedsight.collector.wire import ShipmentDecoder
from fedsight.door.refusal import BadFieldError
from fedsight.signals import Sample, Shipment, batch
from tests.collector.shipments import START, shipment, whole_run


def test_it_decodes_as_the_contracts_own_type_does() -> None:
    body = msgspec.json.encode(shipment("j", whole_run("r-1", ["a", "b"])))
    assert ShipmentDecoder().decode(body) == msgspec.json.decode(body, type=Shipment)
    bare = b'{"journal": "j", "first_seq": 1, "oldest_seq": 1, "records": [{}]}'
    assert ShipmentDecoder().decode(bare) == msgspec.json.decode(bare, type=Shipment)


def test_series_that_come_again_are_decoded_once() -> None:
    decoder = ShipmentDecoder()
    body = msgspec.json.encode(shipment("j", whole_run("r-1", ["a", "b"])))
    first, second = decoder.decode(body), decoder.decode(body)
    assert first.records[1].samples.series is second.records[2].samples.series


def test_what_is_remembered_is_bounded_and_stays_right() -> None:
    decoder = ShipmentDecoder()
    for number in range(3):
        many = [
            Sample(START, "x", 1.0, None, {"run": f"r-{number}", "node": f"{n}" * 40})
            for n in range(20_000)
        ]
        body = msgspec.json.encode(shipment("j", [batch(many)]))
        assert len(body) > REMEMBERED_BYTES / 2
        assert decoder.decode(body).records == [batch(many)]


def test_a_bad_series_is_named_and_not_remembered() -> None:
    decoder = ShipmentDecoder()
    good = msgspec.json.encode(shipment("j", whole_run("r-1", ["a"])))
    bad = good.replace(b'"fl_eval_loss"', b'"no name"')
    for _ in range(2):
        with pytest.raises(BadFieldError) as refused:
            decoder.decode(bad)
        assert refused.value.field == "records[1].samples.series[1].name"
    assert decoder.decode(good).records == whole_run("r-1", ["a"])
