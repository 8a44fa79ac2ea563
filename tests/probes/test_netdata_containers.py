"""A server's containers: what Netdata captured of real ones, what Docker says, and which of them are missed."""

import json
from typing import Any

import pytest

from probes import Observation
from probes._machinery import docker_words
from probes._machinery.netdata_answers import Charts
from probes._machinery.netdata_containers import FIELDS, Container, by_charts, by_docker, fleet
from probes._machinery.netdata_ssh import Docker
from probes._machinery.runner import run
from tests.servers.cgroups import Cgroups
from tests.servers.netdata import NetdataAgent
from tests.servers.netdata_replay import ANSWERS, NetdataReplay
from tests.waiting import wait_until

NOW = 1_795_206_877.0
MIB = 2.0**20
DATE = "Fri, 20 Nov 2026 20:34:37 GMT"


def captured() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ANSWERS / "v1.37/allmetrics_cgroups.body").read_bytes())
    return found


def running(*names: str) -> list[Container]:
    return [{**dict.fromkeys(FIELDS), "container_name": name, "status": "running"} for name in names]


def stopped(name: str) -> list[Container]:
    return [{**running(name)[0], "status": "stopped"}]


def test_real_containers_as_netdata_showed_them() -> None:
    listed = by_charts(captured(), NOW - 15, ()) or []
    by_name = {one["container_name"]: one for one in listed}
    assert set(by_name) == {"db-prod-2", "nonet", "compose-web-1", "webapp_1"}
    web = by_name["webapp_1"]
    assert set(web) == set(FIELDS)
    assert web["cpu_percent"] == pytest.approx(13.9166702 + 0.7212099)  # of one core, as `docker stats` has it
    assert web["memory_used_bytes"] == pytest.approx(0.8710938 * 1024**2)
    assert web["memory_limit_bytes"] == pytest.approx(256 * 1024**2)
    assert web["memory_percent"] == pytest.approx(100 * 0.8710938 / 256)
    assert (web["network_rx_bytes"], web["network_tx_bytes"]) == (0, 0)
    assert by_name["nonet"]["network_rx_bytes"] is None  # it has no network: that is no rate of 0
    assert {one["status"] for one in listed} == {"running"}
    assert web["restart_count"] is web["uptime_seconds"] is web["container_id"] is None


def test_what_a_container_sends_is_negative_and_counted_in_kilobits() -> None:
    found = captured()
    found["cgroup_webapp_1.net_eth0"]["dimensions"] = {"received": {"value": 203.0}, "sent": {"value": -121_851.0}}
    found["cgroup_webapp_1.net_eth1"] = found["cgroup_webapp_1.net_eth0"]
    (web,) = [one for one in by_charts(found, 0, ()) or [] if one["container_name"] == "webapp_1"]
    assert web["network_rx_bytes"] == 2 * 203_000 / 8  # both interfaces, bytes a second
    assert web["network_tx_bytes"] == 2 * 121_851_000 / 8


def test_a_container_without_a_name_is_known_by_its_id() -> None:
    found = json.loads((ANSWERS / "v1.37/fake_cgroup2_allmetrics.body").read_bytes())
    (one,) = by_charts(found, 0, ()) or []
    assert (one["container_id"], one["container_name"]) == ("aaaaaaaaaaaa", "aaaaaaaaaaaa")
    assert one["memory_percent"] == pytest.approx(62.5)
    assert one["cpu_percent"] == pytest.approx(30.2627281 + 10.087584)


@pytest.mark.parametrize(
    "name",
    ["user_slice_user-1000_slice_session-2_scope", "system_slice_ssh_service", "init_scope", "systemd",
     "process_api_0123456789abcdef0123456789abcdef"],
)  # fmt: skip
def test_a_cgroup_that_is_no_container_is_left_out(name: str) -> None:
    chart = {f"cgroup_{name}.cpu": {"context": "cgroup.cpu", "last_updated": NOW, "dimensions": {}}}
    assert by_charts(chart, 0, ()) == []
    assert len(by_charts(chart, 0, (f"{name[:5]}*",)) or []) == 1  # unless it is asked for


def test_a_machine_without_container_charts_tells_nothing() -> None:
    charts: Charts = {"system.cpu": {}}
    assert by_charts(charts, 0, ()) is None
    nothing = fleet(None, {}, ["shop_*"], NOW, True)
    assert (nothing.count, nothing.healthy, nothing.unhealthy, nothing.down) == (None, None, None, ())


def test_a_container_that_was_there_and_stopped_is_down() -> None:
    first = fleet(running("web", "db"), {}, (), NOW, True)
    second = fleet(running("web", "db"), first.known, (), NOW + 60, True)
    assert (second.count, second.healthy, second.unhealthy) == (2, 2, 0)
    third = fleet(running("db") + stopped("web"), second.known, (), NOW + 120, True)
    assert (third.count, third.healthy, third.unhealthy) == (2, 1, 1)
    assert third.down == ["container web is down (stopped)"]
    gone = fleet(running("db"), third.known, (), NOW + 180, True)  # its charts were dropped meanwhile
    assert gone.down == ["container web is down (gone)"]
    assert [one["status"] for one in gone.containers if one["container_name"] == "web"] == ["stopped"]
    back = fleet(running("db", "web"), gone.known, (), NOW + 240, True)
    assert (back.unhealthy, back.down) == (0, [])
    removed = fleet(running("db"), gone.known, (), NOW + 120 + 86_400, True)
    assert (removed.unhealthy, removed.down) == (0, [])


def test_a_job_that_ran_once_and_what_was_never_seen_at_work_are_not_missed() -> None:
    first = fleet(running("job") + stopped("old"), {}, (), NOW, True)
    assert (first.count, first.healthy, first.unhealthy) == (1, 1, 0)
    assert fleet(stopped("job") + stopped("old"), first.known, (), NOW + 60, True).unhealthy == 0


def test_a_container_known_by_its_id_alone_is_not_missed() -> None:
    known = fleet(running("aaaaaaaaaaaa"), {}, (), NOW, True).known
    known = fleet(running("aaaaaaaaaaaa"), known, (), NOW + 60, True).known
    assert fleet(running("web"), known, (), NOW + 120, True).unhealthy == 0  # it has got a name


def test_what_an_environment_names_must_run() -> None:
    patterns = ["shop-prod_*", "db.prod"]
    first = fleet(running("db-prod", "shop-prod_web"), {}, patterns, NOW, True)
    assert (first.count, first.unhealthy) == (2, 0)  # Netdata writes a hyphen for the dot
    missing = fleet(running("db-prod"), {}, patterns, NOW, True)
    assert missing.down == ["no container runs that shop-prod_* names"]
    assert (missing.count, missing.healthy, missing.unhealthy) == (2, 1, 1)
    stopped_one = fleet(running("db-prod") + stopped("shop-prod_web"), first.known, patterns, NOW, True)
    assert stopped_one.down == ["container shop-prod_web is down (stopped)"]  # told once, by its name


def test_an_agent_that_has_just_started_misses_nothing() -> None:
    known = fleet(running("web"), fleet(running("web"), {}, (), NOW, True).known, (), NOW, True).known
    starting = fleet(None, known, ["web"], NOW + 60, False)
    assert (starting.unhealthy, starting.down) == (0, [])
    assert fleet(None, starting.known, ["web"], NOW + 120, True).down == ["container web is down (gone)"]


def test_dockers_own_list_with_the_charts_numbers() -> None:
    docker = Docker(
        ps=[
            {"ID": "0123456789abcdef", "Names": "webapp_1", "State": "running", "Status": "Up 2 hours (healthy)"},
            {"ID": "1123456789ab", "Names": "db.prod-2", "State": "running", "Status": "Up 3 minutes (unhealthy)"},
            {"ID": "2123456789ab", "Names": "uncharted", "State": "running", "Status": "Up About a minute"},
            {"ID": "3123456789ab", "Names": "job", "State": "exited", "Status": "Exited (0) 2 days ago"},
        ],
        stats={"uncharted": {"CPUPerc": "0.50%", "MemUsage": "1.5MiB / 2GiB", "MemPerc": "0.07%"}},
        restarts={"webapp_1": 3},
    )
    web, db, uncharted, job = by_docker(docker, by_charts(captured(), 0, ()) or [])
    assert (web["container_id"], web["status"], web["restart_count"], web["uptime_seconds"]) == (
        "0123456789ab", "running", 3, 7200,
    )  # fmt: skip
    assert web["cpu_percent"] == pytest.approx(14.6378801)
    assert (db["container_name"], db["status"], db["uptime_seconds"]) == ("db.prod-2", "unhealthy", 180)
    assert db["memory_used_bytes"] == pytest.approx(1.078125 * 1024**2)
    assert (uncharted["cpu_percent"], uncharted["memory_used_bytes"]) == (0.5, 1.5 * 1024**2)
    assert uncharted["memory_limit_bytes"] == 2 * 1024**3
    assert (job["status"], job["cpu_percent"], job["uptime_seconds"]) == ("exited", None, None)
    seen = fleet([web, db, uncharted, job], {}, (), NOW, True)
    assert (seen.healthy, seen.unhealthy) == (2, 0)


@pytest.mark.parametrize(
    ("text", "bytes_"),
    [("0B", 0), ("1.2kB", 1200), ("1.5MiB", 1_572_864), ("2GiB", 2 * 1024**3), ("x", None), ("1.2.3MB", None),
     (None, None)],
)  # fmt: skip
def test_sizes_as_docker_writes_them(text: str | None, bytes_: float | None) -> None:
    assert docker_words.size(text) == bytes_


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("Up Less than a second", 0), ("Up 5 seconds", 5), ("Up About an hour", 3600), ("Up 3 weeks", 1_814_400),
     ("Exited (137) 2 hours ago", None), ("Created", None), (None, None)],
)  # fmt: skip
def test_how_long_a_container_is_up(text: str | None, seconds: float | None) -> None:
    assert docker_words.uptime(text) == seconds


def test_a_stopped_container_is_named_at_night(netdata_replay: NetdataReplay) -> None:
    netdata_replay.answer("/api/v1/info", "v1.37/parent_info")

    def look(previous: Observation | None, now: float, stop: str | None = None) -> Observation:
        found = {
            name: {**chart, "last_updated": now - (60 if stop and name.startswith(f"cgroup_{stop}.") else 0)}
            for name, chart in {**captured(), "system.cpu": {"dimensions": {}}}.items()
        }
        netdata_replay.say("/api/v1/allmetrics", 200, json.dumps(found).encode(), DATE)
        return run("netdata", {"url": netdata_replay.url, "timeout": 2}, now=now, previous=previous)

    seen = look(look(None, NOW), NOW)
    assert (seen.values["container_count"], seen.values["containers_unhealthy"]) == (4, 0)
    seen = look(seen, NOW, stop="webapp_1")
    assert (seen.status, seen.values["containers_healthy"], seen.values["containers_unhealthy"]) == ("ok", 3, 1)
    assert seen.message.startswith("container webapp_1 is down (stopped); cpu ")
    assert (seen.facts["container_count"], seen.facts["containers_unhealthy"]) == (4, 1)


def test_containers_of_a_real_agent_come_and_go(
    netdata_with_containers: tuple[NetdataAgent, Cgroups], monkeypatch: pytest.MonkeyPatch
) -> None:
    agent, cgroups = netdata_with_containers
    monkeypatch.setattr("probes._machinery.netdata_seen._CONTAINERS_FOUND", 0.0)  # no minute of waiting here
    config = {"url": agent.url, "timeout": 2, "containers": ["shop_*"]}
    for name in ("shop_web", "other"):
        cgroups.run(name)
    seen = run("netdata", config)

    def until(unhealthy: int) -> Observation:
        def look() -> Observation | None:
            nonlocal seen
            seen = run("netdata", config, previous=seen)
            return seen if seen.values["containers_unhealthy"] == unhealthy and seen.facts["containers"] else None

        return wait_until(look, 60, f"{unhealthy} containers that do not run")

    def measured() -> dict[str, Any] | None:
        found = {one["container_name"]: one for one in until(0).facts["containers"]}
        return found["shop_web"] if len(found) == 2 and found["shop_web"]["memory_percent"] else None

    web = wait_until(measured, 60, "both, and their memory")
    assert (web["status"], web["memory_used_bytes"], web["memory_limit_bytes"]) == ("running", 160 * MIB, 256 * MIB)
    assert (web["memory_percent"], web["cpu_percent"]) == (62.5, 0)
    cgroups.stop("shop_web")
    gone = until(1)
    assert gone.message.startswith("container shop_web is down (")
    assert (gone.values["container_count"], gone.values["containers_healthy"]) == (2, 1)
    cgroups.run("shop_web")
    assert "is down" not in until(0).message
