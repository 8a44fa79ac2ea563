"""What Alertmanager posts: version 4 of its webhook, as its documentation and a real one (tests/spine) have it."""

import json
from typing import Any

import pytest

import schemas
from alerting.config import Hook
from alerting.sources import Report, alertmanager

HOOK = Hook("am", "acme", "alertmanager")
FIRING: dict[str, Any] = {
    "status": "firing",
    "labels": {"alertname": "HighLatency", "instance": "web-1:9100", "severity": "critical", "team": "shop"},
    "annotations": {
        "summary": "p99 of 2.3 s",
        "description": "p99 has been over 1 s for 10 minutes",
        "runbook_url": "https://wiki.acme.example/latency",
    },
    "startsAt": "2027-01-15T07:50:00.123456789Z",
    "endsAt": "0001-01-01T00:00:00Z",
    "generatorURL": "http://prometheus.acme.example/graph?g0.expr=x",
    "fingerprint": "c1a5b3f7d9e00112",
}
RESOLVED = {**FIRING, "status": "resolved", "endsAt": "2027-01-15T09:55:00+02:00"}


def payload(*found: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The whole of what Alertmanager sends of these alerts."""
    return {
        "version": "4",
        "groupKey": '{}:{alertname="HighLatency"}',
        "truncatedAlerts": 0,
        "status": "firing",
        "receiver": "vedette",
        "groupLabels": {"alertname": "HighLatency"},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "http://alertmanager.acme.example:9093",
        "alerts": list(found),
        **more,
    }


def reports(document: dict[str, Any], hook: Hook = HOOK) -> list[Report]:
    assert schemas.faults("sources/alertmanager", document) == []
    return alertmanager.reports(document, hook)


def report(alert: dict[str, Any], hook: Hook = HOOK) -> Report:
    return reports(payload(alert), hook)[0]


def test_an_alert_that_fires() -> None:
    found = report(FIRING)
    assert (found.title, found.level) == ("HighLatency on web-1:9100", 3)
    assert found.message == "p99 of 2.3 s"
    assert found.started_at == found.at == pytest.approx(1_800_000_000 - 600 + 0.123456)
    assert found.url == "http://prometheus.acme.example/graph?g0.expr=x"
    assert found.labels["team"] == "shop" and found.labels["runbook_url"] == "https://wiki.acme.example/latency"
    assert found.goes_on and found.names == ("web-1:9100",)


def test_an_alert_that_is_over_is_the_same_alert() -> None:
    found = report(RESOLVED)
    assert (found.id, found.level, found.at) == (report(FIRING).id, 0, 1_800_000_000 - 300)


def test_a_group_is_a_report_for_each() -> None:
    other = {**FIRING, "labels": {"alertname": "HighLatency"}, "fingerprint": "2"}
    first, second, truncated = reports(payload(RESOLVED, other))
    assert (first.level, second.level, truncated.level) == (0, 2, 0)
    assert len({first.id, second.id, truncated.id}) == 3


def test_without_a_fingerprint_its_labels_tell_it_apart() -> None:
    bare = {key: value for key, value in FIRING.items() if key != "fingerprint"}
    turned = {**bare, "labels": dict(reversed(bare["labels"].items()))}
    assert report(bare).id == report(turned).id
    assert report(bare).id != report({**bare, "labels": {**bare["labels"], "instance": "web-2:9100"}}).id


def test_the_least_of_an_alert() -> None:
    found = report({"status": "firing", "labels": {}, "annotations": None})
    assert (found.title, found.level, found.started_at, found.url) == ("Alert", 2, None, "")


@pytest.mark.parametrize(
    ("said", "level"),
    [("critical", 3), ("PAGE", 3), ("error", 3), ("warning", 2), ("Warn", 2), ("info", 1), ("none", 1), ("odd", 2)],
)
def test_what_severities_are_called(said: str, level: int) -> None:
    assert report({**FIRING, "labels": {"severity": said}}).level == level


def test_a_hook_may_say_what_they_mean() -> None:
    hook = Hook(
        "am", "acme", "alertmanager", severities={"p3": "info", "none": "resolved"}, default_severity="critical"
    )
    assert [report({**FIRING, "labels": {"severity": said}}, hook).level for said in ("P3", "none", "odd")] == [1, 0, 3]


def test_what_was_left_out_is_told_as_well() -> None:
    _, left_out = reports(payload(FIRING, truncatedAlerts=7))
    assert left_out.level == 2 and "HighLatency" in left_out.title
    assert left_out.message.startswith("7 alerts left out, of which nobody is told")
    assert reports(payload(FIRING))[1].id == left_out.id


def test_an_address_that_is_no_web_address_is_left_out() -> None:
    for odd in ("javascript:alert(1)", "http:///x", "http://a b", "", "ftp://x", "http://x/" + "y" * 2000):
        assert report({**FIRING, "generatorURL": odd}).url == ""


def test_texts_without_end_are_cut_and_kept_on_one_line() -> None:
    labels = {f"label{number}": "x\n" * 10_000 for number in range(200)}
    found = report(
        {**FIRING, "labels": {**labels, "alertname": "a" * 10_000}, "annotations": {"summary": "y" * 10_000}}
    )
    assert len(found.title) == 200 and len(found.message) == 1000 and len(found.labels) == 50
    assert all(len(value) <= 300 and "\n" not in value for value in found.labels.values())
    assert len(json.dumps(found.id)) < 100


@pytest.mark.parametrize(
    ("document", "pointer", "words"),
    [
        (payload(version="3"), "/version", 'the version "4"'),
        (payload({**FIRING, "status": "odd"}), "/alerts/0/status", "is not one of"),
        (payload(FIRING, {**FIRING, "startsAt": "yesterday"}), "/alerts/1/startsAt", "is not a 'date-time'"),
        (payload({**FIRING, "labels": {"a": 1}}), "/alerts/0/labels/a", "is not of type 'string'"),
        (payload({"status": "firing"}), "/alerts/0", "'labels' is a required property"),
        (payload(truncatedAlerts=-1), "/truncatedAlerts", "is less than"),
        ({"version": "4"}, "", "'alerts' is a required property"),
        ([], "", "is not of type 'object'"),
    ],
)
def test_what_is_no_such_payload_is_a_fault_in_its_place(document: Any, pointer: str, words: str) -> None:
    found = schemas.faults("sources/alertmanager", document)
    assert any(fault.pointer == pointer and words in fault.message for fault in found), found
