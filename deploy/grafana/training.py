"""The dashboards of training: all runs side by side, and one run."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from deploy.grafana.board import Group, board, choice
from deploy.grafana.panels import Line, figure, lines, rows

SUSPECTED = "From 2 on a node is suspected."


def newest(series: str) -> str:
    """The last value within the range that is shown, however long ago."""
    return f"last_over_time({series}[$__range])"


def all_within(function: str, series: str) -> str:
    """A function of all values within the range that is shown."""
    return f"{function}_over_time({series}[$__range])"


def federation() -> Dashboard:
    """All runs side by side."""
    about = "Every run that the collector knows, side by side."
    groups = (_all_runs_now(), _learning(), _nodes())
    return board("fedsight-federation", "fedsight: federation", about, groups)


def _all_runs_now() -> Group:
    rounds, down = "fl_round_duration_seconds", "fl_round_payload_down_bytes"
    sent = f"sum({all_within('sum', down)}) + sum({all_within('sum', 'fl_round_payload_up_bytes')})"
    return "Now", [
        figure("Runs", "none", f"count(count by (run) ({newest(rounds)}))"),
        figure("Rounds", "none", f"sum({all_within('count', rounds)})"),
        figure("Best accuracy", "percentunit", f"max({all_within('max', 'fl_accuracy')})"),
        figure("Failures of nodes", "none", f"sum({all_within('sum', 'fl_round_failures')})"),
        figure("Nodes", "none", f"count(count by (node) ({newest('fl_client_samples')}))"),
        figure("Sent to nodes and back", "bytes", sent),
    ]


def _learning() -> Group:
    return "Learning", [
        lines("Accuracy", "percentunit", Line("fl_accuracy")),
        lines("Loss", "none", Line("fl_eval_loss")),
        lines("Seconds a round", "s", Line("fl_round_duration_seconds")),
        lines(
            "Nodes in a round",
            "none",
            Line("fl_round_participants", "{{run}} took part"),
            Line("fl_round_failures", "{{run}} failed"),
        ),
        rows("Runs, by accuracy", "percentunit", f"sort_desc({newest('fl_accuracy')})"),
        rows(
            "Accuracy gained a round",
            "none",
            f"sort_desc({newest('fl_convergence_slope')})",
            about="Least-squares slope of the last ten accuracies, of FL servers that are watched.",
        ),
    ]


def _nodes() -> Group:
    seconds = all_within("avg", "fl_client_train_seconds")
    score = all_within("max", "fl_client_update_score")
    return "Nodes", [
        rows("Slowest nodes, mean seconds", "s", f"topk(10, max by (run, node) ({seconds}))"),
        rows(
            "Nodes whose updates are unlike the others'",
            "none",
            f"topk(10, max by (run, node) ({score}) >= 2)",
            about=SUSPECTED,
        ),
    ]


def run() -> Dashboard:
    """One run: its rounds and its clients."""
    return board(
        "fedsight-run",
        "fedsight: one run",
        "The rounds and clients of one run.",
        (_run_now(), _rounds(), _clients()),
        choice("run", "Run", "label_values(fl_round_duration_seconds, run)", several=False),
        choice("node", "Node", 'label_values(fl_client_samples{run="$run"}, node)', several=True),
    )


def _of(name: str) -> str:
    return f'{name}{{run="$run"}}'


def _each(name: str) -> str:
    return f'{name}{{run="$run", node=~"$node"}}'


def _run_now() -> Group:
    rounds = _of("fl_round_duration_seconds")
    return "Now", [
        figure("Accuracy", "percentunit", newest(_of("fl_accuracy"))),
        figure("Best", "percentunit", all_within("max", _of("fl_accuracy"))),
        figure("Loss", "none", newest(_of("fl_eval_loss"))),
        figure("Rounds", "none", all_within("count", rounds)),
        figure("Nodes in the last round", "none", newest(_of("fl_round_participants"))),
        figure("Failures", "none", all_within("sum", _of("fl_round_failures"))),
    ]


def _rounds() -> Group:
    return "Rounds", [
        lines("Accuracy", "percentunit", Line(_of("fl_accuracy"), "accuracy")),
        lines(
            "Loss",
            "none",
            Line(_of("fl_eval_loss"), "held-out set"),
            Line(_of("fl_train_loss"), "training"),
        ),
        lines("Seconds a round", "s", Line(_of("fl_round_duration_seconds"), "round")),
        lines(
            "Nodes",
            "none",
            Line(_of("fl_round_selected"), "chosen"),
            Line(_of("fl_round_participants"), "took part"),
            Line(_of("fl_round_failures"), "failed"),
        ),
        lines(
            "Model payload a round",
            "bytes",
            Line(_of("fl_round_payload_down_bytes"), "to nodes"),
            Line(_of("fl_round_payload_up_bytes"), "back"),
        ),
        lines("Samples behind a round", "none", Line(_of("fl_samples_per_round"), "samples")),
    ]


def _clients() -> Group:
    seconds = _each("fl_client_train_seconds")
    return "Clients", [
        lines("Seconds of training", "s", Line(seconds, "{{node}}")),
        lines(
            "Seconds of training, all nodes",
            "s",
            Line(f"quantile(0.5, {seconds})", "median"),
            Line(f"quantile(0.95, {seconds})", "95th percentile"),
        ),
        lines("Training loss", "none", Line(_each("fl_client_train_loss"), "{{node}}")),
        lines(
            "Training accuracy", "percentunit", Line(_each("fl_client_train_accuracy"), "{{node}}")
        ),
        lines(
            "Seconds on the way",
            "s",
            Line(_each("fl_client_download_seconds"), "{{node}} down"),
            Line(_each("fl_client_upload_seconds"), "{{node}} up"),
            about="Absent in simulation, where nothing is sent.",
        ),
        lines("Waiting for a turn", "s", Line(_each("fl_client_queued_seconds"), "{{node}}")),
        lines("Memory", "bytes", Line(_each("fl_client_peak_memory_bytes"), "{{node}}")),
        lines(
            "How unlike the others' an update is",
            "none",
            Line(_each("fl_client_update_score"), "{{node}}"),
            about=SUSPECTED,
        ),
    ]
