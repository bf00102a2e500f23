"""The ServerApp that a run's bundle names. It never runs where all is well: the process that
submitted the run claims its task and is the server itself."""

from __future__ import annotations

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Says why it has no business here."""
    raise RuntimeError(
        "this run is driven by the fedsight process that submitted it: start the SuperLink with"
        " --isolation process, or use `fedsight serve superlink`"
    )
