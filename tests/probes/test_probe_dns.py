"""Kind `dns`: records of a real name server, and name servers that refuse, fail, lie or are silent."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from probes import Observation
from probes._machinery.runner import check_config, run
from tests.servers.dnsmasq import SERIAL, BadDns
from tests.waiting import free_port

ROOT = Path(__file__).parents[2]


def look(server: str, name: str = "www.example.test", **config: object) -> Observation:
    return run("dns", {"name": name, "server": server, "timeout": 3, **config})


def test_an_address_is_found_with_its_time(dns_server: str) -> None:
    seen = look(dns_server)
    assert seen.status == "ok", seen.message
    assert seen.message.startswith("A of www.example.test: 192.0.2.10 in 0.")
    assert seen.values["answers"] == 1 and seen.values["ttl_seconds"] == 300
    total = seen.values["total_seconds"]
    assert total and 0 < total < 1
    assert seen.facts == {"rcode": "NOERROR", "answers": ["192.0.2.10"], "server": dns_server}


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("www.example.test", {"type": "AAAA", "exactly": ["2001:DB8:0:0::10"]}),
        ("WWW.example.test.", {"exactly": ["192.0.2.10"]}),
        ("two.example.test", {"expect": ["192.0.2.22"], "answers": 2}),
        ("two.example.test", {"exactly": ["192.0.2.22", "192.0.2.21"]}),
        ("alias.example.test", {"expect": "192.0.2.10"}),
        ("alias.example.test", {"type": "CNAME", "exactly": ["www.example.test."]}),
        ("example.test", {"type": "MX", "exactly": ["20 backup.example.test", "10 MAIL.example.test"]}),
        ("example.test", {"type": "TXT", "expect": ["v=spf1 mx -all"]}),
        ("_sip._tcp.example.test", {"type": "SRV", "expect": ["5 10 5060 sip.example.test"]}),
        ("example.test", {"type": "CAA", "expect": ['0 issue "authority.example"']}),
        ("192.0.2.10", {"type": "PTR", "expect": ["www.example.test"]}),
        ("www.example.test", {"tcp": True, "expect": ["192.0.2.10"]}),
        ("nobody.example.test", {"rcode": "NXDOMAIN"}),
        ("www.example.test", {"type": "MX", "exactly": []}),
        ("www.example.test", {"type": "MX", "answers": 0}),
    ],
)
def test_what_is_expected_is_ok(dns_server: str, name: str, config: dict[str, object]) -> None:
    seen = look(dns_server, name, **config)
    assert seen.status == "ok", seen.message


@pytest.mark.parametrize(
    ("name", "config", "said"),
    [
        ("nobody.example.test", {}, "A of nobody.example.test: NXDOMAIN (no such name) from {}, expected an answer"),
        ("nobody.example.test", {"expect": ["192.0.2.1"]}, "NXDOMAIN (no such name) from {}, expected 192.0.2.1"),
        ("www.example.test", {"expect": ["192.0.2.1"]}, "192.0.2.10, expected 192.0.2.1 among them"),
        ("two.example.test", {"exactly": ["192.0.2.21"]}, "192.0.2.21, 192.0.2.22, expected exactly 192.0.2.21"),
        ("www.example.test", {"type": "MX"}, "the number of records is 0, expected > 0"),
        ("www.example.test", {"type": "MX", "expect": ["10 a.test"]}, "no record, expected 10 a.test among them"),
        ("two.example.test", {"answers": {">=": 3}}, "the number of records is 2, expected >= 3"),
        ("www.example.test", {"rcode": "NXDOMAIN"}, "NOERROR from {}, expected NXDOMAIN"),
        ("www.elsewhere.test", {}, "REFUSED (the server does not answer such questions, or not to us) from {}"),
    ],
)
def test_what_is_not_as_expected_is_critical_and_named(
    dns_server: str, name: str, config: dict[str, object], said: str
) -> None:
    seen = look(dns_server, name, **config)
    assert seen.status == "critical"
    assert said.format(dns_server) in seen.message


def test_an_answer_too_long_for_a_datagram_is_fetched_by_tcp(dns_server: str) -> None:
    wanted = "".join(letter * 250 for letter in "abcdefgh")
    seen = look(dns_server, "long.example.test", type="TXT", expect=[wanted])
    assert seen.status == "ok", seen.message
    assert len(seen.message) < 300


def test_the_serial_of_a_zone_is_a_value(dns_server: str) -> None:
    assert look(dns_server, "example.test", type="SOA").values["serial"] == SERIAL


def test_slow_is_a_warning(dns_server: str) -> None:
    seen = look(dns_server, max_seconds=0.000001)
    assert seen.status == "warning" and "expected at most 1e-06 s" in seen.message


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("servfail.test", "SERVFAIL (the server could not find out: the zone's own servers do not answer"),
        ("refused.test", "REFUSED (the server does not answer such questions, or not to us)"),
        ("silent.test", "no answer from the name server {} within 0.6 s"),
        ("garbage.test", "no answer from the name server {} within 0.6 s"),
        ("stranger.test", "no answer from the name server {} within 0.6 s"),
    ],
)
def test_a_name_server_in_trouble_is_critical_and_told_apart(bad_dns: BadDns, name: str, said: str) -> None:
    began = time.monotonic()
    seen = look(bad_dns.place, name, timeout=0.6)
    assert seen.status == "critical"
    assert said.format(bad_dns.place) in seen.message
    assert time.monotonic() - began < 5
    assert seen.values["answers"] is None or seen.values["answers"] == 0


def test_a_lost_datagram_is_sent_again_and_a_stranger_is_not_heard(bad_dns: BadDns) -> None:
    seen = look(bad_dns.place, "late.test", timeout=3)
    assert seen.status == "ok", seen.message
    assert bad_dns.asked[:2] == ["late.test.", "late.test."]


def test_nobody_there_and_nobody_may_go_there() -> None:
    port = free_port()
    for tcp in (False, True):
        gone = look(f"127.0.0.1:{port}", tcp=tcp)
        assert gone.status == "critical"
        assert gone.message == f"the name server 127.0.0.1:{port} does not listen there (refused)"
    denied = run("dns", {"name": "a.test", "server": "127.0.0.1"}, denied_networks=["127.0.0.0/8"])
    assert denied.status == "unknown" and "may not be probed" in denied.message


# Runs where /etc/resolv.conf names a server that is not there.
_SCENE = """
import json, subprocess, sys
subprocess.run(["mount", "--bind", sys.argv[1], "/etc/resolv.conf"], check=True)
subprocess.run(["ip", "link", "set", "lo", "up"], check=False)
from probes._machinery.runner import run
seen = [run("dns", {"name": "a.example", "timeout": 1}), run("tcp", {"host": "a.example", "port": 80, "timeout": 1})]
print(json.dumps([[one.status, one.message] for one in seen]))
"""


def test_our_own_name_server_not_answering_is_no_failure_of_the_target(tmp_path: Path) -> None:
    import json

    apart = ["unshare", "--user", "--map-root-user", "--mount", "--net"]
    if subprocess.run([*apart, "true"], capture_output=True).returncode:
        pytest.skip("this machine lets nobody have a network of their own")
    (tmp_path / "resolv.conf").write_text("nameserver 127.0.0.53\noptions timeout:1 attempts:1\n")
    command = [*apart, sys.executable, "-c", _SCENE, str(tmp_path / "resolv.conf")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    (dns_status, dns_said), (tcp_status, tcp_said) = json.loads(done.stdout)
    assert dns_status == "unknown" and "127.0.0.53:53" in dns_said
    assert tcp_status == "unknown" and "a.example" in tcp_said


@pytest.mark.parametrize(
    ("config", "pointer", "named"),
    [
        ({}, "", "name"),
        ({"name": "a..b"}, "/name", "not a name that can be asked for"),
        ({"name": "a" * 64 + ".b"}, "/name", "not a name that can be asked for"),
        ({"name": "a.b", "type": "AXFR"}, "/type", "AXFR"),
        ({"name": "a.b", "server": "ns.example"}, "/server", "not an address"),
        ({"name": "a.b", "server": "127.0.0.1:0"}, "/server", "not an address"),
        ({"name": "a.b", "server": "169.254.169.254"}, "/server", "may not be probed"),
        ({"name": "a.b", "expect": "no address"}, "/expect", "not a record of type A"),
        ({"name": "a.b", "expect": ["no address"]}, "/expect/0", "not a record of type A"),
        ({"name": "a.b", "type": "MX", "exactly": ["10 a.b", "a.b"]}, "/exactly/1", "not a record of type MX"),
        ({"name": "a.b", "answers": {"more": 1}}, "/answers", "more"),
        ({"name": "a.b", "answers": {">": [1]}}, "/answers", "takes a number"),
        ({"name": "a.b", "records": []}, "", "'records'"),
    ],
)
def test_a_faulty_configuration_is_named(config: dict[str, object], pointer: str, named: str) -> None:
    faults = check_config("dns", config)
    assert any(fault.pointer == pointer and named in fault.message for fault in faults), faults
    assert run("dns", config).status == "unknown"


@pytest.mark.parametrize("server", ["192.0.2.1", "192.0.2.1:5353", "2001:db8::1", "[2001:db8::1]:5353"])
def test_name_servers_as_they_are_written(server: str) -> None:
    assert check_config("dns", {"name": "a.b", "server": server}) == []
