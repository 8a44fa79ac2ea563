"""A certificate that is about to end, from the handshake to the alert, and what ends that alert."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from alerting import pipeline
from alerting.config import Config, Watch
from alerting.configuration.rules import default_rules
from alerting.prober import observe_once
from tests.alerting.heart import CONFIG, every_alert, the_alert
from tests.servers.http_target import HttpTarget, tls_target
from tests.servers.tls import Authority, authority


@pytest.fixture(autouse=True)
def _open(store: str) -> None:
    """Every test has its own database."""


def config_of(target: HttpTarget, ours: Authority, **config: Any) -> Config:
    whole = {"url": target.url(), "ca": ours.pem, **config}
    return replace(CONFIG, watches=(Watch("check/website", "http", "acme", 30.0, whole),), rules=default_rules())


def look(config: Config) -> None:
    observed = observe_once(config, config.watches, {})
    pipeline.ingest(config, observed, observed[0].at)


def test_few_days_left_alert_and_a_new_certificate_ends_it(tmp_path: Path) -> None:
    ours = authority()
    for days, status, severity in ((10, "triggered", "warning"), (2, "triggered", "critical"), (60, "resolved", None)):
        target = tls_target(ours.leaf(tmp_path / "server.pem", days=days))
        try:
            look(config_of(target, ours))
        finally:
            target.close()
        alert = the_alert()
        assert alert.fingerprint == "certificate_expiry:website:certificate_days"
        assert alert.status == status
        assert severity in (None, alert.severity)


def test_a_check_that_sees_no_certificate_any_more_ends_its_alert(tmp_path: Path, http_target: HttpTarget) -> None:
    ours = authority()
    target = tls_target(ours.leaf(tmp_path / "server.pem", days=10))
    try:
        config = config_of(target, ours)
        look(config)
    finally:
        target.close()
    now = the_alert().last_at
    look(config)  # it is down now: nothing is known of its certificate
    assert pipeline.reconcile(config, now + 10) == 0
    plain = config_of(http_target, ours)
    look(plain)
    pipeline.reconcile(plain, now + 20)
    assert [alert.status for alert in every_alert() if alert.alert_type == "certificate_expiry"] == ["resolved"]
    look(plain)
    pipeline.tick(plain, now + 30)
    assert [alert.status for alert in every_alert() if alert.alert_type == "certificate_expiry"] == ["resolved"]


def test_a_certificate_asked_for_and_not_shown_is_a_failure(http_target: HttpTarget) -> None:
    config = config_of(http_target, authority(), certificate_days=10)
    look(config)
    assert the_alert().message == "no certificate was shown: the answer came without TLS"
