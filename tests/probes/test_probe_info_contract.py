"""Contracts of /info: Liberty's, one's own, and none that could run away or be fetched."""

import copy
import time
from typing import Any

import pytest

import schemas
from probes import Observation
from probes._machinery.contracts import broken
from probes._machinery.runner import check_config, run
from tests.servers.http_target import HttpTarget

LIBERTY: dict[str, Any] = {
    "name": "Liberty",
    "version": "2026.06.1",
    "connectors_loaded": 4,
    "connectors": ["default", "crm", "reporting", "jdedwards"],
    "pools": ["default", "crm_pool", "reporting_pool", "jde_pool"],
    "dictionary": {"entries": 412, "default_language": "en"},
    "menus": {"apps": ["crm", "reporting"]},
    "screens": {"apps": ["crm", "reporting"], "total": 47},
    "charts": {"total": 12},
    "dashboards": {"total": 5},
    "auth": {"backend": "db", "pool": "default", "oidc_enabled": True},
    "ai": {"enabled": True, "available": True, "model": "some-model"},
    "crypto": {"configured": True},
    "license": {"mode": "full"},
    "frontend": "/app/frontend/dist",
}
OWN = {"type": "object", "required": ["build"], "properties": {"build": {"type": "string", "pattern": "^[0-9]+$"}}}


def look(target: HttpTarget, document: Any, **config: Any) -> Observation:
    target.documents["/info"] = document
    return run("info", {"url": target.url("/info"), "timeout": 5, **config})


def altered(place: str, value: Any) -> dict[str, Any]:
    """Liberty's answer with another value at "a.b", or without it where the value is None."""
    document = copy.deepcopy(LIBERTY)
    *way, last = place.split(".")
    table = document
    for part in way:
        table = table[part]
    if value is None:
        del table[last]
    else:
        table[last] = value
    return document


def test_libertys_answer_keeps_libertys_contract(http_target: HttpTarget) -> None:
    seen = look(http_target, LIBERTY)
    assert (seen.status, seen.values["contract_faults"]) == ("ok", 0), seen.message


def test_an_addition_breaks_no_contract(http_target: HttpTarget) -> None:
    document = altered("ai.provider", "local") | {"beta": {"enabled": True}}
    assert look(http_target, document).status == "ok"


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        ("version", None, "contract: /: 'version' is a required property"),
        ("license.mode", None, "contract: /license: 'mode' is a required property"),
        ("connectors_loaded", "4", "contract: /connectors_loaded: '4' is not of type 'integer'"),
        ("connectors", ["a", 5], "contract: /connectors/1: 5 is not of type 'string'"),
        ("license.mode", "trial", "contract: /license/mode: 'trial' is not one of ['full', 'restricted']"),
        ("screens.total", -1, "contract: /screens/total: -1 is less than the minimum of 0"),
        ("ai", "off", "contract: /ai: 'off' is not of type 'object'"),
    ],
)
def test_a_broken_contract_is_critical_and_named(http_target: HttpTarget, place: str, value: Any, said: str) -> None:
    seen = look(http_target, altered(place, value))
    assert (seen.status, seen.values["contract_faults"]) == ("critical", 1)
    assert said in seen.message


def test_many_faults_are_counted_and_the_first_told(http_target: HttpTarget) -> None:
    seen = look(http_target, {"name": 5})
    assert seen.values["contract_faults"] == 15
    assert seen.message.endswith("and 10 more")
    assert look(http_target, {"name": 5}, contract=False).status == "ok"


def test_a_contract_of_ones_own(http_target: HttpTarget) -> None:
    assert look(http_target, {"build": "12"}, contract=OWN).status == "ok"
    broken_one = look(http_target, {"build": "twelve"}, contract=OWN)
    assert (broken_one.status, broken_one.message) == (
        "critical",
        "contract: /build: \"twelve\" does not match '^[0-9]+$'",
    )


def test_a_list_may_be_held_to_a_contract_too(http_target: HttpTarget) -> None:
    contract = {"type": "array", "uniqueItems": True, "items": {"type": "integer"}}
    assert look(http_target, [1, 2], contract=contract).status == "ok"
    assert look(http_target, [1, 1], contract=contract).status == "critical"


@pytest.mark.parametrize(
    ("contract", "place", "said"),
    [
        ({"type": "objct"}, "/contract/type", "not a JSON Schema: "),
        ({"$ref": "http://127.0.0.1:9/x.json"}, "/contract/$ref", "others are never fetched"),
        ({"$ref": "file:///etc/hostname"}, "/contract/$ref", "others are never fetched"),
        ({"$ref": "#/$defs/b", "$defs": {"a": {}}}, "/contract/$ref", "leads nowhere"),
        ({"properties": {"a": {"pattern": "(a"}}}, "/contract/properties/a/pattern", ""),
        ({"properties": {"a": {"pattern": r"(a)\1"}}}, "/contract/properties/a/pattern", "cannot be used"),
        ({"patternProperties": {r"(?=a)": {}}}, "/contract/pattern", "cannot be used"),
        ({"patternProperties": {"a": {}}, "unevaluatedProperties": False}, "/contract", "take one out"),
        ({"$schema": "http://a.example/schema"}, "/contract/$schema", "not a draft"),
        ("info.json", "/contract", "expected true, false, a JSON Schema"),
    ],
)
def test_what_is_no_usable_schema_is_refused(contract: Any, place: str, said: str) -> None:
    found = check_config("info", {"url": "http://a.example/", "contract": contract})
    assert [fault.pointer for fault in found] == [place], found
    assert said in found[0].message


@pytest.mark.parametrize(
    "contract",
    [
        {"$ref": "#/$defs/a", "$defs": {"a": {"type": "object", "properties": {"$ref": {"type": "string"}}}}},
        {"$id": "http://a.example/s", "$ref": "t", "$defs": {"a": {"$id": "t", "type": "object"}}},
        {"$schema": "http://json-schema.org/draft-07/schema#", "definitions": {}, "type": "object"},
        {"const": {"$ref": "nowhere", "pattern": "("}},
        {"type": "object", "properties": {"child": {"$ref": "#"}}},
    ],
)
def test_what_is_one_is_taken(contract: Any) -> None:
    assert check_config("info", {"url": "http://a.example/", "contract": contract}) == []


def test_no_contract_runs_away() -> None:
    """Each of these takes Python's own ways minutes."""
    begun = time.monotonic()
    assert len(broken({"items": {"pattern": "^(a+)+$"}}, ["a" * 5000 + "!"])) == 1
    assert (
        len(broken({"patternProperties": {"^(a+)+$": False}, "additionalProperties": False}, {"a" * 5000 + "!": 1}))
        == 1
    )
    assert broken({"uniqueItems": True}, [{"n": number} for number in range(20_000)]) == []
    assert len(broken({"items": {"type": "string"}}, [1] * 200_000)) == 1000
    doubling = {f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(40)}
    (endless,) = broken({"$ref": "#/$defs/a0", "$defs": {**doubling, "a40": {}}}, 1)
    assert "refers more than 20000 times" in endless.message
    assert broken({"$ref": "#"}, 1)[0].message == "nested too deeply"
    assert time.monotonic() - begun < 10


def test_vedettes_own_contract_is_within_libertys() -> None:
    """Whatever keeps to info.json keeps to liberty_info.json: no field is asked for that ours does not promise."""
    own, shared = schemas.load("info"), schemas.load("liberty_info")
    assert set(own["required"]) >= set(shared["required"])
    for name, table in shared["properties"].items():
        assert set(own["properties"][name].get("required", ())) == set(table.get("required", ())), name
