"""What every node does."""

from __future__ import annotations

from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from averages import model

app = ClientApp()


@app.train()
def train(message: Message, context: Context) -> Message:
    """Train the model on the node's own data."""
    samples, labels = model.data(int(context.node_config["partition-id"]))
    steps, lr = int(context.run_config["local-steps"]), float(context.run_config["lr"])
    start = message.content["arrays"].to_numpy_ndarrays()
    found = model.train(start, samples, labels, steps, lr)
    metrics = {
        "num-examples": len(samples),
        "train_loss": model.scores(found, samples, labels)["loss"],
    }
    content = RecordDict({"arrays": ArrayRecord(found), "metrics": MetricRecord(metrics)})
    return Message(content, reply_to=message)


@app.evaluate()
def evaluate(message: Message, context: Context) -> Message:
    """Say how good the model is on the node's own data."""
    samples, labels = model.data(int(context.node_config["partition-id"]))
    found = model.scores(message.content["arrays"].to_numpy_ndarrays(), samples, labels)
    metrics = {
        "num-examples": len(samples),
        "eval_loss": found["loss"],
        "eval_accuracy": found["accuracy"],
    }
    return Message(RecordDict({"metrics": MetricRecord(metrics)}), reply_to=message)
