"""Each route's query parameters, their types and limits."""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Meta, Struct

LAST_ROUND = 1_000_000_000

Limit = Annotated[int, Meta(ge=1, le=1_000)]
Offset = Annotated[int, Meta(ge=0, le=2**53)]
RoundNumber = Annotated[int, Meta(ge=0, le=LAST_ROUND)]
Ratio = Annotated[float, Meta(ge=0, le=1)]
Reference = Annotated[str, Meta(min_length=1, max_length=256)]


class PageQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Which part of the rows."""

    limit: Limit = 100
    offset: Offset = 0


class RoundsQuery(PageQuery, frozen=True, forbid_unknown_fields=True):
    """Which rounds; both ends of a range are included. A round whose accuracy is not known fits no
    bound on it."""

    BLAMED: ClassVar[str] = "start_round"
    start_round: RoundNumber = 0
    end_round: RoundNumber = LAST_ROUND
    min_accuracy: Ratio | None = None
    max_accuracy: Ratio | None = None

    def __post_init__(self) -> None:
        if self.start_round > self.end_round:
            raise ValueError(f"start_round {self.start_round} must not be above end_round")


class EventsQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Events after which."""

    since_event_id: Annotated[int, Meta(ge=0, le=2**62)] = 0
    limit: Limit = 100


class ModelsQuery(PageQuery, frozen=True, forbid_unknown_fields=True):
    """Models of which run."""

    run: Annotated[str, Meta(max_length=64)] | None = None


class CompareQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Which two versions."""

    a: Reference
    b: Reference
