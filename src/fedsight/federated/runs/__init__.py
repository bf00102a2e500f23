"""One run from its plan to its end: what is journaled, kept and remembered of it."""
