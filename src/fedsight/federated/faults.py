"""Codes of the Errors that stand in for an answer, beside Flower's own."""

from __future__ import annotations

#: An update that was not averaged in.
UPDATE_REJECTED = 1001
#: A node whose own policy does not let it do what it was asked.
REFUSED_BY_NODE = 1002
