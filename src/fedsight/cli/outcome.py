"""How a command ends. Its exit code is 0 where all went well, 2 for usage, 1 otherwise."""

from __future__ import annotations

import os
import sys
import traceback

import click

from fedsight.config import DEBUG_VARIABLE
from fedsight.errors import FedsightError, UsageError

DONE, FAILED, USAGE = 0, 1, 2
#: What typer makes of a Ctrl-C that no command caught.
TYPER_INTERRUPTED = 130


def run(arguments: list[str]) -> int:
    """The exit code of a command; an error is one sentence on stderr."""
    from fedsight.cli.app import app

    try:
        code: int = app(arguments, prog_name="fedsight", standalone_mode=False) or DONE
        return _told("interrupted", FAILED) if code == TYPER_INTERRUPTED else code
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return USAGE
    except click.ClickException as error:
        return _told(error.format_message(), error.exit_code)
    except UsageError as error:
        return _told(str(error), USAGE)
    except FedsightError as error:
        return _told(str(error), FAILED)
    except (click.Abort, KeyboardInterrupt):
        return _told("interrupted", FAILED)
    except BrokenPipeError:
        return _quietly_closed()
    except Exception as error:  # whatever else goes wrong is a bug: still one sentence, not a trace
        kind = type(error).__name__
        hint = f"set {DEBUG_VARIABLE}=1 to see where"
        return _told(f"unexpected {kind}: {error} ({hint})", FAILED)


def _told(sentence: str, code: int) -> int:
    if os.environ.get(DEBUG_VARIABLE) == "1":
        traceback.print_exc()
    print(f"fedsight: {' '.join(sentence.split())}", file=sys.stderr)
    return code


def _quietly_closed() -> int:
    """The reader of our output went away (`| head`): what it wanted, it has."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return DONE
