"""A server's metrics: its containers, and its past as its own Netdata averages it, shared by all who look."""

import json
import threading
import time
from dataclasses import replace
from typing import Any

import pytest

from alerting import pipeline
from alerting.config import Environment, NetdataParent, Watch
from probes import Observation
from probes._machinery.runner import run
from tests.databases import database_url, store
from tests.servers.netdata import NetdataAgent
from tests.servers.netdata_replay import NetdataReplay
from tests.waiting import wait_until
from tests.web.team import CONFIG, NOW, Team, small_team, team
from web import server_history
from web.kept import Kept

__all__ = ["database_url", "small_team", "store", "team"]

GUID = "5f0c2a1e-0000-4000-8000-000000000001"
SERIES = {"cpu", "memory", "disk", "network_rx", "network_tx"}
CONTAINER = {"container_name": "shop_web", "status": "running", "cpu_percent": 1.5}
SEEN = {
    "status": "healthy",
    "cpu_percent": 12.5,
    "container_count": 3,
    "containers": [
        CONTAINER,
        {**CONTAINER, "container_name": "other"},
        {**CONTAINER, "container_name": "shop_job", "status": "exited"},
    ],
    "containers_known": {"shop_web": {"looks": 2, "down_since": None}, "shop_db": {"looks": 2, "down_since": NOW}},
}


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_history, "_kept", Kept())


def watching(team: Team, url: str, **more: Any) -> None:
    """Have acme's server be asked at that address; with an environment on it, and a parent at it."""
    server = Watch("server/prod-1", "netdata", "acme", 60.0, {"url": url, **more}, server="prod-1")
    team.watcher.config = replace(
        CONFIG,
        watches=(server, *CONFIG.watches[1:]),
        netdata=(NetdataParent("main", url, public_url="https://netdata.acme.example/"),),
        environments=(
            Environment("shop", "acme", "shop", "prod-1", ("shop_web", "shop_db", "shop_cache")),
            Environment("bare", "acme"),
            Environment("theirs", "globex", None, "other"),
        ),
    )


def observe(team: Team, facts: dict[str, Any], status: Any = "ok", at: float = NOW) -> None:
    pipeline.ingest(team.watcher.config, [Observation(status, {}, "seen", facts, "server/prod-1", at)], at)


def say(replay: NetdataReplay, rows: dict[str, list[list[Any]]], guid: str | None = None) -> None:
    """Have every chart answered alike: labels and newest row first."""
    host = f"/host/{guid}" if guid else ""
    replay.say(f"{host}/api/v1/data", 200, json.dumps({"labels": rows["labels"], "data": rows["data"]}).encode())


def test_the_last_look_without_series(team: Team) -> None:
    watching(team, "http://user:PLANTED@127.0.0.1:1", machine_guid=GUID)
    observe(team, SEEN)
    body = team.client("bob").get("/monitoring/servers/prod-1/metrics").json
    assert set(body) == {
        "server_id", "server_name", "summary", "containers", "timeseries", "timeseries_error", "netdata_dashboard_url",
        "queried_at",
    }  # fmt: skip
    assert (body["server_id"], body["summary"]["cpu_percent"], body["timeseries"]) == ("prod-1", 12.5, None)
    assert [one["container_name"] for one in body["containers"]] == ["shop_web", "other", "shop_job"]
    assert body["netdata_dashboard_url"] == f"https://netdata.acme.example/host/{GUID}/"
    team.watcher.config = replace(team.watcher.config, netdata=())
    body = team.client("bob").get("/monitoring/servers/prod-1/metrics").json
    assert body["netdata_dashboard_url"] == f"http://127.0.0.1:1/host/{GUID}/"


def test_a_real_agents_past(small_team: Team, netdata_agent: NetdataAgent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(server_history.RANGES, "1h", server_history.Range(60.0, 12))  # type: ignore[arg-type]
    watching(small_team, netdata_agent.url)
    wait_until(lambda: run("netdata", {"url": netdata_agent.url}).values.get("disk_percent"), 60, "the disk's chart")

    def past() -> Any:
        server_history._kept = Kept()
        path = "/monitoring/servers/prod-1/metrics?include_timeseries=true&time_range=1h"
        body = small_team.client("bob").get(path).json
        return body if all(body["timeseries"].values()) else None

    body = wait_until(past, 60, "a point of every series")
    assert set(body["timeseries"]) == SERIES
    assert body["timeseries_error"] is None
    cpu = body["timeseries"]["cpu"]
    assert (cpu["metric_name"], cpu["unit"]) == ("cpu_percent", "percent")
    assert [point["timestamp"] for point in cpu["points"]] == sorted(point["timestamp"] for point in cpu["points"])
    known = [point["value"] for point in body["timeseries"]["memory"]["points"] if point["value"] is not None]
    assert all(0 < value < 100 for value in known)
    assert body["timeseries"]["network_rx"]["unit"] == "bytes/s"


def test_rows_become_points_and_gaps_stay_gaps(small_team: Team, netdata_replay: NetdataReplay) -> None:
    watching(small_team, netdata_replay.url, machine_guid=GUID, api_key="s3cr3t", headers={"X-Team": "acme"})
    rows = [[120, 3.0, 1.0, -80.0, 8.0], [60, None, None, None, None], [0, 0, 0, 0, 0]]
    say(netdata_replay, {"labels": ["time", "used", "avail", "sent", "received"], "data": rows}, GUID)
    path = "/monitoring/servers/prod-1/metrics?include_timeseries=true&time_range=24h"
    series = small_team.client("bob").get(path).json["timeseries"]
    assert [point["value"] for point in series["disk"]["points"]] == [
        None,
        None,
        75.0,
    ]  # a row of zeros measures nothing
    assert [point["value"] for point in series["network_tx"]["points"]] == [0.0, None, 10_000.0]
    assert series["network_rx"]["points"][2] == {"timestamp": "1970-01-01T00:02:00.000Z", "value": 1000.0}
    assert all("after=-86400&points=96&group=average" in path for path in netdata_replay.asked)
    assert {headers["authorization"] for headers in netdata_replay.headers} == {"Bearer s3cr3t"}
    assert {headers["x-team"] for headers in netdata_replay.headers} == {"acme"}


def test_many_who_look_share_an_answer_for_a_minute(small_team: Team, netdata_replay: NetdataReplay) -> None:
    watching(small_team, netdata_replay.url)
    say(netdata_replay, {"labels": ["time", "user"], "data": [[60, 5.0]]})
    clients = [small_team.client("bob") for _ in range(6)]
    path = "/monitoring/servers/prod-1/metrics?include_timeseries=true&time_range="
    seen: list[int] = []
    threads = [
        threading.Thread(target=lambda client=client: seen.append(client.get(path + "6h").status_code))  # type: ignore[misc]
        for client in clients
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert seen == [200] * 6
    assert netdata_replay.count("chart=system.cpu") == 1
    clients[0].get(path + "7d")
    assert netdata_replay.count("chart=system.cpu") == 2


def test_an_answer_is_made_again_when_its_time_is_over() -> None:
    clock = [0.0]
    kept: Kept[int] = Kept(lambda: clock[0])
    made = iter(range(10))
    assert [kept.get("a", lambda: (next(made), 60.0)) for _ in range(3)] == [0, 0, 0]
    clock[0] = 60.0
    assert kept.get("a", lambda: (next(made), 60.0)) == 1
    for number in range(3000):
        kept.get(number, lambda: (0, 60.0))
    assert len(kept._entries) <= 1000


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (412, b"no", "Netdata refused: HTTP 412"),
        (302, b"", "Netdata answered HTTP 302, expected 200"),
        (500, b"", "Netdata answered HTTP 500, expected 200"),
        (200, b"<html>", "the answer is not Netdata's"),
        (200, b"x" * 1_100_000, "the answer is too long to be Netdata's"),
    ],
)
def test_a_netdata_that_does_not_say_is_told_and_shows_nothing(
    small_team: Team, netdata_replay: NetdataReplay, status: int, body: bytes, words: str
) -> None:
    watching(small_team, netdata_replay.url)
    netdata_replay.say("/api/v1/data", status, body)
    seen = small_team.client("bob").get("/monitoring/servers/prod-1/metrics?include_timeseries=true")
    assert (seen.status_code, seen.json["timeseries_error"]) == (200, words)
    assert seen.json["timeseries"] == dict.fromkeys(SERIES)


def test_a_netdata_that_is_away_or_out_of_bounds(small_team: Team, netdata_agent: NetdataAgent) -> None:
    path = "/monitoring/servers/prod-1/metrics?include_timeseries=true"
    watching(small_team, "http://127.0.0.1:1")
    away = small_team.client("bob").get(path).json
    assert (away["timeseries_error"], away["timeseries"]["cpu"]) == ("no connection to Netdata", None)
    watching(small_team, netdata_agent.url)
    small_team.watcher.config = replace(small_team.watcher.config, denied_networks=("127.0.0.0/8",))
    denied = small_team.client("bob").get(path).json
    assert "may not be probed" in denied["timeseries_error"]
    watching(small_team, netdata_agent.url.replace("http", "https"))
    assert small_team.client("bob").get(path).json["timeseries_error"] == "no connection to Netdata"


def test_a_server_without_netdata_has_our_own_history(small_team: Team) -> None:
    client = small_team.client("charlie")
    body = client.get("/monitoring/servers/other/metrics?include_timeseries=true").json
    assert body["timeseries"] == dict.fromkeys(SERIES)  # nothing was ever seen
    values = {"cpu_percent": 40.0, "memory_percent": None}
    one = Observation("ok", values, "", {"status": "healthy"}, "server/other", NOW - 30)
    pipeline.ingest(small_team.watcher.config, [one], NOW)
    body = client.get("/monitoring/servers/other/metrics?include_timeseries=true&time_range=1h").json
    assert body["timeseries"]["cpu"]["points"][-1]["value"] == 40.0
    assert (body["timeseries"]["memory"], body["netdata_dashboard_url"]) == (None, None)


@pytest.mark.parametrize("query", ["time_range=2h", "time_range=", "time_range=1h&include_timeseries=maybe"])
def test_a_bad_parameter_names_the_choices(small_team: Team, query: str) -> None:
    refused = small_team.client("bob").get(f"/monitoring/servers/prod-1/metrics?{query}")
    assert (refused.status_code, refused.mimetype) == (400, "application/problem+json")
    assert "1h, 6h, 24h, 7d, 30d" in refused.json["detail"] or "true, false" in refused.json["detail"]


def test_old_or_unknown_numbers_are_not_shown(small_team: Team) -> None:
    watching(small_team, "http://127.0.0.1:1")
    observe(small_team, {**SEEN, "streaming_status": "connected"}, "unknown")  # as noted when nobody could look
    (item,) = small_team.client("bob").get("/monitoring/servers").json["items"]
    assert (item["status"], item["streaming_status"], item["cpu_percent"]) == ("unknown", "error", None)
    assert small_team.client("bob").get("/monitoring/servers/prod-1/metrics").json["containers"] == []
    observe(small_team, {"status": "unreachable", "streaming_status": "pending"}, "unknown", NOW + 1)
    (item,) = small_team.client("bob").get("/monitoring/servers").json["items"]
    assert (item["status"], item["streaming_status"]) == ("unreachable", "pending")


def test_an_environment_and_its_containers(small_team: Team) -> None:
    watching(small_team, "http://127.0.0.1:1")
    bob = small_team.client("bob")
    unknown = bob.get("/monitoring/environments/shop/metrics").json
    assert (unknown["container_count"], unknown["summary"]["cpu_percent"], unknown["containers"]) == (None, None, [])
    observe(small_team, SEEN)
    found = bob.get("/monitoring/environments/shop/metrics").json
    assert (found["environment_id"], found["server_id"], found["project_id"]) == ("shop", "prod-1", "shop")
    assert found["summary"]["cpu_percent"] == 12.5
    assert [one["container_name"] for one in found["containers"]] == ["shop_web"]
    assert (found["container_count"], found["containers_healthy"], found["containers_unhealthy"]) == (3, 1, 2)
    bare = bob.get("/monitoring/environments/bare/metrics").json
    assert (bare["server_id"], bare["summary"], bare["containers"], bare["container_count"]) == (None, None, [], None)
    listed = {item["id"]: item for item in bob.get("/monitoring/environments").json["items"]}
    assert set(listed) == {"shop", "bare"}
    assert listed["shop"]["replica"] is not None and listed["bare"]["replica"] is None
    for path in ("theirs/metrics", "none/metrics"):
        assert bob.get(f"/monitoring/environments/{path}").status_code == 404
    assert small_team.client("charlie").get("/monitoring/servers/prod-1/metrics").status_code == 404
    assert small_team.client().get("/monitoring/environments/shop/metrics").status_code == 401


def test_a_netdata_that_drips_does_not_hold_a_worker(small_team: Team, netdata_agent: NetdataAgent) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        watching(small_team, f"http://127.0.0.1:{silent.getsockname()[1]}")
        began = time.monotonic()
        seen = small_team.client("bob").get("/monitoring/servers/prod-1/metrics?include_timeseries=true").json
    assert seen["timeseries_error"] == "Netdata does not answer in time"
    assert time.monotonic() - began < 8
