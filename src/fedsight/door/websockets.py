"""uvicorn's WebSocket connection with the flow control that it lacks; frames made once for many.

uvicorn 0.49 waits in `send` for an event that nothing ever clears: a reader that takes nothing in
lets the server's memory grow without bound. The transport does say when its buffer is full.
"""

from __future__ import annotations

from starlette.types import Message
from uvicorn._types import ASGISendEvent
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN

#: In an ASGI message: the text as a WebSocket frame.
FRAME = "fedsight.frame"


def framed(text: str) -> Message:
    """The ASGI message that sends a text, with its frame made once for any number of connections.

    A server's frames are not masked, so they are the same for all (RFC 6455, 5.1).
    """
    frame = Frame(Opcode.TEXT, text.encode()).serialize(mask=False)
    return {"type": "websocket.send", "text": text, FRAME: frame}


class FlowControlled(WebSocketsSansIOProtocol):
    """Makes `send` wait while the transport's buffer (64 KiB) is full."""

    async def send(self, message: ASGISendEvent) -> None:
        """As uvicorn's; a frame that was made before goes out as it is.

        Not where compression was agreed on: it differs from connection to connection.
        """
        frame = message.get(FRAME)
        if not isinstance(frame, bytes) or self.conn.extensions or not self.handshake_complete:
            await super().send(message)
            return
        await self.writable.wait()
        if self.close_sent or self.conn.state is not OPEN:
            raise ClientDisconnected
        self.transport.write(frame)

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
