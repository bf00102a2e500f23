"""What is said of rows that did not all go where they wanted."""

from __future__ import annotations

from fedsight.telemetry.windows.contract import MAX_COLUMNS, Added
from fedsight.telemetry.windows.notices import Notices
from fedsight.telemetry.windows.slots import AHEAD_NS


def tell(notices: Notices, node: str, added: Added, *, is_first: bool) -> None:
    """Say what is wrong with rows that were added, each kind of thing once in a while."""
    if added.conflicting:
        text = (
            "node %s: %d values came for slots that hold others, and were not taken: two agents"
            " send this node, or one scrapes more often than windows.interval_seconds"
        )
        notices.tell(node, "conflicting", text, node, added.conflicting)
    if added.late:
        text = "node %s: %d rows are older than its window; they came late, or its clock is slow"
        notices.tell(node, "late", text, node, added.late)
    if added.ahead:
        text = "node %s: %d rows are over %d s in the future and were refused; set its clock"
        notices.tell(node, "ahead", text, node, added.ahead, AHEAD_NS // 10**9)
    if added.left_out:
        text = "node %s: a window has at most %d columns; left out are %d, such as %s"
        first = added.left_out[0][:200]
        notices.tell(node, "width", text, node, MAX_COLUMNS, len(added.left_out), first)
    if added.new_columns and not is_first:
        text = "node %s: its window has new columns, without values before now: %s"
        notices.tell(node, "columns", text, node, ", ".join(added.new_columns)[:500])
