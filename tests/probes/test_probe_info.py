"""Kind `info`: a service's own description of itself, from a real server."""

from typing import Any

import pytest

from probes import Observation
from probes._machinery.documents import look_up, not_found, unmet
from probes._machinery.runner import check_config, run
from tests.servers.http_target import HttpTarget, RawJson

DOCUMENT: dict[str, Any] = {
    "name": "crm",
    "connectors_loaded": 3,
    "connectors": ["mail", "sms", "erp"],
    "dictionary": {"entries": 120, "default_language": "en"},
    "screens": {"apps": ["crm"], "total": 14},
    "charts": {"total": 2},
    "dashboards": {"total": 1},
    "pools": [{"name": "default", "size": 5}, {"name": "archive", "size": 1}],
}


def look(target: HttpTarget, document: Any = DOCUMENT, **config: Any) -> Observation:
    target.documents["/info"] = document
    return run("info", {"url": target.url("/info"), "contract": False, "timeout": 5, **config})


def test_counts_are_values_and_the_document_is_kept(http_target: HttpTarget) -> None:
    seen = look(http_target)
    assert seen.status == "ok", seen.message
    took = seen.values["seconds"]
    assert took and took > 0
    counts = {"connectors_loaded", "dictionary_entries", "screens_total", "charts_total", "dashboards_total"}
    assert [seen.values[name] for name in sorted(counts)] == [2, 3, 1, 120, 14]
    assert seen.facts["document"] == DOCUMENT


def test_counts_that_are_missing_are_null(http_target: HttpTarget) -> None:
    seen = look(http_target, {"charts": {"total": "two"}, "dashboards": [1], "connectors_loaded": True})
    assert seen.status == "ok"
    assert {seen.values[name] for name in ("charts_total", "dashboards_total", "connectors_loaded")} == {None}


def test_what_is_expected_is_found_in_the_answer(http_target: HttpTarget) -> None:
    expect = {"name": "crm", "screens": {"total": 14}, "connectors": ["erp"], "pools": [{"name": "archive"}]}
    assert look(http_target, expect=expect).status == "ok"


@pytest.mark.parametrize(
    ("expect", "said"),
    [
        ({"name": "erp"}, '/name is "crm", expected "erp"'),
        ({"screens": {"total": 15}}, "/screens/total is 14, expected 15"),
        ({"license": {"mode": "full"}}, '/license is missing, expected {"mode": "full"}'),
        ({"connectors": ["fax"]}, '/connectors lacks "fax"'),
        ({"pools": [{"name": "archive", "size": 2}]}, "/pools lacks"),
        ({"connectors_loaded": True}, "/connectors_loaded is 3, expected true"),
    ],
)
def test_what_is_not_as_expected_is_critical_and_named(http_target: HttpTarget, expect: Any, said: str) -> None:
    seen = look(http_target, expect=expect)
    assert seen.status == "critical"
    assert said in seen.message


def test_not_200_and_not_json_are_critical(http_target: HttpTarget) -> None:
    gone = run("info", {"url": http_target.url("/status/503")})
    assert (gone.status, gone.message) == ("critical", "HTTP 503, expected 200")
    text = run("info", {"url": http_target.url("/latin")})
    assert text.status == "critical" and "not JSON" in text.message
    deep = run("info", {"url": http_target.url("/deep")})
    assert deep.status == "critical" and "nested too deeply" in deep.message
    nobody = run("info", {"url": "http://127.0.0.1:1/"})
    assert (nobody.status, nobody.message) == ("critical", "connection refused by 127.0.0.1:1")


def test_a_large_document_is_judged_and_not_kept(http_target: HttpTarget) -> None:
    seen = look(http_target, DOCUMENT | {"padding": "x" * 70_000}, expect={"name": "crm"})
    assert seen.status == "ok"
    assert seen.facts == {"document": None, "drift": None}
    assert seen.message.endswith("; over 65536 bytes, too long to be kept as a baseline")


def test_switches_are_values_too(http_target: HttpTarget) -> None:
    names = ("ai_enabled", "ai_available", "crypto_configured", "license_full", "auth_oidc_enabled")
    assert {look(http_target).values[name] for name in names} == {None}
    document = {
        "ai": {"enabled": True, "available": False},
        "crypto": {"configured": True},
        "auth": {"oidc_enabled": 1},
    }
    seen = look(http_target, document | {"license": {"mode": "restricted"}})
    assert [seen.values[name] for name in names] == [1, 0, 1, 0, None]


@pytest.mark.parametrize(
    ("conditions", "said"),
    [
        ({"connectors_loaded": {">=": 3}, "/screens/total": 14, "connectors.0": {"in": ["mail"]}}, ""),
        ({"connectors_loaded": {">=": 4}}, "connectors_loaded is 3, expected >= 4"),
        ({"ai.available": True}, "ai.available is missing, expected true"),
    ],
)
def test_conditions_are_put_to_any_path(http_target: HttpTarget, conditions: Any, said: str) -> None:
    seen = look(http_target, conditions=conditions)
    assert (seen.status, seen.values["unmet_expectations"]) == (("critical", 1) if said else ("ok", 0))
    assert said in seen.message


@pytest.mark.parametrize(
    ("conditions", "place", "said"),
    [
        ({"a": {">=": 3, "max": 4}}, "/conditions/a", "not an operator: max; there are: =="),
        ({"a/b": {"in": 3}}, "/conditions/a~1b", "in takes a list"),
        ({"a": {">": None}}, "/conditions/a", "> takes a number or a text"),
    ],
)
def test_nonsense_conditions_are_refused(conditions: Any, place: str, said: str) -> None:
    (fault,) = check_config("info", {"url": "http://a.example/", "conditions": conditions})
    assert fault.pointer == place
    assert said in fault.message


@pytest.mark.parametrize(("body", "said"), [('{"a": 1e999}', "a number in it is too large"), ("9" * 5000, "not JSON")])
def test_what_cannot_be_kept_is_critical(http_target: HttpTarget, body: str, said: str) -> None:
    http_target.documents["/info"] = RawJson(body)
    seen = run("info", {"url": http_target.url("/info"), "contract": False})
    assert seen.status == "critical"
    assert said in seen.message


def test_nested_too_deep_and_too_long_are_said_so(http_target: HttpTarget) -> None:
    deep: Any = 1
    for _ in range(60):
        deep = {"a": deep}
    assert "nested deeper than 50 levels" in look(http_target, deep).message
    assert "longer than 262144 bytes" in look(http_target, {"padding": "x" * 2_000_000}).message


def test_faults_name_the_key() -> None:
    assert check_config("info", {"url": "http://a.example/info", "expect": {"name": "x"}}) == []
    assert "'expct'" in check_config("info", {"url": "http://a.example/", "expct": {}})[0].message
    assert check_config("info", {"url": "ftp://a.example/"})[0].pointer == "/url"


def test_a_document_is_asked_by_dotted_path_or_pointer() -> None:
    document = {"a": {"b.c": [10, {"d/e": 1}]}, "n": None}
    assert look_up(document, "/a/b.c/1/d~1e") == 1
    assert look_up(document, "n") is None
    assert repr(look_up(document, "a.b.c")) == "missing"
    assert repr(look_up([1], "1")) == repr(look_up([1], "-1")) == "missing"


@pytest.mark.parametrize(
    ("wanted", "holds"),
    [
        ({"==": 3}, True), ({"!=": 3}, False), ({">": 2}, True), ({">=": 4}, False), ({"<": 3}, False),
        ({"<=": 3}, True), ({"in": [1, 3]}, True), ({"in": [True]}, False),
        ({"contains": 3}, False), ({">": "2"}, False),
        ({">": 1, "<": 3}, False), (3.0, True), (True, False), ("3", False),
    ],
)  # fmt: skip
def test_conditions(wanted: Any, holds: bool) -> None:
    assert (list(unmet({"n": 3}, {"n": wanted})) == []) is holds


def test_a_value_that_is_an_object_is_compared_as_one() -> None:
    assert list(unmet({"a": {"b": 1}}, {"a": {"b": 1}})) == []
    assert list(unmet({"a": [1]}, {"a": {"contains": 1}})) == []


def test_a_partial_document_may_be_any_value() -> None:
    assert list(not_found([1, 2], [2])) == []
    assert list(not_found("x", "y")) == ['/ is "x", expected "y"']
    assert list(not_found(None, {"a": 1})) == ['/ is null, expected {"a": 1}']
