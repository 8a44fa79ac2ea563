"""What messages say: titles, reasons, order, and what a phone shows."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting import messages
from alerting.messages import Reason
from tests.alerting.told import AT, cpu, item, message

CONTRACT = (
    *("cpu_high", "memory_high", "disk_high", "container_down", "server_down", "replica_lag", "custom"),
    *("http_down", "check_failed", "info_drift", "info_contract", "heartbeat_missed", "certificate_expiry"),
    *("deployment_failed", "backup_failed", "backup_missed", "quota_exceeded", "self"),
)


@pytest.mark.parametrize(
    ("alert_type", "name", "title"),
    [
        ("cpu_high", "prod-1", "High CPU on prod-1"),
        ("http_down", "website", "HTTP down: website"),
        ("replica_lag", "shop-prod", "Replica lag: shop-prod"),
        ("server_down", "prod-1", "Server down: prod-1"),
        ("queue_long", "mail", "Queue long: mail"),
        ("http_down", "{0} {name}", "HTTP down: {0} {name}"),
        ("{odd}", "x", "{odd}: x"),
    ],
)
def test_an_alert_is_called_by_its_type_and_subject(alert_type: str, name: str, title: str) -> None:
    assert messages.alert_title(alert_type, name) == title


@pytest.mark.parametrize("alert_type", CONTRACT)
def test_every_alert_type_has_a_title_of_its_own(alert_type: str) -> None:
    titles = [messages.alert_title(one, "x") for one in CONTRACT]
    assert titles.count(messages.alert_title(alert_type, "x")) == 1


def test_a_phone_shows_state_name_and_reason() -> None:
    assert messages.headline(message()) == "🔴 Critical: HTTP down: website: HTTP 500 (expected 200)"
    assert messages.headline(message(cpu())) == "🟠 Warning: High CPU on prod-1: CPU 97.2 %, over 80 % for 10 minutes"


def test_a_resolved_one_says_how_long_it_lasted() -> None:
    over = message(item(told="resolved", resolved_at=AT - 10, started_at=AT - 310), reason="resolved")
    assert messages.headline(over) == "✅ Resolved: HTTP down: website, after 5 minutes"
    assert "Lasted 5 minutes. It was: HTTP 500 (expected 200)" in messages.text_body(over)
    assert "Began: 21 Nov 2026, 04:14 CET\nEnded: 21 Nov 2026, 04:19 CET" in messages.text_body(over)


def test_a_repeat_says_so() -> None:
    assert messages.headline(message(repeated=True)).endswith("(expected 200) (may be repeated)")
    assert "may be repeated" in messages.text_body(message(repeated=True))
    assert "repeated" not in messages.text_body(message())


@pytest.mark.parametrize("reason", get_args(Reason))
def test_every_reason_has_its_words(reason: Reason) -> None:
    said = messages.headline(message(reason=reason))
    assert "HTTP down: website" in said
    assert "critical" in said.lower()


def test_reasons_that_are_not_news_say_what_they_are() -> None:
    starts = {
        "escalated": "🔴 Now critical:",
        "reminder": "🔴 Still critical:",
        "flapping": "🔴 Flapping, critical now:",
        "settled": "🔴 Settled, critical:",
        "drill": "🔴 Test, critical:",
    }
    for reason, start in starts.items():
        assert messages.headline(message(reason=reason)).startswith(start)


def test_the_worst_comes_first_and_among_equals_the_oldest() -> None:
    over = item(told="resolved", resolved_at=AT, title="over")
    older, newer = item(title="older", started_at=AT - 900), item(title="newer", started_at=AT - 90)
    note = cpu(severity="info", title="note")
    shown = messages.worst_first([over, note, newer, cpu(), older])
    assert [one.title for one in shown] == ["older", "newer", "High CPU on prod-1", "note", "over"]


def test_several_are_counted_by_state() -> None:
    over = item(told="resolved", resolved_at=AT)
    assert messages.tally([item(), item(), cpu(), over]) == "4 alerts (2 critical, 1 warning, 1 resolved)"
    assert messages.headline(message(cpu(), item())).startswith(
        "🔴 2 alerts (1 critical, 1 warning): HTTP down: website"
    )


def test_the_text_tells_where_since_when_and_how_often() -> None:
    body = messages.text_body(message(cpu(environment="shop-prod", project="shop")))
    assert body.split("\n") == [
        "🟠 Warning: High CPU on prod-1",
        "CPU 97.2 %, over 80 % for 10 minutes",
        "CPU 97.2 %, memory 41 %",
        "Server: prod-1",
        "Environment: shop-prod",
        "Project: shop",
        "Since: 21 Nov 2026, 04:10 CET (10 minutes ago)",
        "Occurrences: 24",
        "https://watch.example/alerts/8",
    ]


def test_a_threshold_is_put_in_words() -> None:
    assert messages.alert_message("", "disk_percent", 95.0, ">=", 95.0) == "Disk 95 %, at or over 95 %"
    assert messages.alert_message("", "lag_bytes", 120e6, ">", 50 * 1_048_576) == "Lag 114.4 MB, over 50 MB"
    assert messages.alert_message("two\nlines", "status", 2.0, ">=", 2.0) == "two lines"
    assert messages.alert_message("no value", "cpu_percent", None, ">", 80.0) == "no value"


@given(st.text(), st.text(), st.lists(st.sampled_from(("triggered", "resolved")), min_size=1, max_size=12))
def test_whatever_a_probe_says_the_headline_is_one_line(title: str, words: str, told: list[str]) -> None:
    items = [item(title=title, message=words, told=one, resolved_at=AT if one == "resolved" else None) for one in told]
    said = messages.headline(message(*items))
    assert len(said) <= messages.HEADLINE_LENGTH
    assert not set(said) & set("\n\r\x00\x1b\u202e")
