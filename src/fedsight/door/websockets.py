"""uvicorn's WebSocket connection with the flow control that it lacks.

uvicorn 0.49 waits in `send` for an event that nothing ever clears: a reader that takes nothing in
lets the server's memory grow without bound. The transport does say when its buffer is full.
"""

from __future__ import annotations

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol


class FlowControlled(WebSocketsSansIOProtocol):
    """Makes `send` wait while the transport's buffer (64 KiB) is full."""

    def pause_writing(self) -> None:
        """The buffer is full: whoever sends waits."""
        self.writable.clear()

    def resume_writing(self) -> None:
        """The reader has taken most of it."""
        self.writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody waits for a reader that is gone."""
        self.writable.set()
        super().connection_lost(exc)
