"""Quantities, durations and moments as a person reads them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting import phrasing
from tests.alerting.told import AT


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "less than a second"),
        (-5, "less than a second"),
        (1, "1 second"),
        (59.6, "1 minute"),
        (90, "1 minute 30 seconds"),
        (720, "12 minutes"),
        (3900, "1 hour 5 minutes"),
        (36_000, "10 hours"),
        (86_400 * 2 + 3600 * 3, "2 days 3 hours"),
        (86_400 * 40 + 5, "40 days"),
    ],
)
def test_a_duration_has_the_units_that_say_something(seconds: float, words: str) -> None:
    assert phrasing.duration(seconds) == words


@pytest.mark.parametrize(
    ("metric", "value", "words"),
    [
        ("cpu_percent", 97.23, "97.2 %"),
        ("cpu_percent", 95.0, "95 %"),
        ("lag_bytes", 50 * 1_048_576, "50 MB"),
        ("lag_bytes", 12, "12 bytes"),
        ("disk_bytes", 3 * 2**70, "3145728 PB"),
        ("lag_seconds", 15.31, "15.3 s"),
        ("lag_seconds", 720, "12 minutes"),
        ("total_seconds", 0.0624, "0.0624 s"),
        ("total_seconds", 0, "0 s"),
        ("certificate_days", 9.44, "9.4 days"),
        ("certificate_days", 1, "1 day"),
        ("silent_intervals", 3, "3 intervals"),
        ("network_rx_rate", 1.5 * 1_048_576, "1.5 MB/s"),
        ("queue_length", 12_345, "12,345"),
        ("ratio", 0.12345, "0.1235"),
        ("odd", float("inf"), "inf"),
        ("odd", float("nan"), "nan"),
    ],
)
def test_a_quantity_has_the_unit_its_metric_names(metric: str, value: float, words: str) -> None:
    assert phrasing.quantity(metric, value) == words


def test_a_moment_is_shown_in_the_services_zone_whatever_the_season() -> None:
    assert phrasing.moment(AT, "Europe/Paris") == "21 Nov 2026, 04:20 CET"
    assert phrasing.moment(AT - 86_400 * 120, "Europe/Paris") == "24 Jul 2026, 05:20 CEST"
    assert phrasing.moment(AT, "Mars/Olympus") == "21 Nov 2026, 03:20 UTC"


def test_a_metric_is_called_by_its_name_without_the_unit() -> None:
    assert [
        phrasing.metric_label(name)
        for name in ("cpu_percent", "memory_percent", "lag_seconds", "queue_length", "certificate_days", "run_seconds")
    ] == [
        "CPU",
        "Memory",
        "Lag",
        "Queue length",
        "Certificate",
        "Run time",
    ]


@given(st.text(), st.integers(1, 50))
def test_clipped_text_is_one_printable_line_within_its_limit(text: str, limit: int) -> None:
    clipped = phrasing.clip(text, limit)
    assert len(clipped) <= limit
    assert not set(clipped) & set("\n\r\t\x00\x1b\x7f\u2028\u202e")
    clipped.encode("utf-8")


def test_short_text_is_left_alone_and_long_text_says_that_it_goes_on() -> None:
    assert phrasing.clip("down", 4) == "down"
    assert phrasing.clip("down again", 6) == "down…"
