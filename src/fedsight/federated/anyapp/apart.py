"""Nodes of an app that share one process and see nothing of each other."""

from __future__ import annotations

from copy import deepcopy

from flwr.app import Context, Message
from flwr.clientapp import ClientApp
from flwr.supercore.run import Run

from fedsight.federated.anyapp.project import FlowerApp
from fedsight.federated.engines.local_grid import LocalGrid, sites

_RUN_ID = 1


class Apart(ClientApp):
    """`app`, whose messages are its own: nothing it changes or keeps reaches another node, as if
    messages had crossed a network."""

    def __init__(self, app: ClientApp) -> None:
        super().__init__()
        self._app = app

    def __call__(self, message: Message, context: Context) -> Message:
        message.content = deepcopy(message.content)
        reply = self._app(message, context)
        if reply.has_content():
            reply.content = deepcopy(reply.content)
        return reply


def grid(app: FlowerApp, client: ClientApp, nodes: int) -> LocalGrid:
    """A grid of `nodes` nodes called client-0, client-1, ... that run the app's client.

    Each keeps the state of its Context from message to message.
    """
    there = sites(nodes, {})
    for site in there:
        site.context.run_config = dict(app.config)
    found = LocalGrid(Apart(client), there)
    found.set_run(Run.create_empty(_RUN_ID))
    return found
