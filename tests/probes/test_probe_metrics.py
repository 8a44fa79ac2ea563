"""Kind `metrics`: a real service of Prometheus' own client, watched through restarts, gone series and bad answers."""

import json
import tomllib
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from prometheus_client import Counter, Gauge, Histogram

from alerting.cli import vedette
from probes import Observation
from probes._machinery.requests import HttpReply, HttpRequest, Reply, Request, Sleep
from probes._machinery.runner import Runner, check_config, run
from probes.metrics import probe
from tests.servers.exposition import Exposed
from tests.servers.http_target import HttpTarget, RawJson

NOW = 1_800_000_000.0
HOUR = 3600.0

DOCUMENTED = (Path(__file__).parents[2] / "docs/probes.md").read_text("utf-8")
LEAFLOCK: dict[str, Any] = {
    "values": {
        "api_errors": {"sum": 'leaflock_http_errors_total{component="api"}', "rate": "10m", "default": 0},
        "websockets": {"sum": "leaflock_websocket_connections", "default": 0},
        "active_users": "leaflock_active_users",
        "backup_p95_seconds": {"quantile": 0.95, "of": "leaflock_backup_duration_seconds", "rate": "24h"},
        "backups": {"sum": 'leaflock_backups_total{status="success"}', "increase": "24h", "default": 0},
    },
    "critical": {
        "websockets": {"==": 0, "while": {"active_users": {">": 0}}},
        "backups": {"==": 0},
    },
    "warning": {
        "api_errors": {">": 5},
        "backup_p95_seconds": {">": 600},
    },
}
"""LeafLock's four failure modes."""


class LeafLock:
    """Its metrics, as its own client exposes them."""

    def __init__(self, service: Exposed) -> None:
        registry = service.registry
        self.errors = Counter("leaflock_http_errors", "", ["component"], registry=registry)
        self.websockets = Gauge("leaflock_websocket_connections", "", registry=registry)
        self.users = Gauge("leaflock_active_users", "", registry=registry)
        self.durations = Histogram("leaflock_backup_duration_seconds", "", registry=registry, buckets=(60, 300, 900))
        self.backups = Counter("leaflock_backups", "", ["status"], registry=registry)


class Watched:
    """A check that looks whenever it is told to, on a clock of its own; what it slept is counted."""

    def __init__(self, url: str, **config: Any) -> None:
        self.config = {"url": url, **config}
        assert check_config("metrics", self.config) == []
        self.last: Observation | None = None
        self.slept = 0.0

    def look(self, at: float = 0.0) -> Observation:
        probing = probe(self.config, NOW + at, self.last)
        reply: Reply = None
        while True:
            try:
                request = probing.send(reply)
            except StopIteration as end:
                self.last = json_round(end.value)
                return self.last
            reply = self._serve(request)

    def _serve(self, request: Request) -> Reply:
        if isinstance(request, Sleep):
            self.slept += request.seconds
            return None
        assert isinstance(request, HttpRequest)
        return exchanged(request)


def json_round(seen: Observation) -> Observation:
    """The observation as it comes back from the database."""
    return Observation(seen.status, seen.values, seen.message, json.loads(json.dumps(seen.facts, allow_nan=False)))


def exchanged(request: HttpRequest) -> HttpReply:
    replies: list[HttpReply] = []

    def asking() -> Generator[Request, Reply, Observation]:
        reply = yield request
        assert isinstance(reply, HttpReply)
        replies.append(reply)
        return Observation("ok")

    runner = Runner()
    try:
        runner.start(asking(), "it", 20)
        while not runner.run_once(1.0):
            pass
    finally:
        runner.close()
    return replies[0]


def values(seen: Observation, *names: str) -> list[float | None]:
    return [None if (value := seen.values[name]) is None else round(value, 3) for name in names]


def test_a_value_a_sum_and_their_like(exposed: Exposed) -> None:
    jobs = Gauge("jobs", "", ["queue", "state"], registry=exposed.registry)
    for queue, state, number in (("mail", "waiting", 3), ("mail", "failed", 1), ("web", "waiting", 8)):
        jobs.labels(queue, state).set(number)
    asked = {
        "failed": 'jobs{state="failed"}',
        "waiting": {"sum": 'jobs{state=~"wait.*"}'},
        "worst": {"max": "jobs"},
        "least": {"min": 'jobs{queue!="web"}'},
        "usual": {"avg": "jobs"},
        "queues": {"count": 'jobs{state="waiting"}'},
        "lost": {"count": 'jobs{state="lost"}'},
        "failing": {"ratio": ['jobs{state="failed"}', "jobs"]},
    }
    watched = Watched(exposed.url, values=asked, critical={"failed": {">": 5}})
    seen = watched.look()
    assert (seen.status, watched.slept) == ("ok", 0), seen.message
    assert values(seen, *asked) == [1, 11, 8, 1, 4, 2, 0, 0.083]
    assert seen.values["total_seconds"] and seen.values["body_bytes"]
    jobs.labels("mail", "failed").set(6)
    failed = watched.look(60)
    assert (failed.status, failed.message) == ("critical", "failed is 6 (> 5)")


def test_a_rate_needs_two_looks_and_the_first_look_takes_them(exposed: Exposed) -> None:
    requests = Counter("requests", "", registry=exposed.registry)
    requests.inc(1000)
    watched = Watched(exposed.url, values={"per_second": {"value": "requests_total", "rate": "5m"}})
    assert values(watched.look(), "per_second") == [0]
    assert watched.slept == 5
    requests.inc(550)
    assert watched.look(55).values["per_second"] == pytest.approx(10, rel=0.01)
    assert watched.slept == 5, "the next look has the last to compare with"


def test_a_rate_is_that_of_its_window(exposed: Exposed) -> None:
    requests = Counter("requests", "", registry=exposed.registry)
    watched = Watched(exposed.url, values={"per_second": {"value": "requests_total", "rate": "5m"}})
    for minute in range(30):
        seen = watched.look(minute * 60)
        requests.inc(60 if minute < 20 else 600)
    assert seen.values["per_second"] == pytest.approx(10, rel=0.01)


def test_a_restart_is_no_fall(exposed: Exposed) -> None:
    Counter("requests", "", registry=exposed.registry).inc(1_000_000)
    watched = Watched(exposed.url, values={"grown": {"value": "requests_total", "increase": "1m"}})
    watched.look()
    exposed.close()
    assert (watched.look(15).status, watched.last and watched.last.facts["records"].keys()) == ("critical", {"grown"})
    exposed.restart()
    again = Counter("requests", "", registry=exposed.registry)
    again.inc(30)
    assert watched.look(30).values["grown"] is None
    again.inc(12)
    assert watched.look(60.1).values["grown"] == pytest.approx(42, abs=0.2)


def test_an_increase_waits_for_its_whole_window_and_says_so(exposed: Exposed) -> None:
    failures = Counter("failures", "", registry=exposed.registry)
    asked = {"grown": {"value": "failures_total", "increase": "1h"}}
    watched = Watched(exposed.url, values=asked, critical={"grown": {">=": 3}}, warning={"grown": {"==": 0}})
    first = watched.look()
    assert (first.status, first.message) == ("unknown", "grown is not known: 1 h of looks are needed")
    second = watched.look(1800)
    assert (second.status, second.message) == ("ok", "grown is not known: 30 m of 1 h have been seen")
    failures.inc(3)
    assert watched.look(2400).message == "grown is already 3 (>= 3)", "a bound that is known all the same"
    assert watched.look(3000).status == "critical"
    assert watched.look(3601).values["grown"] == 3
    assert watched.look(6500).status == "warning"


def test_a_series_that_begins_counts_from_nothing_only_where_that_is_said(exposed: Exposed) -> None:
    failures = Counter("failures", "", ["job"], registry=exposed.registry)
    asked = {"plain": {"sum": "failures_total", "increase": "1m"}, "zero": {"sum": "failures_total", "increase": "1m"}}
    asked["zero"]["default"] = 0  # type: ignore[assignment]
    failures.labels("known").inc(5)
    watched = Watched(exposed.url, values=asked)
    watched.look()
    failures.labels("new").inc(2)
    watched.look(30)
    seen = watched.look(60.1)
    assert (seen.values["plain"], seen.values["zero"]) == (0, pytest.approx(2, abs=0.02))


def test_what_is_not_there_is_absent_and_not_nothing(exposed: Exposed) -> None:
    Gauge("up", "", registry=exposed.registry).set(1)
    gone = Watched(exposed.url, values={"queue": "queue_length", "up": "up"}).look()
    assert (gone.status, gone.values["queue"]) == ("unknown", None)
    assert gone.message == "queue is not known: there is no series queue_length"
    assert gone.facts["missing"] == {"queue": "there is no series queue_length"}
    nothing = Watched(exposed.url, values={"queue": {"value": "queue_length", "default": 0}}).look()
    assert (nothing.status, nothing.values["queue"]) == ("ok", 0)
    told = Watched(exposed.url, values={"queue": "queue_length"}, critical={"queue": {">": 9, "absent": True}}).look()
    assert (told.status, told.message) == ("critical", "queue is absent: there is no series queue_length")
    jobs = Gauge("jobs", "", ["queue"], registry=exposed.registry)
    for queue in ("a", "b"):
        jobs.labels(queue).set(1)
    several = Watched(exposed.url, values={"jobs": "jobs"}, critical={"jobs": {"absent": True}}).look()
    assert (several.status, "expected one" in several.message) == ("unknown", True)
    other = Watched(
        exposed.url, values={"queue": "queue_length", "up": "up"}, critical={"queue": {">": 9}, "up": {"==": 1}}
    ).look()
    assert (other.status, other.message) == ("critical", "up is 1 (== 1)"), "what is known to be wrong comes first"


def test_a_series_that_goes_is_told_as_gone(exposed: Exposed) -> None:
    jobs = Gauge("jobs", "", ["queue"], registry=exposed.registry)
    jobs.labels("mail").set(3)
    watched = Watched(exposed.url, values={"mail": 'jobs{queue="mail"}', "all": {"sum": "jobs", "default": 0}})
    assert watched.look().status == "ok"
    jobs.remove("mail")
    seen = watched.look(60)
    assert (seen.status, values(seen, "mail", "all")) == ("unknown", [None, 0])


def test_several_where_one_is_expected_are_told(exposed: Exposed) -> None:
    jobs = Gauge("jobs", "", ["queue"], registry=exposed.registry)
    jobs.labels("a").set(1)
    jobs.labels("b").set(float("nan"))
    seen = Watched(exposed.url, values={"jobs": "jobs"}).look()
    assert (seen.status, seen.values["jobs"]) == ("unknown", None)
    assert "2 series are jobs, expected one: add labels or use sum" in seen.message
    assert "is no number now" in Watched(exposed.url, values={"jobs": {"sum": "jobs"}}).look().message


def test_quantiles_and_ratios_over_a_window(exposed: Exposed) -> None:
    seconds = Histogram("took_seconds", "", ["path"], registry=exposed.registry, buckets=(0.1, 0.5, 1, 5))
    requests = Counter("requests", "", ["code"], registry=exposed.registry)
    for path in ("/a", "/b"):
        seconds.labels(path).observe(4)
    requests.labels("200").inc(100)
    asked = {
        "p95": {"quantile": 0.95, "of": "took_seconds", "rate": "5m"},
        "ever_p50": {"quantile": 0.5, "of": 'took_seconds_bucket{path="/a"}'},
        "errors": {"ratio": ['requests_total{code="500"}', "requests_total"], "rate": "5m", "default": 0},
    }
    watched = Watched(exposed.url, values=asked, warning={"p95": {">": 2}})
    first = watched.look()
    assert values(first, *asked) == [None, 3, 0]
    assert (first.status, first.message) == ("ok", "ever_p50 3, errors 0; p95 is not known: nothing was observed")
    for number in range(100):
        seconds.labels("/a").observe(0.05 if number < 90 else 0.3)
    requests.labels("200").inc(90)
    requests.labels("500").inc(10)
    assert values(watched.look(60), *asked) == [0.3, 0.056, 0.1]
    seconds.labels("/b").observe(99)
    assert values(watched.look(120), "p95")[0] == pytest.approx(0.338, abs=0.001)


def test_another_selector_begins_anew(exposed: Exposed) -> None:
    Counter("a", "", registry=exposed.registry).inc(5)
    Counter("b", "", registry=exposed.registry).inc(1000)
    watched = Watched(exposed.url, values={"n": {"value": "a_total", "rate": "5m"}})
    watched.look()
    watched.config["values"] = {"n": {"value": "b_total", "rate": "5m"}}
    assert (values(watched.look(60), "n"), watched.slept) == ([0], 10)


def test_looks_too_far_apart_are_told(exposed: Exposed) -> None:
    Counter("a", "", registry=exposed.registry)
    watched = Watched(exposed.url, values={"n": {"value": "a_total", "increase": "1m"}})
    watched.look()
    late = watched.look(120)
    assert late.status == "unknown"
    assert late.message == "n is not known: the last look was 2 m ago, too long for a window of 1 m"
    back = watched.look(30)
    assert back.status == "unknown"
    assert back.message == "n is not known: the clock was set back since the last look: its window begins anew"
    assert watched.look(40).message == "n is not known: 10 s of 1 m have been seen"


def test_what_is_remembered_stays_small(exposed: Exposed) -> None:
    seconds = Histogram("took_seconds", "", registry=exposed.registry)
    watched = Watched(exposed.url, values={"p95": {"quantile": 0.95, "of": "took_seconds", "rate": "24h"}})
    for minute in range(0, 3000, 20):
        seconds.observe(1)
        seen = watched.look(minute * 60)
    assert len(json.dumps(seen.facts)) < 20_000
    assert len(seen.facts["records"]["p95"]["at"]) <= 51


def test_leaflocks_four_failure_modes(exposed: Exposed) -> None:
    """Errors at the API, nobody connected although people are there, slow backups, and no backup for a day."""
    app = LeafLock(exposed)
    app.users.set(3)
    app.websockets.set(2)
    app.backups.labels("success").inc()
    app.durations.observe(100)
    watched = Watched(exposed.url, **LEAFLOCK)
    assert watched.look().status == "unknown", "a day is needed for the backups"
    assert watched.look(600).status == "ok"
    app.errors.labels("web").inc(9000)
    assert watched.look(900).status == "ok"
    app.errors.labels("api").inc(4000)
    errors = watched.look(1200)
    assert (errors.status, errors.message.split(" (")[1]) == ("warning", "> 5)")
    assert errors.message.startswith("api_errors is 6.6")
    app.websockets.set(0)
    outage = watched.look(1500)
    assert (outage.status, outage.message) == ("critical", "websockets is 0 (== 0) while active_users is 3 (> 0)")
    app.users.set(0)
    assert watched.look(1800).status == "ok"
    app.backups.labels("success").inc()
    app.durations.observe(850)
    for hour in range(1, 24):
        slow = watched.look(hour * HOUR)
    assert (slow.status, slow.message) == ("warning", "backup_p95_seconds is 870 (> 600)")
    for hour in range(24, 27):
        missed = watched.look(hour * HOUR)
    assert (missed.status, missed.message) == ("critical", "backups is 0 (== 0)")
    exposed.restart()
    again = LeafLock(exposed)
    again.users.set(0)
    again.durations.observe(10)
    assert watched.look(27 * HOUR).message == "backups is 0 (== 0)", "a restart is no backup, though its series is gone"
    again.backups.labels("success").inc()
    assert watched.look(28 * HOUR).status == "ok"


def test_they_are_the_documentations_example() -> None:
    lines = DOCUMENTED.partition("    # LeafLock's four failure modes\n")[2].partition("\n| key")[0]
    documented = tomllib.loads("\n".join(line.strip() for line in lines.splitlines()))["checks"]["leaflock"]
    assert documented["kind"] == "metrics"
    assert documented["config"] == {"url": "http://127.0.0.1:8080/metrics", **LEAFLOCK}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("<html>login</html>", "line 1 is '<html>login</html>'"),
        ("up 1\nnonsense here\n", "line 2 is 'nonsense here'"),
        ('up{job="a} 1\n', "line 1 is 'up{job=\"a} 1'"),
        ("up 1 2 3 4\n", "line 1 is 'up 1 2 3 4'"),
        ('{"status": "ok"}', "line 1 is "),
        ("", "it is empty"),
    ],
)
def test_what_is_no_exposition_is_critical_and_quoted(http_target: HttpTarget, body: str, said: str) -> None:
    http_target.documents["/m"] = RawJson(body)
    seen = run("metrics", {"url": http_target.url("/m"), "values": {"up": "up"}})
    assert seen.status == "critical"
    assert seen.message.startswith("the answer is no Prometheus exposition: ")
    assert said in seen.message


def test_no_answer_is_critical_and_too_much_of_it_unknown(http_target: HttpTarget) -> None:
    asked = {"values": {"up": "up"}}
    assert run("metrics", {"url": http_target.url("/status/401"), **asked}).message == "HTTP 401, expected 200"
    assert run("metrics", {"url": "http://127.0.0.1:1/", **asked}).status == "critical"
    endless = run("metrics", {"url": http_target.url("/endless"), "max_bytes": 100_000, **asked})
    assert (endless.status, endless.message) == (
        "unknown",
        "the exposition is longer than 100000 bytes and was not read: raise max_bytes",
    )


def test_authentication_is_sent(http_target: HttpTarget) -> None:
    url = http_target.url("/echo")
    seen = run("metrics", {"url": url, "auth": {"bearer": "PLANTED"}, "values": {"up": "up"}})
    assert "line 1 is" in seen.message and "PLANTED" not in seen.message
    (fault,) = check_config("metrics", {"url": url, "auth": {"beerer": "PLANTED"}, "values": {"up": "up"}})
    assert (fault.pointer, "PLANTED" in fault.message) == ("/auth", False)


@pytest.mark.parametrize(
    ("config", "place", "said"),
    [
        ({"values": {}}, "/values", ""),
        ({"values": {"Bad-Name": "up"}}, "/values/Bad-Name", "a name of small letters"),
        ({"values": {"status": "up"}}, "/values/status", "that is not status"),
        ({"values": {"a": "up{"}}, "/values/a", "not a selector"),
        ({"values": {"a": 'up{x=~"("}'}}, "/values/a", "the pattern '(' cannot be used"),
        ({"values": {"a": {}}}, "/values/a", "expected exactly one of value, sum, min"),
        ({"values": {"a": {"sum": "x", "max": "y"}}}, "/values/a", "expected exactly one of"),
        ({"values": {"a": {"quantile": 0.5}}}, "/values/a", "quantile and of go together"),
        ({"values": {"a": {"sum": "x", "of": "y"}}}, "/values/a", "quantile and of go together"),
        ({"values": {"a": {"sum": "x", "rate": "5m", "increase": "5m"}}}, "/values/a", "rate or increase, not both"),
        ({"values": {"a": {"max": "x", "rate": "5m"}}}, "/values/a", "max does not go with rate"),
        ({"values": {"a": {"sum": "x", "rate": "1s"}}}, "/values/a", "at least 10 s"),
        ({"values": {"a": {"sum": "x", "rate": "5m", "default": 1}}}, "/values/a", "default can only be 0"),
        ({"values": {"a": "x"}, "critical": {"b": {">": 1}}}, "/critical/b", "no such value; there are: a"),
        ({"values": {"a": "x"}, "warning": {"a": {"while": {"a": {">": 1}}}}}, "/warning/a", "expected a limit"),
        (
            {"values": {"a": "x"}, "critical": {"a": {">": 1, "while": {"b": {">": 1}}}}},
            "/critical/a/while/b",
            "no such",
        ),
        ({"values": {"a": "x"}, "critical": {"a": {"=>": 1}}}, "/critical/a", "'=>'"),
        ({"values": {"a": "x"}, "colour": 1}, "", "'colour'"),
    ],
)
def test_nonsense_is_refused_by_name(config: dict[str, Any], place: str, said: str) -> None:
    (fault,) = check_config("metrics", {"url": "http://a.example/metrics", **config})
    assert fault.pointer == place
    assert said in fault.message


def test_once_from_a_terminal_with_its_two_looks(exposed: Exposed, tmp_path: Path) -> None:
    Counter("requests", "", registry=exposed.registry).inc(7)
    file = tmp_path / "metrics.json"
    asked = {"a": "requests_total", "r": {"value": "requests_total", "rate": "1m"}}
    file.write_text(json.dumps({"url": exposed.url, "values": asked, "critical": {"a": {">": 6}}}))
    done = CliRunner().invoke(vedette, ["probe", "metrics", "--config", f"@{file}"])
    assert done.exit_code == 2, done.output
    assert done.stdout.startswith("CRITICAL - a is 7 (> 6) | a=7 r=0 ")


def test_a_look_a_little_late_goes_on_where_the_window_is_the_interval(exposed: Exposed) -> None:
    counter = Counter("a", "", registry=exposed.registry)
    watched = Watched(exposed.url, values={"n": {"value": "a_total", "rate": "10s"}})
    watched.look()
    counter.inc(21)
    late = watched.look(10.5)
    assert late.status == "ok" and values(late, "n") == [pytest.approx(2.1)]
