"""Whatever the rules and whatever is asked: the batch agrees with the engine, nothing raises."""

from __future__ import annotations

from typing import Any

import cedarpy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fedsight.policy import Engine, Party, Ref, Request
from fedsight.policy.entities import MINUTE_NS, Entities, encoded, misfit
from fedsight.policy.files import default
from tests.policy.asked import GOOD, NOON, changed

NUMBERS = ("cpu_count", "memory_mb")
LIMITS = ("min_cpu_count", "min_memory_mb", "max_rounds")

comparisons = st.builds(
    "{} {} {}".format,
    st.sampled_from([f"principal.{name}" for name in NUMBERS] + ["context.minute"]),
    st.sampled_from(["<", "<=", ">", ">=", "==", "!="]),
    st.sampled_from([f"resource.{name}" for name in LIMITS]) | st.integers(-5, 2**40).map(str),
)
others = st.sampled_from(
    [
        "principal in resource",
        "principal.trust.lessThan(resource.min_trust)",
        'principal.capabilities.contains("gpu")',
        "(principal has samples && principal.samples > 10)",
        'principal == FL::Client::"c-1"',
        'action == FL::Action::"train"',
        "principal.memory_mb * principal.memory_mb > 4",
        "resource.weekdays.contains(context.weekday)",
        "resource has epsilon_budget",
        "resource.max_rounds * 9223372036854775807 > context.minute",
        'FL::Client::"c-1".cpu_count > 3',
    ]
)
conditions = st.recursive(
    comparisons | others,
    lambda inner: (
        st.builds("({} && {})".format, inner, inner)
        | st.builds("({} || {})".format, inner, inner)
        | st.builds("!({})".format, inner)
        | st.builds("(if {} then {} else {})".format, inner, inner, inner)
    ),
    max_leaves=6,
)
heads = st.sampled_from(
    [
        'principal is FL::Client, action == FL::Action::"train", resource is FL::Federation',
        'principal is FL::Client, action in FL::Action::"work", resource is FL::Federation',
        'principal is FL::Client, action in FL::Action::"takePart", resource is FL::Federation',
        'principal == FL::Client::"c-1", action == FL::Action::"train", resource is FL::Federation',
        'principal is FL::Client in FL::Federation::"federation",'
        ' action in [FL::Action::"train", FL::Action::"evaluate"], resource',
    ]
)


@st.composite
def rule_sets(draw: st.DrawFn) -> tuple[str, str]:
    rules = draw(
        st.lists(
            st.tuples(
                st.sampled_from(["permit", "forbid"]),
                heads,
                st.lists(st.tuples(st.sampled_from(["when", "unless"]), conditions), max_size=3),
            ),
            max_size=5,
        )
    )
    text = "\n".join(
        f'@id("r.{at}") @reason("r") {effect} ({head}) '
        + " ".join(f"{kind} {{ {condition} }}" for kind, condition in conditions)
        + ";"
        for at, (effect, head, conditions) in enumerate(rules)
    )
    members = draw(st.sampled_from(['["*"]', '["c-1", "c-3"]', "[]"]))
    return members, text


values: st.SearchStrategy[Any] = (
    st.integers(-(2**70), 2**70)
    | st.floats()
    | st.booleans()
    | st.none()
    | st.text(max_size=5)
    | st.lists(st.text(max_size=3) | st.integers(), max_size=3)
    | st.just(Ref("Client", "c-1"))
    | st.dictionaries(st.text(max_size=3), st.integers(), max_size=2)
)
attributes = st.builds(
    lambda base, changes, left_out: {
        key: one for key, one in {**base, **changes}.items() if key not in left_out
    },
    st.sampled_from([dict(GOOD), {}]),
    st.dictionaries(st.sampled_from(sorted(GOOD)) | st.text(max_size=4), values, max_size=2),
    st.sets(st.sampled_from(sorted(GOOD)), max_size=1),
)
names = st.sampled_from(["c-1", "c-2", "c-3", ""]) | st.text(max_size=6)
parties = st.builds(
    Party,
    st.sampled_from(["Client", "Client", "Client", "Operator", "Server", "Ghost", ""]),
    names,
    attributes,
    st.just(()) | st.just((Ref("Role", "admin"),)) | st.just((Ref("Nobody", "x"),)),
)
resources = st.none() | st.builds(
    Party, st.sampled_from(["Federation", "Model", "Run", "Client"]), names, attributes
)
asked = st.builds(
    Request,
    parties,
    st.sampled_from(["train", "evaluate", "participate", "work", "shareModel"])
    | st.text(max_size=5),
    st.just(NOON)
    | st.integers(0, 7 * 24 * 60).map(lambda minutes: NOON + minutes * MINUTE_NS)
    | st.integers(-(2**80), 2**80),
    resources,
    st.just({}) | st.dictionaries(st.text(max_size=4), values, max_size=1),
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rule_sets(), st.lists(asked, max_size=12))
def test_batch_and_engine_agree_and_nothing_raises(
    written: tuple[str, str], requests: list[Request]
) -> None:
    taken = changed({"members": written[0]}, clients=written[1])
    engine = Engine(taken)
    together = engine.decide_all(requests)
    other = Engine(taken)
    alone = [other.decide(one) for one in requests]
    assert together == alone
    for request, decision in zip(requests, alone, strict=True):
        assert decision == engine.decide(request)
        if decision.allowed:
            assert {one.effect for one in decision.rules} == {"permit"}
            assert decision.errors == ()


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rule_sets(), st.lists(asked, max_size=8))
def test_the_sliced_set_answers_as_the_whole_one_asked_by_cedar_itself(
    written: tuple[str, str], requests: list[Request]
) -> None:
    taken = changed({"members": written[0]}, clients=written[1])
    engine = Engine(taken)
    whole = "\n".join(one.text for one in taken.rules)
    makes = Entities(taken.schema, taken.federation)
    for request in requests:
        decision = engine.decide(request)
        try:
            parties = [request.principal] + ([request.resource] if request.resource else [])
            entities = [makes.federation(), *map(makes.of, parties)]
            context = makes.context(request.time, request.context)
            document = f"[{','.join(encoded(one).decode() for one in entities)}]"
            handle = cedarpy.Entities.from_json_str(document, taken.schema.handle)
        except (ValueError, TypeError, AttributeError, OverflowError):
            assert not decision.allowed
            continue
        question = {
            "principal": entities[1]["uid"],
            "action": {"type": "FL::Action", "id": request.action},
            "resource": entities[2]["uid"] if request.resource else entities[0]["uid"],
            "context": encoded(context).decode(),
        }
        answer = cedarpy.is_authorized(question, whole, handle, taken.schema.text)
        assert decision.allowed is (answer.allowed and not answer.diagnostics.errors)
        if not decision.errors:
            said = answer.diagnostics.id_annotations_by_reason.values()
            assert {one.id for one in decision.rules} == set(said)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["Client", "Model", "Run"]), attributes)
def test_what_is_taken_without_cedars_look_fits_the_schema(
    kind: str, given_: dict[str, Any]
) -> None:
    taken = default()
    try:
        entity = Entities(taken.schema, taken.federation).of(Party(kind, "x", given_))
        document = f"[{encoded(entity).decode()}]"
    except (ValueError, TypeError, AttributeError, OverflowError):
        return
    try:
        cedarpy.Entities.from_json_str(document, taken.schema.handle)
    except ValueError:
        assert misfit(taken.schema, entity) is not None
    else:
        assert misfit(taken.schema, entity) is None
