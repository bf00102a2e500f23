"""Sets that are looked at, changed, gone back to, and judged by, over HTTP."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import httpx
import pytest

from fedsight.policy.service import replaying
from fedsight.policy.versions import Versions, difference
from tests.policy.service.served import GOOD, Served, files_of

NEVER = '@id("more.never")\n@reason("no")\nforbid (principal, action, resource) when { false };\n'


def current(http: httpx.Client) -> dict[str, Any]:
    found: dict[str, Any] = http.get("/api/v1/policies").json()
    return found


def validated(http: httpx.Client, files: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = http.post("/api/v1/policies/validate", json={"files": files}).json()
    return found


def stricter(files: dict[str, str]) -> dict[str, str]:
    limits = files["federation.toml"].replace("min_trust = 0.4", "min_trust = 0.95")
    return {**files, "federation.toml": limits}


def test_the_set_tells_its_rules_and_how_often_each_refused(served: Served) -> None:
    with served.client() as http:
        for trust in (0.9, 0.1, 0.2):
            http.post("/check/client_eligibility", json={**GOOD, "trust_score": trust})
        answer = http.get("/api/v1/policies")
    found = answer.json()
    rules = {one["id"]: one for one in found["policies"]}
    assert rules["client.trust-too-low"]["refused"] == 2
    assert rules["client.trust-too-low"]["actions"] == ["takePart"]
    assert rules["client.too-few-cores"]["refused"] == 0
    assert answer.headers["etag"] == f'"{found["digest"]}"'
    assert (found["number"], found["change_refused"]) == (1, None)
    with served.client("t-viewer") as http:
        viewer = current(http)
    assert viewer["change_refused"] == "no rule permits it"
    assert viewer["replay_refused"] == "no rule permits it"


def test_a_draft_hears_its_faults_at_their_places_and_what_came_of_its_tests(
    served: Served,
) -> None:
    with served.client("t-viewer") as http:
        right = validated(http, files_of())
        failed = validated(http, stricter(files_of()))
        wrong = validated(http, files_of(bad="permit (principal,\n  action resource);"))
        toml = validated(http, {**files_of(), "default.test.toml": "[[test]]\nname = "})
    assert right["ok"]
    assert len(right["tests"]) == files_of()["default.test.toml"].count("[[test]]")
    assert not any(one["wrong"] for one in right["tests"])
    assert right["tests"][0] == {
        "file": "default.test.toml",
        "line": 3,
        "name": "a good client trains",
        "expected": "allowed by client.member",
        "got": "allowed by client.member",
        "rules": ["client.member"],
        "errors": [],
        "wrong": None,
    }
    assert right["change_refused"] == "no rule permits it"  # a viewer's
    with served.client() as http:
        assert validated(http, files_of())["change_refused"] is None
        rules = {name: text for name, text in files_of().items() if not name.endswith(".cedar")}
        empty = validated(http, {name: rules[name] for name in rules if "test" not in name})
    assert empty["warnings"] == ["the policy set has no rule: everything is refused"]
    assert empty["change_refused"] == "no rule permits it"
    assert failed["ok"]
    bad = next(one for one in failed["tests"] if one["wrong"])
    assert (bad["name"], bad["got"]) == (
        "a good client trains",
        "refused by client.trust-too-low",
    )
    fault = wrong["faults"][0]
    assert (fault["file"], fault["line"], fault["column"]) == ("bad.cedar", 2, 10)
    assert "expected" in fault["message"]
    assert wrong["tests"] == []
    assert (toml["faults"][0]["file"], toml["faults"][0]["line"]) == ("default.test.toml", 2)


def test_two_editors_never_overwrite_each_other(served: Served) -> None:
    with served.client() as http:
        digest = current(http)["digest"]
        tests = files_of()["default.test.toml"]
        other = {**files_of(), "default.test.toml": tests.replace("good client", "client")}
        body = {"files": other, "expected": digest, "by": "anna", "note": "words"}
        first = http.put("/api/v1/policies", json=body)
        assert first.status_code == 200, first.text
        odd = http.put("/api/v1/policies", json={**body, "by": "a\x1b[2J"})
        assert (odd.status_code, odd.json()["error"]["field"]) == (422, "by")
        late = http.put("/api/v1/policies", json={**body, "files": files_of()})
        assert late.status_code == 409
        assert "anna (data directory)" in late.json()["error"]["message"]
        stale = {"If-Match": f'"{digest}"'}
        old = http.put("/api/v1/policies", json={"files": files_of()}, headers=stale)
        assert old.status_code == 412
        back = {"number": 1, "expected": digest}
        assert http.post("/api/v1/policies/rollback", json=back).status_code == 409
        assert current(http)["files"] == other
        (served.rules / "default.test.toml").write_text(tests)
        edited = {"files": files_of(), "expected": current(http)["digest"]}
        found = http.put("/api/v1/policies", json=edited)
    # Whichever came first, what was edited in the folder was seen or is told of.
    assert found.status_code in {200, 409}


def test_versions_are_listed_compared_and_gone_back_to(served: Served) -> None:
    with served.client() as http:
        body = {"files": stricter(files_of()), "note": "more trust"}
        assert http.put("/api/v1/policies", json=body).json()["number"] == 2
        listed = http.get("/api/v1/policies/versions").json()
        assert [one["number"] for one in listed["versions"]] == [2, 1]
        assert (listed["total"], listed["versions"][0]["note"]) == (2, "more trust")
        assert listed["versions"][0]["author"] == "data directory"
        page = http.get("/api/v1/policies/versions?limit=1&offset=1").json()
        assert [one["number"] for one in page["versions"]] == [1]
        whole = http.get("/api/v1/policies/versions/1").json()
        assert whole["files"] == files_of()
        assert http.get("/api/v1/policies/versions/7").status_code == 404
        assert http.get("/api/v1/policies/versions/x").status_code == 404
        diff = http.get("/api/v1/policies/diff?before=1&after=2").json()["diff"]
        assert "-min_trust = 0.4" in diff
        assert "+min_trust = 0.95" in diff
        told = {"number": 1, "note": "too strict", "by": "anna"}
        back = http.post("/api/v1/policies/rollback", json=told).json()
        assert (back["number"], back["version"]) == (3, whole["version"])
        newest = http.get("/api/v1/policies/versions?limit=1").json()["versions"][0]
        assert newest["note"] == "back to version 1: too strict"
        assert newest["author"] == "anna (data directory)"
        assert http.post("/api/v1/policies/rollback", json={"number": 9}).status_code == 404
    with served.client("t-operator") as http:
        refused = http.post("/api/v1/policies/rollback", json={"number": 1})
    assert refused.status_code == 403


def ended(http: httpx.Client, number: int) -> dict[str, Any]:
    end = time.monotonic() + 30
    while True:
        found: dict[str, Any] = http.get(f"/api/v1/policies/replays/{number}").json()
        if found["state"] != "running":
            return found
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_replay_tells_flips_both_ways_and_what_could_not_be_judged(served: Served) -> None:
    with served.client() as http:
        for trust in (0.9, 0.97, 0.1):
            http.post("/check/client_eligibility", json={**GOOD, "trust_score": trust})
        draft = {"files": stricter(files_of())}
        begun = http.post("/api/v1/policies/replays", json=draft)
        assert begun.status_code == 202
        strict = ended(http, begun.json()["id"])
        assert strict["state"] == "done"
        assert strict["share"] == 1.0
        assert (strict["found"]["refused"], strict["found"]["allowed"]) == (1, 0)
        assert strict["found"]["refused_by_rule"] == {"client.trust-too-low": 1}
        assert http.put("/api/v1/policies", json=draft).status_code == 200
        http.post("/check/client_eligibility", json={**GOOD, "trust_score": 0.9})
        kind = http.post("/api/v1/policies/replays", json={"number": 1}).json()
        lenient = ended(http, kind["id"])["found"]
        assert (lenient["refused"], lenient["allowed"]) == (0, 1)
        assert lenient["examples"][0]["before"] == ["client.trust-too-low"]
        poor = files_of()
        schema = poor["fedsight.cedarschema"]
        poor["fedsight.cedarschema"] = schema.replace("participate, train in", "train in")
        unjudged = ended(
            http, http.post("/api/v1/policies/replays", json={"files": poor}).json()["id"]
        )
        assert unjudged["found"]["unjudged"] == 4
        assert "unknown action 'participate'" in next(iter(unjudged["found"]["why_unjudged"]))
        both = http.post("/api/v1/policies/replays", json={**draft, "number": 1})
        assert both.status_code == 422
        assert http.get("/api/v1/policies/replays/99").status_code == 404


def test_a_replay_can_be_stopped_and_one_runs_at_a_time(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = replaying.heard_all

    async def slow(*asked: Any) -> Any:
        found = await quick(*asked)
        await asyncio.sleep(60)  # it is under way until somebody stops it
        return found

    monkeypatch.setattr(replaying, "heard_all", slow)
    with served.client() as http:
        http.post("/check/client_eligibility", json=dict(GOOD))
        number = http.post("/api/v1/policies/replays", json={"number": 1}).json()["id"]
        second = http.post("/api/v1/policies/replays", json={"number": 1})
        stopped = http.post(f"/api/v1/policies/replays/{number}/stop", json={}).json()
        assert second.status_code == 429
        assert stopped["state"] == "stopped"
        monkeypatch.setattr(replaying, "heard_all", quick)
        monkeypatch.setattr(served.service.replays, "_most_seconds", 0.01)
        number = http.post("/api/v1/policies/replays", json={"number": 1}).json()["id"]
        late = ended(http, number)
    assert late["state"] == "failed"
    assert "longer than 0.01 s" in late["error"]


def test_a_draft_that_takes_too_long_is_told_so_and_the_next_one_is_looked_at(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    with served.client() as http:
        assert validated(http, files_of(more=NEVER))["ok"]
        monkeypatch.setattr(served.service.trier, "_seconds", 0.000001)
        slow = http.post("/api/v1/policies/validate", json={"files": files_of()})
        assert (slow.status_code, slow.json()["error"]["code"]) == (503, "slow")
        monkeypatch.setattr(served.service.trier, "_seconds", 5.0)
        assert validated(http, files_of())["ok"]


def test_what_a_command_changed_in_between_is_not_overwritten(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    versions = served.service.deciding.force.versions
    replace = versions.replace

    def late(*given: Any) -> Any:
        # Another process, after the service has looked and before it holds the folder's lock.
        monkeypatch.setattr(versions, "replace", replace)
        Versions(served.rules).replace(files_of(more=NEVER), "bert", "from a command")
        return replace(*given)

    with served.client() as http:
        body = {"files": stricter(files_of()), "expected": current(http)["digest"]}
        monkeypatch.setattr(versions, "replace", late)
        found = http.put("/api/v1/policies", json=body)
        assert (found.status_code, found.json()["error"]["field"]) == (409, "expected")
        assert "by bert" in found.json()["error"]["message"]
        assert http.get("/api/v1/policies").json()["files"]["more.cedar"] == NEVER


def test_a_set_that_came_meanwhile_says_who_may_change_it(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody = '@id("more.closed")\n@reason("closed")\n'
    nobody += 'forbid (principal, action == FL::Action::"changePolicy", resource);'
    tried = served.service.trier.tried

    async def looked(files: dict[str, str], who: Any = None) -> Any:
        found = await tried(files, who)
        Versions(served.rules).replace(files_of(closed=nobody), "bert", "closed")
        return found

    with served.client() as http:
        monkeypatch.setattr(served.service.trier, "tried", looked)
        answer = http.put("/api/v1/policies", json={"files": stricter(files_of())})
        assert answer.status_code == 403
        assert answer.json()["error"]["message"].endswith("may not changePolicy: closed")
        assert "closed.cedar" in current(http)["files"]


def test_two_changes_at_once_are_one_after_the_other_or_told_to_wait(served: Served) -> None:
    with served.client() as http:
        digest = current(http)["digest"]
    answers = list[httpx.Response]()

    def change(name: str) -> None:
        rule = NEVER.replace("more.", f"{name}.")
        with served.client() as http:
            body = {"files": files_of(**{name: rule}), "expected": digest}
            answers.append(http.put("/api/v1/policies", json=body))

    threads = [threading.Thread(target=change, args=(f"r{at}",)) for at in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(30)
    assert sorted(one.status_code for one in answers)[0] == 200
    assert [one.status_code for one in answers].count(200) == 1
    assert all(one.status_code in (200, 409, 429) for one in answers)
    taken = next(one.json() for one in answers if one.status_code == 200)
    with served.client() as http:
        assert current(http)["version"] == taken["version"]
        assert http.get("/api/v1/policies/versions").json()["total"] == 2


def test_whoever_stands_before_an_empty_set_is_told_the_way_back(served: Served) -> None:
    empty = {name: files_of()[name] for name in ("fedsight.cedarschema", "federation.toml")}
    with served.client() as http:
        assert http.put("/api/v1/policies", json={"files": empty}).status_code == 200
        for answer in (
            http.get("/api/v1/policies"),
            http.put("/api/v1/policies", json={"files": files_of()}),
            http.post("/api/v1/policies/rollback", json={"number": 1}),
        ):
            assert answer.status_code == 403
            message = answer.json()["error"]["message"]
            assert "the policy set has no rule: everything is refused" in message
            assert "`fedsight policy rollback NUMBER`" in message
        checked = http.post("/check/client_eligibility", json=dict(GOOD)).json()
        assert (checked["allowed"], checked["reason"]) == (False, "no rule permits it")
        Versions(served.rules).rollback(1, "bert")  # what the command does
        end = time.monotonic() + 15
        while (again := http.get("/api/v1/policies")).status_code != 200:
            assert time.monotonic() < end
            time.sleep(0.05)
    assert again.json()["files"] == files_of()


def test_long_files_are_compared_roughly_and_soon() -> None:
    before = "".join(f"// {at % 1000}\n" for at in range(300_000))
    after = before.replace("// 7\n", "// seven\n", 3)
    begun = time.monotonic()
    told = difference({"a.cedar": before}, {"a.cedar": after}, ("1", "2")).splitlines()
    assert time.monotonic() - begun < 15
    assert told[:4] == ["--- 1/a.cedar", "+++ 2/a.cedar", "@@ -8,2001 +8,2001 @@", "-// 7"]
    assert told[-1] == "+// seven"
    assert difference({"a.cedar": before}, {"a.cedar": before}, ("1", "2")) == ""
    longer = difference({"a.cedar": before}, {"a.cedar": before + "// more"}, ("1", "2"))
    assert longer.splitlines()[2:] == ["@@ -300001,0 +300001,1 @@", "+// more"]


@pytest.mark.parametrize(
    "name",
    ["../x.cedar", ".x.cedar", "x.txt", "a\\b.cedar", "a\x1b[2J.cedar", f"{'x' * 200}.cedar"],
)
def test_a_name_that_no_file_of_a_set_has_is_refused(served: Served, name: str) -> None:
    with served.client() as http:
        for path in ("/api/v1/policies/validate", "/api/v1/policies/replays"):
            answer = http.post(path, json={"files": files_of() | {name: NEVER}})
            assert (answer.status_code, answer.json()["error"]["field"]) == (422, "files")
        body = {"files": files_of(), "note": "to\x1b[2J"}
        odd = http.put("/api/v1/policies", json=body)
        assert (odd.status_code, odd.json()["error"]["field"]) == (422, "note")
        assert http.put("/api/v1/policies", json={**body, "note": "two\nlines"}).status_code == 200


def test_what_a_new_sets_schema_lacks_is_in_the_log(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    older = {name: text for name, text in files_of().items() if "private" not in text}
    schema = files_of()["fedsight.cedarschema"].replace("    private?: Bool,\n", "")
    with served.client() as http:
        body = {"files": {**older, "fedsight.cedarschema": schema}}
        assert http.put("/api/v1/policies", json=body).status_code == 200
        assert len(current(http)["warnings"]) == 2
    assert sum("Add the line `private?: Bool,` here" in one for one in caplog.messages) == 2
