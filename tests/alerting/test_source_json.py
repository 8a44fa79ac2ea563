"""Any program's JSON, by a mapping: what docs/hooks.md shows for Grafana, Uptime Kuma and Sentry, and what is amiss."""

from collections.abc import Mapping
from typing import Any

import pytest

import schemas
from alerting.config import Hook
from alerting.sources import Report, Unusable, json

SIMPLE = {"id": "/id", "title": "/title", "severity": "/level", "status": "/state", "at": "/at", "started_at": "/since"}


def reports(document: Any, mapping: Mapping[str, Any], **more: Any) -> list[Report]:
    assert schemas.faults("sources/json", document) == []
    return json.reports(document, Hook("any", "acme", "json", mapping, **more))


def report(mapping: Mapping[str, Any] = SIMPLE, **document: Any) -> Report:
    (found,) = reports({"id": 7, **document}, mapping)
    return found


def test_one_alert_is_the_whole_payload() -> None:
    found = report(title="Queue full", level="critical", state="open", at=1_800_000_000, since="2027-01-15T07:00:00Z")
    assert (found.title, found.message, found.level) == ("Queue full", "Queue full", 3)
    assert (found.at, found.started_at, found.goes_on) == (1_800_000_000.0, 1_800_000_000.0 - 3600, False)
    over = report(title="Queue empty", level="critical", state="Resolved")
    assert (over.id, over.level, over.at) == (found.id, 0, None)


def test_many_alerts_lie_in_a_list() -> None:
    mapping = {"alerts": "/data/0/items", "id": ["/uid", "/id"], "labels": "/tags", "url": "/link"}
    items = [{"uid": "a", "id": 1, "tags": {"team": "x", "odd": [1]}, "link": "https://a.example/"}, {"id": 2}]
    first, second = reports({"data": [{"items": items}]}, mapping)
    assert first.labels == {"team": "x"} and first.url == "https://a.example/"
    assert first.id.startswith("a-") and second.id.startswith("2-")
    assert reports([], {"id": "/id"}) == []
    assert len(reports([{"id": 1}, {"id": 2}], {"id": "/id"})) == 2


def test_labels_one_by_one_and_names_of_servers() -> None:
    mapping = {
        "id": "/id",
        "labels": {"team": "/a~1b/c~0d", "none": "/nowhere"},
        "server": "/host",
        "environment": "/env",
    }
    found = report(mapping, **{"a/b": {"c~d": True}, "host": "db-1", "env": "prod"})
    assert found.labels == {"team": "true"} and found.names == ("db-1", "prod")


def test_what_means_over_is_said_by_the_hook() -> None:
    mapping = {"id": "/id", "status": "/up", "resolved": [True, 1]}
    assert [report(mapping, up=value).level for value in (True, 1, "1", False, 0, None)] == [0, 0, 0, 2, 2, 2]


@pytest.mark.parametrize(
    ("written", "at"),
    [
        (1_800_000_000, 1_800_000_000.0),
        ("1800000000.5", 1_800_000_000.5),
        (1_800_000_000_000, 1_800_000_000.0),
        ("1800000000000", 1_800_000_000.0),
        ("2027-01-15T08:00:00Z", 1_800_000_000.0),
        ("2027-01-15T10:00:00.123456789+02:00", pytest.approx(1_800_000_000.123)),
        ("2027-01-15 08:00:00", 1_800_000_000.0),
        ("0001-01-01T00:00:00Z", None),
        (0, None),
        (None, None),
        ("", None),
    ],
)
def test_moments_as_programs_write_them(written: Any, at: float | None) -> None:
    assert report(at=written).at == at


@pytest.mark.parametrize(
    ("document", "mapping", "pointer"),
    [
        ({"title": "x"}, SIMPLE, "/id"),
        ({"id": {}}, SIMPLE, "/id"),
        ({"id": ""}, SIMPLE, "/id"),
        ([{"id": 1}, {}], SIMPLE, "/1/id"),
        ([1], SIMPLE, "/0/id"),
        ({"id": 1, "at": "yesterday"}, SIMPLE, "/at"),
        ({"id": 1, "at": []}, SIMPLE, "/at"),
        ({"id": 1, "since": True}, SIMPLE, "/since"),
        ({"id": 1}, {"alerts": "/alerts", "id": "/id"}, "/alerts"),
        ({"alerts": [{}]}, {"alerts": "/alerts", "id": ["/a", "/b"]}, "/alerts/0/a"),
    ],
)
def test_what_cannot_be_used_is_told_in_its_place(document: Any, mapping: Mapping[str, Any], pointer: str) -> None:
    with pytest.raises(Unusable) as caught:
        reports(document, mapping)
    assert caught.value.pointer == pointer
