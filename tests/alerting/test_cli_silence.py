"""`vedette silence` as a person types it, and notes on the alert shown."""

import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from alerting.config import Maintenance
from alerting.store import maintenance, notes, silences
from alerting.store.database import reading
from tests.alerting.test_cli_people import Run, output, raise_alert, run

__all__ = ["run"]

WINDOW = """
[service]
timezone = "Europe/Paris"
[maintenance.patches]
all = true
reason = "the weekly restart"
days = ["sat"]
at = "02:00"
lasts = "2h"
[maintenance.last-year]
all = true
reason = "new disks"
starts_at = 2020-01-01T00:00:00Z
ends_at = 2020-01-01T01:00:00Z
"""


@pytest.fixture
def planned(run: Run, tmp_path: Path) -> Run:
    """The same with windows in the file."""
    path = tmp_path / "vedette.toml"
    path.write_text(path.read_text() + WINDOW)
    return run


def test_a_silence_is_added_listed_and_ended(run: Run) -> None:
    raise_alert()
    made = output(
        run("silence", "add", "subject=check/*", "severity=critical", "labels.team=shop", "--for", "2h",
            "--reason", "moving racks", "--by", "alice", "--json")
    )  # fmt: skip
    assert made["match"] == {"subject": "check/*", "severity": "critical", "labels": {"team": "shop"}}
    assert (made["organization"], made["created_by"], made["open_alerts"]) == ("default", "alice", 0)
    with reading():
        (kept,) = silences.active(time.time())
    assert kept.ends_at == pytest.approx(time.time() + 7200, abs=60)
    listed = run("silence", "list").stdout
    assert "subject=check/* severity=critical team=shop" in listed
    assert "moving racks" in listed
    ended = run("silence", "end", str(made["id"]), "--by", "bob")
    assert ended.exit_code == 0
    assert "expired" in ended.stdout and "bob" in ended.stdout
    assert output(run("silence", "list", "--json")) == []
    (over,) = output(run("silence", "list", "--all", "--json"))
    assert (over["kind"], over["state"], over["ended_by"]) == ("silence", "expired", "bob")
    again = run("silence", "end", str(made["id"]))
    assert again.exit_code == 1
    assert "was over at" in again.stderr
    assert run("silence", "end", "99").exit_code == 1


def test_a_fingerprint_alone_is_enough(run: Run) -> None:
    raise_alert("a:b=c:d")
    made = output(run("silence", "add", "fa:b=c:d", "--for", "30m", "--reason", "known", "--json"))
    assert (made["match"], made["open_alerts"]) == ({"fingerprint": "fa:b=c:d"}, 1)


def test_everything_must_be_said(run: Run) -> None:
    made = output(run("silence", "add", "--all", "--for", "1d", "--reason", "holidays", "--json"))
    assert (made["all"], made["match"]) == (True, {})


def test_an_end_is_in_the_services_zone(planned: Run) -> None:
    until = f"{datetime.now(UTC).year + 1}-01-02T06:00"
    if moment_is_too_far(until):
        until = f"{datetime.now(UTC).year}-12-31T06:00"
    made = output(planned("silence", "add", "server=x", "--until", until, "--reason", "x", "--json"))
    assert made["ends_at"] == f"{until[:10]}T05:00:00.000Z"


def moment_is_too_far(until: str) -> bool:
    return datetime.fromisoformat(until).replace(tzinfo=UTC).timestamp() > time.time() + 360 * 86_400


def test_windows_are_listed_with_their_next_turn(planned: Run) -> None:
    with reading():
        now = time.time()
        maintenance.add(Maintenance("disks", "default", {"server": "a*"}, "x", starts_at=now - 60, ends_at=now + 60))
    listed = output(planned("silence", "list", "--json"))
    assert {(one["kind"], one["name"], one["managed_by"]) for one in listed} == {
        ("maintenance", "disks", "api"), ("maintenance", "patches", "config"),
    }  # fmt: skip
    shown = planned("silence", "list").stdout
    assert "config:patches" in shown
    assert "server=a*" in shown and "everything" in shown
    assert "last-year" not in shown
    assert "last-year" in planned("silence", "list", "--all").stdout


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ([], "say what: server=prod-1, severity=warning, a fingerprint … or --all"),
        (["serverr=x"], "no field 'serverr'; there are: severity, alert_type, organization, project, server, "
         "environment, subject, fingerprint, rule; a label is written labels.NAME=pattern"),
        (["labels.=x"], "no field 'labels.'"),
        (["labels.server=x"], "a field is given as a label"),
        (["prod-1"], "'prod-1' is neither field=pattern nor a fingerprint"),
        (["severity=loud"], "match.severity: 'loud' is not one of"),
        (["server="], "match.server: "),
        (["server=a", "server=b"], "a field is given twice"),
        (["server=a", "--all"], "all: expected one of match and all = true, not both"),
    ],
)  # fmt: skip
def test_what_it_is_about_is_held_to_the_contract(run: Run, typed: list[str], said: str) -> None:
    refused = run("silence", "add", *typed, "--for", "2h", "--reason", "x")
    assert refused.exit_code == 2
    assert said in refused.stderr
    with reading():
        assert silences.page(None, None, 10, None, 0.0) == []


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ([], "say its end: either --for or --until"),
        (["--for", "2h", "--until", "2099-01-01T00:00"], "say its end: either --for or --until"),
        (["--for", "soon"], "--for: expected a duration such as 30m, 2h or 1d"),
        (["--for", "0s"], "--for: that end lies in the past"),
        (["--for", "400d"], "--for: that end lies more than a year ahead"),
        (["--until", "tomorrow"], "--until: expected a moment such as 2026-12-01T22:00 or 2026-12-01T22:00:00Z"),
        (["--until", "2020-01-01T00:00"], "--until: that end lies in the past"),
        (["--for", "2h", "--organization", "globex"], "no organization 'globex'; there are: default"),
    ],
)
def test_an_end_must_be_said_and_lie_ahead(run: Run, typed: list[str], said: str) -> None:
    refused = run("silence", "add", "server=x", "--reason", "x", *typed)
    assert refused.exit_code == 2
    assert said in refused.stderr


def test_a_reason_must_be_said(run: Run) -> None:
    assert run("silence", "add", "server=x", "--for", "2h").exit_code == 2
    empty = run("silence", "add", "server=x", "--for", "2h", "--reason", " ")
    assert empty.exit_code == 2
    assert "reason: expected a reason" in empty.stderr


def test_of_several_organizations_one_is_named(run: Run, tmp_path: Path) -> None:
    two = '[organizations.acme]\nname = "A"\n[organizations.globex]\nname = "G"\n'
    (tmp_path / "vedette.toml").write_text(two)
    typed = ("silence", "add", "server=x", "--for", "2h", "--reason", "x")
    assert "say whose with --organization: acme, globex" in run(*typed).stderr
    assert output(run(*typed, "--organization", "globex", "--json"))["organization"] == "globex"


def test_an_alert_is_shown_with_what_people_wrote(run: Run) -> None:
    alert = raise_alert()
    with reading():
        notes.add(alert, "looking\n\x1b[2Jinto it", "alice", time.time())
    shown = run("alerts", "show", str(alert)).stdout
    assert "alice: looking  [2Jinto it" in shown
    assert [note["text"] for note in output(run("alerts", "show", str(alert), "--json"))["notes"]] == [
        "looking\n\x1b[2Jinto it"
    ]
