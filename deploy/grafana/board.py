"""One dashboard put together: rows of panels, variables, and what all of them have in common."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models.dashboard import (
    Dashboard,
    DashboardCursorSync,
    VariableRefresh,
    VariableSort,
)

from deploy.grafana.panels import SOURCE, Panel

Group = tuple[str, Iterable[Panel]]

TAG = "fedsight"


def board(
    uid: str, title: str, about: str, groups: Iterable[Group], *variables: dashboard.QueryVariable
) -> Dashboard:
    """The dashboard; `uid` is its address."""
    made = (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(about)
        .tags([TAG])
        .time("now-6h", "now")
        .refresh("10s")
        .timezone("utc")
        .readonly()
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .with_variable(
            dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus")
        )
    )
    for variable in variables:
        made = made.with_variable(variable)
    ids = count(1)
    for name, panels in groups:
        made = made.with_row(dashboard.Row(name).id(next(ids)))
        for panel in panels:
            made = made.with_panel(panel.id(next(ids)))
    return made.build()


def choice(name: str, label: str, query: str, *, several: bool) -> dashboard.QueryVariable:
    """A variable that a person chooses from a label's values."""
    made = (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(SOURCE)
        .query(query)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_DESC)
    )
    return made.multi(True).include_all(True).all_value(".*") if several else made
