"""Which metric of `docs/metrics.md` stands in which column of a round or a client."""

from __future__ import annotations

ROUND_FIGURES = {
    "fl_accuracy": "accuracy",
    "fl_eval_loss": "loss",
    "fl_train_loss": "train_loss",
    "fl_round_duration_seconds": "seconds",
    "fl_round_selected": "selected",
    "fl_round_participants": "participants",
    "fl_round_failures": "failures",
    "fl_samples_per_round": "samples",
    "fl_round_payload_down_bytes": "payload_down_bytes",
    "fl_round_payload_up_bytes": "payload_up_bytes",
}

CLIENT_FIGURES = {
    "fl_client_train_seconds": "train_seconds",
    "fl_client_cpu_seconds": "cpu_seconds",
    "fl_client_queued_seconds": "queued_seconds",
    "fl_client_samples": "samples",
    "fl_client_train_loss": "train_loss",
    "fl_client_train_accuracy": "train_accuracy",
    "fl_client_payload_down_bytes": "payload_down_bytes",
    "fl_client_payload_up_bytes": "payload_up_bytes",
    "fl_client_download_seconds": "download_seconds",
    "fl_client_upload_seconds": "upload_seconds",
    "fl_client_peak_memory_bytes": "peak_memory_bytes",
}

#: Columns that count something: whole numbers from 0 on.
COUNTS = frozenset(
    {
        "selected",
        "participants",
        "failures",
        "samples",
        "payload_down_bytes",
        "payload_up_bytes",
        "peak_memory_bytes",
    }
)

COUNT_METRICS = frozenset(
    name for name, column in (ROUND_FIGURES | CLIENT_FIGURES).items() if column in COUNTS
)

#: JSON readers hold whole numbers exactly up to here.
LARGEST_COUNT = 2**53

#: What only a client that answered can have measured: its presence means that it trained.
REPLY_METRICS = frozenset(
    {
        "fl_client_train_seconds",
        "fl_client_cpu_seconds",
        "fl_client_samples",
        "fl_client_train_loss",
        "fl_client_train_accuracy",
        "fl_client_payload_up_bytes",
    }
)

#: Events that say what became of a client in a round, and the status they mean.
CLIENT_OUTCOMES = {
    "CLIENT_FAILED": "failed",
    "UPDATE_REJECTED": "rejected",
    "CLIENT_SILENT": "no_reply",
}
