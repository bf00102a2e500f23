"""Training again, asked of a real FL server whose runs follow a script."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedsight.federated.plan import Plan
from fedsight.forecast.service.retraining import FlServer, RetrainError
from tests.federated.api.asked import TOKEN, asked


def test_a_run_of_the_task_is_begun_and_only_one(tmp_path: Path) -> None:
    plan = Plan(task="telemetry", nodes=2, partition="own", data=str(tmp_path))
    with asked(tmp_path, plan=plan) as server:
        trainer = FlServer(str(server.http.base_url), TOKEN)
        run = trainer.begin()
        assert server.get("/status")["run"] == run
        with pytest.raises(RetrainError, match="answered 409"):
            trainer.begin()


def test_a_wrong_token_and_nobody_there_are_told(tmp_path: Path) -> None:
    plan = Plan(task="telemetry", nodes=2, partition="own", data=str(tmp_path))
    with asked(tmp_path, plan=plan) as server:
        url = str(server.http.base_url)
        with pytest.raises(RetrainError, match="answered 401"):
            FlServer(url, "wrong").begin()
    with pytest.raises(RetrainError, match="`fedsight serve federation --task telemetry`"):
        FlServer(url, TOKEN).begin()
