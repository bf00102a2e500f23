"""What doctor says of the policy set and the audit trail of a data directory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from fedsight.cli.doctor_policy import governance
from fedsight.config import load
from fedsight.policy import files


def test_doctor_knows_the_policy_set_and_its_trail(tmp_path: Path) -> None:
    settings = replace(load(None), data=tmp_path)
    assert [one.verdict for one in governance(settings)] == ["ok", "ok"]
    assert "fedsight policy init" in governance(settings)[0].found
    files.init(tmp_path / "policy")
    assert files.read(tmp_path / "policy").version in governance(settings)[0].found
    (tmp_path / "policy" / "own.cedar").write_text("permit (principal")
    found = governance(settings)[0]
    assert (found.verdict, found.found[:12]) == ("note", "own.cedar:1:")
    assert f"validate --set {tmp_path / 'policy'}" in found.mend
    (tmp_path / "audit").mkdir()
    (tmp_path / "audit" / "000000000001.jsonl").write_text("{}\n")
    assert "fedsight policy audit verify" in governance(settings)[1].found
