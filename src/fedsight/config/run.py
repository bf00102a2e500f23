"""The table of what is trained."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from fedsight.config.section import Section


class RunSettings(Section):
    """What `fedsight run` trains where its flags do not say."""

    model_config = SettingsConfigDict(env_prefix="FEDSIGHT_RUN_")
    table = "run"
    task: str = Field("mnist", min_length=1, description="a task's name or package.module:object")
    nodes: int = Field(10, ge=1, description="a whole number of at least 1")
    rounds: int = Field(20, ge=1, description="a whole number of at least 1")
    fraction: float = Field(1.0, gt=0, le=1, description="a number above 0 and at most 1")
    partition: Literal["iid", "dirichlet", "shards", "own"] = Field(
        "dirichlet", description="one of iid, dirichlet, shards, own"
    )
    data: str = Field("", description="a folder with a CSV file for each node")
    columns: str = Field("", description="names of columns, parted by commas")
    alpha: float = Field(0.5, gt=0, allow_inf_nan=False, description="a number above 0")
    epochs: int = Field(5, ge=1, description="a whole number of at least 1")
    lr: float = Field(0.05, gt=0, allow_inf_nan=False, description="a number above 0")
    momentum: float = Field(0.9, ge=0, lt=1, description="a number of at least 0 and below 1")
    batch_size: int = Field(32, ge=1, description="a whole number of at least 1")
    seed: int = Field(0, ge=0, lt=2**63, description="a whole number from 0 to 9223372036854775807")
    local: Literal["loop", "cohort"] = Field("loop", description="one of loop, cohort")
    engine: Literal["simulation", "deployment"] = Field(
        "simulation", description="one of simulation, deployment"
    )
    algorithm: Literal[
        "fedavg", "fedprox", "fedavgm", "fedadam", "fedyogi", "fedadagrad", "scaffold"
    ] = Field(
        "fedavg",
        description="one of fedavg, fedprox, fedavgm, fedadam, fedyogi, fedadagrad, scaffold",
    )
    server_lr: float | None = Field(None, gt=0, allow_inf_nan=False, description="a number above 0")
    server_momentum: float = Field(
        0.9, ge=0, lt=1, description="a number of at least 0 and below 1"
    )
    beta1: float = Field(0.9, ge=0, lt=1, description="a number of at least 0 and below 1")
    beta2: float = Field(0.99, ge=0, lt=1, description="a number of at least 0 and below 1")
    tau: float = Field(1e-3, gt=0, allow_inf_nan=False, description="a number above 0")
    mu: float = Field(0.1, ge=0, allow_inf_nan=False, description="a number of at least 0")
    weighting: str = Field(
        "samples", min_length=1, description="samples, uniform, or package.module:function"
    )
    selection: Literal["random", "performance", "resources", "named", "utility"] = Field(
        "random", description="one of random, performance, resources, named, utility"
    )
    metric: Literal["loss", "accuracy"] = Field("loss", description="one of loss, accuracy")
    explore: float = Field(0.2, ge=0, le=1, description="a number from 0 to 1")
    min_cpu: float = Field(0.0, ge=0, allow_inf_nan=False, description="a number of at least 0")
    min_memory_gb: float = Field(
        0.0, ge=0, allow_inf_nan=False, description="a number of at least 0"
    )
    min_bandwidth_mbps: float = Field(
        0.0, ge=0, allow_inf_nan=False, description="a number of at least 0"
    )
    only: str = Field("", description="names or ids of nodes, parted by commas")
    tags: str = Field("", description="tags, parted by commas")
    where: str = Field("", description="key=value, parted by commas")
    fair_rounds: int = Field(0, ge=0, description="a whole number of at least 0; 0: no floor")
    min_clients: int = Field(1, ge=1, description="a whole number of at least 1")
    wait_seconds: float = Field(
        600.0, gt=0, le=86_400, description="a number above 0 and at most 86400"
    )
    timeout_seconds: float | None = Field(
        None, gt=0, le=86_400, description="a number above 0 and at most 86400"
    )
    quorum: int = Field(0, ge=0, description="a whole number of at least 0; 0: all")
    late: Literal["count", "use", "drop"] = Field("count", description="one of count, use, drop")
    over_select: float = Field(0.0, ge=0, le=10, description="a number from 0 to 10")
    mode: Literal["sync", "async"] = Field("sync", description="one of sync, async")
    buffer: int = Field(
        0, ge=0, description="a whole number of at least 0; 0: a tenth of the nodes"
    )
    staleness: float = Field(0.5, ge=0, le=10, description="a number from 0 to 10")
    silent_seconds: float = Field(
        10.0, gt=0, le=86_400, description="a number above 0 and at most 86400"
    )
    convergence_threshold: float = Field(
        0.0, ge=0, le=1, description="a number from 0 to 1; 0: train all rounds"
    )
    scrutiny: bool = Field(True, description="true or false")
    exclude_suspects: bool = Field(False, description="true or false")
    personal: bool = Field(False, description="true or false")
    personal_epochs: int = Field(3, ge=1, description="a whole number of at least 1")
    personal_lr: float = Field(0.003, gt=0, allow_inf_nan=False, description="a number above 0")
