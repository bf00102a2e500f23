"""Text as a cell of CSV that no spreadsheet takes for a formula.

Names and labels come from whoever sends samples; a spreadsheet computes what begins with one of a
few marks, and a formula can send a file's content elsewhere. An apostrophe before it makes it text
(https://owasp.org/www-community/attacks/CSV_Injection). Numbers stay numbers.
"""

from __future__ import annotations

import re

#: What a spreadsheet would compute; Asian ones also what is written in full width.
MARKS = "=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20"
FORMULA = re.compile(f"[{MARKS}]")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def text_cell(text: str) -> str:
    """The text, after an apostrophe where it begins as a formula does and is no number."""
    risky = FORMULA.match(text) is not None and NUMBER.fullmatch(text) is None
    return f"'{text}" if risky else text


def text_column(expression: str) -> str:
    """The same as SQL of DuckDB, of an expression that is text or NULL."""
    risky = f"regexp_matches({expression}, '^[{MARKS}]')"
    number = f"regexp_full_match({expression}, '{NUMBER.pattern}')"
    return f"CASE WHEN {risky} AND NOT {number} THEN '''' || {expression} ELSE {expression} END"
