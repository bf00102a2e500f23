"""An expression's value at all times of a query.

Semantics are those of Prometheus 2, held by a test that asks a real one the same. Where that
evaluates one time after another, here each node of the tree is evaluated once, over columns of all
times.
https://prometheus.io/docs/prometheus/latest/querying/basics/
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from fedsight.collector.promql import aggregation, functions, operators, ranges
from fedsight.collector.promql.selecting import Evaluation, instant, sample_times
from fedsight.collector.promql.syntax import matchers
from fedsight.collector.promql.values import Scalar, Text, Value, Vector, unnamed

if TYPE_CHECKING:
    import promql_parser as promql


def evaluated(evaluation: Evaluation, tree: promql.Expr) -> Value:
    """The value. Raises PromError for what cannot be evaluated, or would be too much."""
    evaluation.spend(0)
    with np.errstate(all="ignore"):
        value = NODES[type(tree).__name__](evaluation, tree)
    if isinstance(value, Vector):
        evaluation.check_cells(len(value.labels))
    return value


def _number(evaluation: Evaluation, tree: Any) -> Value:
    return Scalar(np.full(len(evaluation.times), float(tree.val)))


def _text(_: Evaluation, tree: Any) -> Value:
    return Text(tree.val)


def _inside(evaluation: Evaluation, tree: Any) -> Value:
    return evaluated(evaluation, tree.expr)


def _negated(evaluation: Evaluation, tree: Any) -> Value:
    value = evaluated(evaluation, tree.expr)
    if isinstance(value, Vector):
        return unnamed(Vector(value.labels, -value.values, value.present))
    assert isinstance(value, Scalar)
    return Scalar(-value.values)


def _matrix(_: Evaluation, __: Any) -> Value:
    raise functions.unknown("a range vector outside of a function")


def _subquery(_: Evaluation, __: Any) -> Value:
    raise functions.unknown("a subquery")


def _call(evaluation: Evaluation, tree: Any) -> Value:
    name = tree.func.name
    matrix = next((arg for arg in tree.args if type(arg).__name__ == "MatrixSelector"), None)
    if matrix is not None:
        return _over_range(evaluation, name, tree.args, matrix)
    if any(type(arg).__name__ == "SubqueryExpr" for arg in tree.args):
        raise functions.unknown("a subquery")
    if name == "timestamp" and type(tree.args[0]).__name__ == "VectorSelector":
        return unnamed(sample_times(evaluation, tree.args[0]))
    given = [evaluated(evaluation, arg) for arg in tree.args]
    times = evaluation.times / 1e9
    if name == "timestamp" and isinstance(given[0], Vector):
        taken = np.broadcast_to(times, given[0].values.shape)
        return unnamed(Vector(given[0].labels, taken, given[0].present))
    if name == "absent" and isinstance(given[0], Vector):
        selector = tree.args[0]
        asked = matchers(selector) if type(selector).__name__ == "VectorSelector" else ()
        return functions.absent(given[0], asked)
    return functions.called(name, given, times)


def _over_range(evaluation: Evaluation, name: str, args: list[Any], matrix: Any) -> Value:
    if name == "quantile_over_time":
        share = evaluated(evaluation, args[0])
        assert isinstance(share, Scalar)
        function = ranges.quantiles(share.values)
    elif name in ranges.RANGE_FUNCTIONS:
        function = ranges.RANGE_FUNCTIONS[name]
    else:
        raise functions.unknown(name)
    costly = ranges.SLOW_COST if name in ranges.SLOW else 1
    named = name == "last_over_time"
    return ranges.over_ranges(evaluation, matrix, function, costly=costly, named=named)


def _aggregate(evaluation: Evaluation, tree: Any) -> Value:
    op = str(tree.op)
    vector = evaluated(evaluation, tree.expr)
    assert isinstance(vector, Vector)
    names = tuple(tree.modifier.labels) if tree.modifier else ()
    by = tree.modifier is None or str(tree.modifier.type).endswith("By")
    if op in aggregation.GROUPS:
        return aggregation.aggregated(vector, names, aggregation.GROUPS[op], by=by)
    if op not in ("quantile", "topk", "bottomk"):
        raise functions.unknown(op)
    given = evaluated(evaluation, tree.param)
    assert isinstance(given, Scalar)
    if op == "quantile":
        return aggregation.aggregated(vector, names, aggregation.quantile(given), by=by)
    return aggregation.ranked(vector, names, given, by=by, top=op == "topk")


def _binary(evaluation: Evaluation, tree: Any) -> Value:
    op = str(tree.op)
    if op not in operators.ARITHMETIC | operators.COMPARISON and op not in operators.SETS:
        raise functions.unknown(f"the operator {op}")
    left, right = evaluated(evaluation, tree.lhs), evaluated(evaluation, tree.rhs)
    boolean = bool(tree.modifier and tree.modifier.return_bool)
    if isinstance(left, Scalar) and isinstance(right, Scalar):
        return operators.scalars(op, left, right)
    if isinstance(left, Vector) and isinstance(right, Scalar):
        return operators.with_scalar(op, left, right, swapped=False, boolean=boolean)
    if isinstance(left, Scalar) and isinstance(right, Vector):
        return operators.with_scalar(op, right, left, swapped=True, boolean=boolean)
    assert isinstance(left, Vector)
    assert isinstance(right, Vector)
    evaluation.spend(len(left.labels) * len(evaluation.times))
    matching = _matching(tree.modifier)
    if op in operators.SETS:
        return operators.sets(op, left, right, matching)
    return operators.vectors(op, left, right, matching, boolean=boolean)


def _matching(modifier: Any) -> operators.Matching:
    if modifier is None:
        return operators.Matching()
    filled = modifier.fill_values
    if filled is not None and (filled.lhs is not None or filled.rhs is not None):
        raise functions.unknown("fill")
    side = {"ManyToOne": "left", "OneToMany": "right"}.get(str(modifier.card).rpartition(".")[2])
    labels = modifier.matching
    return operators.Matching(
        tuple(labels.labels) if labels else (),
        bool(labels) and str(labels.type).endswith("Include"),
        side,
        tuple(modifier.group_labels or ()),
    )


NODES: dict[str, Callable[[Evaluation, Any], Value]] = {
    "NumberLiteral": _number,
    "StringLiteral": _text,
    "ParenExpr": _inside,
    "UnaryExpr": _negated,
    "VectorSelector": instant,
    "MatrixSelector": _matrix,
    "SubqueryExpr": _subquery,
    "Call": _call,
    "AggregateExpr": _aggregate,
    "BinaryExpr": _binary,
}


def by_value(tree: Any) -> bool | None:
    """How an instant query's series are ordered: True: falling, False: rising, None: by labels."""
    while type(tree).__name__ == "ParenExpr":
        tree = tree.expr
    kind = type(tree).__name__
    name = str(tree.op) if kind == "AggregateExpr" else ""
    name = tree.func.name if kind == "Call" else name
    return {"topk": True, "sort_desc": True, "bottomk": False, "sort": False}.get(name)
