"""The cells of a run's notebook, parted by lines that begin with `# %%`; never imported.

`fedsight notebook` reads this file as text, sets what the cell `parameters` names and takes the one
cell of data that is wanted, `online` or `offline`. A cell `markdown` is text behind `# `.
"""

# ruff: noqa: E402 - a notebook imports where it first needs to

# %% parameters
RUN = "r-00000000"
URL = "http://127.0.0.1:8083"
DATA = "r-00000000.data.zip"

# %% markdown
# ## Where the figures come from
#
# Every figure was measured. What was not is empty, and has no point in a figure.

# %% online
import pandas as pd

from fedsight.client import Client

# Beyond this machine a collector asks for its token: put it into the variable FEDSIGHT_TOKEN.
client = Client(URL, frames="pandas")
run = client.run(RUN)
config, nodes = run.pop("config"), run.pop("nodes")
rounds, clients, spans, events = (
    frame.astype(dict.fromkeys(frame.select_dtypes("category"), object))
    for frame in (client.rounds(RUN), client.clients(RUN), client.spans(RUN), client.events(RUN))
)
# The network is nobody's run: what was measured while this one went on.
network = pd.DataFrame(columns=["time", "name", "value"])
began, until = run["started"], run["ended"] or run["last_seen"]
if began and began < until:
    network = client.query(labels="__name__=~network_.*", start=began, end=until)
beside = network.columns.difference(["time", "name", "value", "round"])
network["labels"] = network[beside].astype(str).agg(" ".join, axis=1) if len(network) else None
print({"rounds": len(rounds), "spans": len(spans), "events": len(events)})

# %% offline
import json
import zipfile

import pandas as pd

# An export of the run: one CSV file a table (see docs/exports.md of fedsight).
with zipfile.ZipFile(DATA) as held:
    runs, rounds, clients, spans, events, samples = (
        # What a node is called is text, though it reads like a number or like "NA".
        pd.read_csv(
            held.open(f"{table}.csv"),
            dtype=dict.fromkeys(("run", "node", "id", "name"), str),
            keep_default_na=False,
            na_values=[""],
            low_memory=False,
        )
        for table in ("runs", "rounds", "clients", "spans", "events", "samples")
    )
run = {str(name): value for name, value in runs.iloc[0].items()}
config = json.loads(run.pop("config"))
nodes = json.loads(run.pop("nodes"))
network = samples[samples["name"].str.startswith("network_").fillna(False)]
print({"rounds": len(rounds), "spans": len(spans), "events": len(events)})

# %% markdown
# ## The run

# %% code
import pandas as pd

facts = ("state", "reason", "task", "strategy", "engine", "round", "rounds", "started", "seconds")
figures = (
    "accuracy",
    "best_accuracy",
    "loss",
    "failures",
    "payload_up_bytes",
    "payload_down_bytes",
)
summary = {name: run.get(name) for name in (*facts, *figures)}
print(pd.Series({**summary, "nodes": len(nodes)}, dtype=object).fillna("unknown").to_string())

# %% markdown
# Its settings:

# %% code
print(pd.Series(config, dtype=object).to_string() if config else "not known")

# %% markdown
# ## Rounds

# %% code
import matplotlib.pyplot as plt

print(rounds.tail(10).to_string(index=False))
figure, (quality, pace) = plt.subplots(1, 2, figsize=(12, 4), layout="constrained")
measured = [name for name in ("accuracy", "loss", "train_loss") if rounds[name].notna().any()]
for name in measured:
    quality.plot(rounds["round"], rounds[name], marker=".", label=name)
if measured:
    quality.legend()
quality.set(title="what the model can do", xlabel="round")
pace.bar(rounds["round"], rounds["seconds"].fillna(0), color="tab:grey")
pace.set(title="how long a round took", xlabel="round", ylabel="seconds")
plt.show()

# %% markdown
# ## Clients
#
# Of each: in how many rounds it trained, and what it needed for that.

# %% code
trained = clients[clients["status"] == "trained"]
by_node = trained.groupby("node").agg(
    rounds=("round", "nunique"),
    train_seconds=("train_seconds", "mean"),
    samples=("samples", "last"),
    train_loss=("train_loss", "last"),
    train_accuracy=("train_accuracy", "last"),
)
print(by_node.to_string() if len(by_node) else "no client has trained")
others = clients[clients["status"].notna() & (clients["status"] != "trained")]
if len(others):
    print(others.groupby(["status", "node"]).size().to_string())

# %% code
if trained["train_seconds"].notna().any():
    pace_of = trained.pivot_table(index="node", columns="round", values="train_seconds")
    tall = min(30, 1.5 + 0.25 * len(pace_of))
    figure, axis = plt.subplots(figsize=(12, tall), layout="constrained")
    cells = axis.imshow(pace_of.to_numpy(), aspect="auto", cmap="viridis")
    lines = range(0, len(pace_of), max(1, len(pace_of) // 100))
    axis.set_yticks(lines, labels=[pace_of.index[line] for line in lines])
    places = range(0, pace_of.shape[1], max(1, pace_of.shape[1] // 20))
    axis.set_xticks(places, labels=[str(pace_of.columns[place]) for place in places])
    axis.set(title="seconds of training", xlabel="round")
    figure.colorbar(cells)
    plt.show()
else:
    print("seconds of training by client: not measured")

# %% markdown
# ## Waterfall
#
# Where the time of one round went: the slowest, or set another.

# %% code
timed = rounds.dropna(subset=["seconds"])
ROUND = timed.sort_values("seconds")["round"].iloc[-1] if len(timed) else None
COLOURS = {
    "queued": "lightgrey",
    "download": "tab:cyan",
    "train": "tab:blue",
    "upload": "tab:purple",
    "aggregate": "tab:orange",
    "evaluate": "tab:green",
}
shown = spans[spans["round"] == ROUND]
lanes = {node: lane for lane, node in enumerate(shown["node"].fillna("server").unique())}
if len(shown):
    tall = min(30, 1.5 + 0.3 * len(lanes))
    figure, axis = plt.subplots(figsize=(12, tall), layout="constrained")
    for phase, bars in shown.groupby("phase"):
        axis.barh(
            bars["node"].fillna("server").map(lanes),
            bars["seconds"],
            left=bars["offset_seconds"],
            color=COLOURS.get(str(phase), "black"),
            label=phase,
        )
    lines = range(0, len(lanes), max(1, len(lanes) // 80))
    axis.set_yticks(lines, labels=[list(lanes)[line] for line in lines])
    axis.invert_yaxis()
    axis.set(title=f"round {ROUND}", xlabel="seconds")
    axis.legend()
    plt.show()
else:
    print("phases of rounds: not measured")

# %% markdown
# ## Network
#
# What the network's monitor measured while the run trained.

# %% code
if len(network):
    names = sorted(network["name"].unique())
    figure, axes = plt.subplots(
        len(names), 1, figsize=(12, 2.5 * len(names)), layout="constrained", squeeze=False
    )
    for axis, name in zip(axes[:, 0], names, strict=True):
        for place, line in network[network["name"] == name].groupby("labels", dropna=False):
            moment = pd.to_datetime(line["time"], format="ISO8601", utc=True)
            axis.plot(moment, line["value"], marker=".", label=str(place))
        axis.set(title=name)
        if len(axis.lines) <= 12:
            axis.legend()
    plt.show()
else:
    print("network: not measured")

# %% markdown
# ## What happened
#
# All but the rounds' own beginnings and ends.

# %% code
usual = {"ROUND_STARTED", "ROUND_COMPLETED", "NODES_SELECTED"}
told = events[~events["kind"].isin(usual)]
print(told[["time", "kind", "round", "node", "details"]].tail(50).to_string(index=False))
