"""Regular expressions of requests: RE2, which takes linear time whatever the pattern."""

from __future__ import annotations

from collections.abc import Sequence

from fedsight.door.refusal import BadFieldError

#: Characters of a pattern at most.
LONGEST = 4096


def matching(pattern: str, values: Sequence[str]) -> list[bool]:
    """Which of `values` the pattern matches as a whole; `.` is any character, as in Prometheus.

    Raises BadFieldError for what is no RE2 pattern (https://github.com/google/re2/wiki/Syntax).
    """
    import duckdb  # RE2 comes with it; a collector that is asked for no pattern never loads it

    if len(pattern) > LONGEST:
        raise BadFieldError("pattern", f"must have at most {LONGEST} characters")
    query = "SELECT regexp_full_match(unnest(?::VARCHAR[]), ?, 's')"
    try:
        with duckdb.connect() as engine:
            found = engine.execute(query, [["", *values], pattern]).fetchall()
    except duckdb.Error as error:
        why = str(error).removeprefix("Invalid Input Error: ")
        raise BadFieldError("pattern", f"must be an RE2 pattern: {why}") from error
    return [bool(row[0]) for row in found[1:]]
