"""Panels of the dashboards: what each shows, in which unit, by which expressions."""

from __future__ import annotations

from dataclasses import dataclass

from grafana_foundation_sdk.builders import common, prometheus, stat, table, timeseries
from grafana_foundation_sdk.models import common as looks
from grafana_foundation_sdk.models.dashboard import DataSourceRef
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

#: The data source is a variable, so that the dashboards work with any that speaks PromQL.
SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
#: Rounds may lie minutes apart: a line goes on through the gaps between them.
GAPS = True

Panel = timeseries.Panel | stat.Panel | table.Panel


@dataclass(frozen=True)
class Line:
    """One expression and what its series are called."""

    expr: str
    legend: str = "{{run}}"


def _query(line: Line, place: int) -> prometheus.Dataquery:
    return (
        prometheus.Dataquery()
        .expr(line.expr)
        .legend_format(line.legend)
        .ref_id(chr(ord("A") + place))
        .datasource(SOURCE)
    )


def lines(title: str, unit: str, *of: Line, about: str = "", width: int = 12) -> timeseries.Panel:
    """Values over time."""
    panel = (
        timeseries.Panel()
        .title(title)
        .description(about)
        .unit(unit)
        .datasource(SOURCE)
        .height(8)
        .span(width)
        .span_nulls(GAPS)
        .line_width(1)
        .fill_opacity(4)
        .show_points(looks.VisibilityMode.AUTO)
        .legend(
            common.VizLegendOptions()
            .display_mode(looks.LegendDisplayMode.LIST)
            .placement(looks.LegendPlacement.BOTTOM)
            .show_legend(True)
        )
        .tooltip(common.VizTooltipOptions().mode(looks.TooltipDisplayMode.MULTI))
    )
    for place, line in enumerate(of):
        panel = panel.with_target(_query(line, place).range())
    return panel


def figure(title: str, unit: str, expr: str, *, about: str = "", width: int = 4) -> stat.Panel:
    """One number: the newest. Where nothing was measured it says so."""
    return (
        stat.Panel()
        .title(title)
        .description(about)
        .unit(unit)
        .datasource(SOURCE)
        .height(4)
        .span(width)
        .no_value("unknown")
        .graph_mode(looks.BigValueGraphMode.NONE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .with_target(_query(Line(expr, ""), 0).instant())
    )


def rows(title: str, unit: str, expr: str, *, about: str = "", width: int = 12) -> table.Panel:
    """A table: a row a series, at the end of the range."""
    return (
        table.Panel()
        .title(title)
        .description(about)
        .unit(unit)
        .datasource(SOURCE)
        .height(8)
        .span(width)
        .with_target(_query(Line(expr, ""), 0).instant().format(PromQueryFormat.TABLE))
    )
