"""Kind `local`: this very machine."""

import psutil
import pytest

from probes import Observation, find
from probes._machinery.host import Host
from probes._machinery.requests import HostQuery, HostReply, Sleep
from probes._machinery.runner import check_config, run
from probes._machinery.tasks import Running

GIB = 1024**3
READING = HostReply(
    cpu_percent=12.0, memory_used_bytes=1 * GIB, memory_total_bytes=4 * GIB, memory_percent=25.0,
    disk_used_bytes=9 * GIB, disk_total_bytes=10 * GIB, disk_percent=90.0,
    network_rx_bytes=5_000.0, network_tx_bytes=700.0, boot_at=1.0,
)  # fmt: skip


def conclude(asking: Running, reply: HostReply) -> Observation:
    assert next(asking) == HostQuery()
    with pytest.raises(StopIteration) as end:
        asking.send(reply)
    observation: Observation = end.value.value
    return observation


def test_this_machine_is_measured_at_the_first_look() -> None:
    seen = run("local", {}, now=1000.0)
    assert seen.status == "ok"
    assert 0 <= (seen.values["cpu_percent"] or 0) <= 100 and seen.values["cpu_percent"] is not None
    assert seen.values["memory_total_bytes"] == psutil.virtual_memory().total
    assert seen.facts["queried_at"] == "1970-01-01T00:16:40.000Z"
    assert seen.values["network_rx_rate"] is None  # a rate needs two looks
    assert seen.facts["container_count"] is None


def test_rates_are_of_the_time_since_the_last_look() -> None:
    first = conclude(find("local")({}, 1000.0, None), READING)
    later = HostReply(cpu_percent=1.0, network_rx_bytes=65_000.0, network_tx_bytes=700.0)
    second = conclude(find("local")({}, 1060.0, first), later)
    assert (second.values["network_rx_rate"], second.values["network_tx_rate"]) == (1000.0, 0.0)


def test_counters_that_began_anew_give_no_rate() -> None:
    first = conclude(find("local")({}, 1000.0, None), READING)
    second = conclude(find("local")({}, 1060.0, first), HostReply(cpu_percent=1.0, network_rx_bytes=10.0))
    assert second.values["network_rx_rate"] is None and second.values["network_tx_rate"] is None
    assert second.values["disk_percent"] is None


@pytest.mark.parametrize(
    ("thresholds", "status"),
    [
        ({}, "critical"),  # a disk at 90 %: the default is reached, not exceeded
        ({"disk": [90.0, 90.1]}, "warning"),
        ({"disk": [90.1, 95]}, "healthy"),
        ({"disk": [95, 99], "cpu": [12, 13]}, "warning"),
        ({"disk": [95, 99], "memory": [10, 25]}, "critical"),
    ],
)
def test_the_summarys_status_is_the_worst_threshold_reached(thresholds: dict[str, list[float]], status: str) -> None:
    seen = conclude(find("local")({"thresholds": thresholds}, 1000.0, None), READING)
    assert (seen.status, seen.facts["status"]) == ("ok", status)


def test_a_first_look_waits_for_the_processor() -> None:
    asking = find("local")({}, 1000.0, None)
    assert next(asking) == HostQuery()
    assert asking.send(HostReply(cpu_percent=None)) == Sleep(1.0)
    assert asking.send(None) == HostQuery()


def test_readings_that_cannot_be_had_are_unknown() -> None:
    seen = conclude(find("local")({}, 1000.0, None), HostReply(error="no /proc here"))
    assert (seen.status, seen.facts["status"]) == ("unknown", "unreachable")
    assert seen.message == "no /proc here"


def test_the_host_keeps_its_counters_between_looks() -> None:
    host = Host()
    assert host.look().cpu_percent is None
    sum(range(5_000_000))
    percent = host.look().cpu_percent
    assert percent is not None and 0 < percent <= 100


def test_faults_name_the_key() -> None:
    assert check_config("local", {"thresholds": {"cpu": [80, 95]}}) == []
    assert "'gpu'" in check_config("local", {"thresholds": {"gpu": [80, 95]}})[0].message
    assert check_config("local", {"thresholds": {"cpu": [80]}})[0].pointer == "/thresholds/cpu"
