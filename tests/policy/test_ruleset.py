from __future__ import annotations

from pathlib import Path

import pytest

from fedsight.errors import UsageError
from fedsight.policy import PolicyError, ruleset
from fedsight.policy.files import default, default_texts, init, read
from fedsight.policy.upgrading import upgraded
from tests.policy.asked import changed

HEAD = '@id("own")\n@reason("because")\n'
FORBID = HEAD + 'forbid (principal is FL::Client, action == FL::Action::"train", resource)\n'


def faults(*args: object, **files: str) -> list[str]:
    with pytest.raises(PolicyError) as refused:
        changed(*args, **files)  # type: ignore[arg-type]
    return [str(one) for one in refused.value.faults]


def test_every_rule_of_the_default_set_has_a_name_and_a_reason() -> None:
    rules = default().rules
    assert len(rules) == 30
    assert len({one.id for one in rules}) == 30
    assert all(one.reason for one in rules)
    assert default().warnings == ()


@pytest.mark.parametrize(
    ("text", "line", "column", "said"),
    [
        (HEAD + "permit (principal action, resource);", 3, 19, "`action` is not expected here"),
        (FORBID + "when { principal.trust > };", 4, 26, "`}` is not expected here; expected "),
        (FORBID + 'when { "abc };', 4, 8, "a text that does not end is not expected"),
        (FORBID + "when { true }", 4, 14, "the file ends; expected when, unless"),
        (FORBID + "wenn { true };", 4, 1, "invalid policy condition: wenn; expected when, unless"),
        (
            "// fine\n\nallow (principal);",
            3,
            1,
            "invalid policy effect: allow; expected permit, forbid",
        ),
        (FORBID + "; " + FORBID + "when { § };", 7, 8, "`§` is not expected here"),
        ('@id("a") @id("b") permit (principal, action, resource);', 1, 1, "duplicate annotation"),
    ],
)
def test_what_does_not_parse_is_named_with_line_column_and_what_was_expected(
    text: str, line: int, column: int, said: str
) -> None:
    (fault,) = faults(own=text)
    assert fault.startswith(f"own.cedar:{line}:{column}: ")
    assert said in fault


@pytest.mark.parametrize(
    ("condition", "column", "said"),
    [
        ("principal.battery > 3", 18, "attribute `battery` on entity type `FL::Client` not found"),
        ("resource.min_trust > 3", 8, "unexpected type: expected Long but saw decimal"),
        ("context.hour == 3", 16, "attribute `hour`"),
    ],
)
def test_what_the_schema_lacks_is_named_where_it_stands(
    condition: str, column: int, said: str
) -> None:
    found = faults(
        own=FORBID.replace("resource)", "resource is FL::Federation)") + f"when {{ {condition} }};"
    )
    assert said in found[0]
    assert "rule own: " in found[0]
    assert found[0].startswith("own.cedar:")
    if "attribute" in said:
        assert found[0].startswith(f"own.cedar:4:{column}: ")


def test_an_unknown_action_or_type_in_a_head_is_refused() -> None:
    (first, *_) = faults(own=HEAD + 'forbid (principal, action == FL::Action::"fly", resource);')
    assert "own.cedar:3:" in first
    assert "fly" in first
    (first, *_) = faults(own=HEAD + "forbid (principal is FL::Ghost, action, resource);")
    assert "Ghost" in first


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('@reason("r") permit (principal, action, resource);', 'a rule needs @id("name")'),
        ('@id("a b") @reason("r") permit (principal, action, resource);', "got 'a b'"),
        ('@id("a") permit (principal, action, resource);', "rule a needs @reason"),
        ('@id("a") @reason(" ") permit (principal, action, resource);', "rule a needs @reason"),
        (HEAD + "permit (principal == ?principal, action, resource);", "a template"),
        (HEAD + '@obliges("max_rounds <= 5") permit (principal, action, resource);', "an @owner"),
        (
            HEAD + '@owner("o") @obliges("speed <= 5") permit (principal, action, resource);',
            "'speed <= 5'; allowed are max_rounds <= NUMBER",
        ),
        (
            HEAD + '@owner("o") @obliges("max_rounds >= 5") permit (principal, action, resource);',
            "max_rounds is bounded by <=",
        ),
        (
            HEAD + '@owner("o") @obliges("fraction <= 1.5") permit (principal, action, resource);',
            "from 1e-06 to 1, got 1.5",
        ),
        (
            HEAD
            + '@owner("o") @obliges("min_clients >= 2.5") permit (principal, action, resource);',
            "a whole number",
        ),
        (
            HEAD + '@owner("o") @priority("x") @obliges("fraction <= 1")'
            " permit (principal, action, resource);",
            "@priority",
        ),
        (
            HEAD + '@owner("o") @obliges("fraction <= 1") forbid (principal, action, resource);',
            "only a permit can oblige",
        ),
    ],
)
def test_a_rule_without_name_reason_or_owner_is_refused(text: str, said: str) -> None:
    (fault,) = faults(own=text)
    assert said in fault


def test_two_rules_of_one_id_are_named_both() -> None:
    text = '@id("client.member") @reason("r") permit (principal, action, resource);'
    assert faults(own=text) == ["own.cedar:1:1: @id 'client.member' is taken by clients.cedar:3"]


def test_all_that_is_wrong_is_told_at_once() -> None:
    any_ = "permit (principal, action, resource);"
    text = f'@id("a") {any_}\n@reason("r") {any_}'
    assert len(faults(own=text)) == 2


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"min_trust": '"0.5"'}, "min_trust must be a number, got the text '0.5'"),
        ({"min_samples": "1.5"}, "min_samples must be a whole number, got 1.5"),
        ({"min_sample": "1"}, "has min_sample, which the schema lacks"),
        ({"opens": '"25:00"'}, "opens must be a Long, got '25:00'"),
        ({"time_zone": '"Middle/Earth"'}, "time_zone must be a name as Europe/Berlin"),
        ({"time_zone": '"../etc/passwd"'}, "time_zone must be a name"),
        ({"members": '"everybody"'}, "Expected `array`, got `str` - at `$.members`"),
        ({"min_trust": "nan"}, "limits.min_trust must be a finite number"),
        ({"min_trust": "="}, "federation.toml:"),
    ],
)
def test_a_wrong_number_of_the_federation_is_named(limits: dict[str, str], said: str) -> None:
    (fault,) = faults(limits)
    assert said in fault
    assert fault.startswith("federation.toml")


def test_a_limit_that_is_missing_is_named() -> None:
    texts = default_texts()
    texts["federation.toml"] = texts["federation.toml"].replace("min_trust = 0.4", "")
    with pytest.raises(PolicyError, match="lacks min_trust"):
        ruleset(texts)


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ("namespace FL {\n  entity A = { x: Foo };\n}", "cedarschema:2:19: failed to resolve type"),
        (
            "namespace FL {\n  entity A = { ,, };\n}",
            "fedsight.cedarschema:2:16: `,` is not expected",
        ),
        ("namespace FL {\n  entity A", "fedsight.cedarschema:2:11: the file ends"),
    ],
)
def test_a_schema_that_is_none_is_named_with_its_place(schema: str, said: str) -> None:
    with pytest.raises(PolicyError) as refused:
        ruleset({**default_texts(), "fedsight.cedarschema": schema})
    assert said in str(refused.value)


@pytest.mark.parametrize("name", ["fedsight.cedarschema", "federation.toml"])
def test_a_file_that_is_missing_is_named(name: str) -> None:
    texts = default_texts()
    del texts[name]
    with pytest.raises(PolicyError, match=f"{name}: is missing"):
        ruleset(texts)


def test_the_version_is_of_all_that_decides() -> None:
    assert changed().version == changed().version
    own = '@id("own") @reason("r") permit (principal, action, resource);'
    versions = {changed().version, changed({"min_trust": "0.5"}).version, changed(own=own).version}
    assert len(versions) == 3
    tested = ruleset({**default_texts(), "more.test.toml": ""})
    assert tested.version == default().version


def test_a_set_is_written_once_and_read_again(tmp_path: Path) -> None:
    folder = tmp_path / "policy"
    assert "clients.cedar" in init(folder)
    assert read(folder).version == default().version
    with pytest.raises(UsageError, match="has a policy set already"):
        init(folder)


def test_a_folder_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="cannot be read: No such file"):
        read(tmp_path / "nowhere")
    init(tmp_path)
    (tmp_path / "clients.cedar").write_bytes(b"\xff\xfe")
    with pytest.raises(PolicyError, match=r"clients\.cedar: is no UTF-8"):
        read(tmp_path)


def test_a_schema_from_before_runs_told_of_privacy_is_named_and_mended() -> None:
    old = default_texts()["fedsight.cedarschema"].replace("    private?: Bool,\n", "")
    found = changed()
    assert found.warnings == ()
    texts = {**default_texts(), "fedsight.cedarschema": old}
    texts = {
        name: text
        for name, text in texts.items()
        if "private" not in text or name == "fedsight.cedarschema"
    }
    lacking = ruleset(texts)
    client, run = lacking.warnings
    assert client.startswith("fedsight.cedarschema:27:36: entity Client lacks private")
    assert "Add the line `private?: Bool,` here" in client
    assert run.startswith("fedsight.cedarschema:40:33: entity Run lacks private")
    mended = upgraded(lacking.schema)
    assert ruleset({**texts, "fedsight.cedarschema": mended}).warnings == ()
    assert [line for line in mended.splitlines() if line.strip() == "private?: Bool,"] == [
        "    private?: Bool,"
    ] * 2
    assert upgraded(found.schema) == found.schema.text


def test_a_nodes_own_schema_lacks_nothing_of_a_runs() -> None:
    assert ruleset(default_texts(of_node=True)).warnings == ()
