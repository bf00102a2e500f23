"""A Flower ClientApp whose node obeys its own policy.

    fedsight policy init node-policy --node

writes the rules; in node-policy/federation.toml stands what the node does for others, such as the
hours in which it trains and how long the updates are that it sends.
"""

from __future__ import annotations

import numpy as np
from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from fedsight.federated import governed_mod

RULES, DATA = "node-policy", "node-data"


def client_app(rules: str = RULES, data: str = DATA) -> ClientApp:
    """An app that moves every value by one, as far as the rules in `rules` let it."""
    app = ClientApp(mods=[governed_mod(rules, data)])

    @app.train()
    def train(message: Message, context: Context) -> Message:
        start = message.content.array_records["arrays"].to_numpy_ndarrays()
        trained = ArrayRecord([np.asarray(one + 1) for one in start])
        content = RecordDict({"arrays": trained, "metrics": MetricRecord({"num-examples": 1})})
        return Message(content, reply_to=message)

    return app
