"""A stand-in for a foreign FL server, over real HTTP, in the shapes that FLOPY-NET's answers have:
it names no run, and its event numbers begin again when it starts anew."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.collector.stub_service import Asked, Said, StubService

NOON = 1_764_072_000


def stamp(seconds: float) -> str:
    """So many seconds after noon, as text."""
    from fedsight.door.times import rfc3339

    return rfc3339(round((NOON + seconds) * 1e9))


class ForeignFlServer:
    """Rounds and events can be added; `restart` forgets all and numbers anew."""

    def __init__(self) -> None:
        #: None: an answer that is no list of rounds.
        self.rounds: list[dict[str, Any]] | None = []
        self.events: list[dict[str, Any]] = []
        self.status: Any = {"status": "training", "current_round": 0, "connected_clients": 4}
        self.about: Said = (404, {"detail": "Not Found"})
        self.service = StubService(self._answer)
        self.started = 0.0
        self.says_latest = True

    def restart(self, at: float) -> None:
        """As a process that was started again."""
        self.rounds, self.events, self.started = [], [], at

    def train(self, accuracy: float | None, **more: Any) -> None:
        """One more round, with its events."""
        assert self.rounds is not None
        number = len(self.rounds) + 1
        at = self.started + 10.0 * number
        self.say("ROUND_STARTED", at - 8, {"round": number})
        self.say("AGGREGATION_COMPLETED", at - 1, {"round": number, "seconds": 0.5})
        self.say("ROUND_COMPLETED", at, {"round": number, "accuracy": accuracy})
        self.rounds.append(
            {
                "round": number,
                "timestamp": stamp(at),
                "status": "completed",
                "accuracy": accuracy,
                "loss": None if accuracy is None else 1 - accuracy,
                "training_duration": 8.0,
                "model_size_mb": 0.25,
                "clients": 3,
                **more,
            }
        )
        self.status = {**self.status, "current_round": number, "current_accuracy": accuracy}

    def say(self, kind: str, at: float, details: dict[str, Any]) -> None:
        """One more event."""
        self.events.append(
            {
                "event_id": len(self.events) + 1,
                "timestamp": stamp(at),
                "source_component": "FL_SERVER",
                "event_type": kind,
                "details": details,
            }
        )

    def _answer(self, asked: Asked) -> Said:
        place = urlsplit(asked.path)
        query = {name: int(values[0]) for name, values in parse_qs(place.query).items()}
        if place.path == "/status":
            return 200, self.status
        if place.path == "/":
            return self.about
        if place.path == "/events":
            after, limit = query.get("since_event_id", 0), query.get("limit", 100)
            found = [each for each in self.events if each["event_id"] > after][:limit]
            # It echoes what it was asked after, so that a restart does not show here.
            last = found[-1]["event_id"] if found else after
            return 200, {"events": found, "last_event_id": last}
        if place.path == "/rounds":
            if self.rounds is None:
                return 200, {"error": "come again later"}
            start, limit = query.get("start_round", 0), query.get("limit", 100)
            fit = [each for each in self.rounds if each["round"] >= start]
            latest = self.rounds[-1]["round"] if self.rounds else 0
            answer = {
                "rounds": fit[:limit],
                "total_rounds": len(fit),
                "returned_rounds": len(fit[:limit]),
                "latest_round": latest,
                "pagination": {"limit": limit, "offset": 0, "has_more": len(fit) > limit},
            }
            if not self.says_latest:
                del answer["latest_round"]
            return 200, answer
        return 404, {"detail": "Not Found"}
