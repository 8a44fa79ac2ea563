"""A prober in a network of its own, whose only way out is taken down and put up again; run by test_connectivity.

Tells what it saw as one JSON line. Run it as root of fresh network and mount namespaces.
"""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from alerting.config import Config, Organization, Watch
from alerting.configuration.rules import default_rules
from alerting.prober import Prober
from alerting.store import alerts, database, subjects
from tests.servers.http_target import HttpTarget
from tests.waiting import wait_until

FAR = ("10.9.0.2", "10.9.0.3", "10.9.0.4")
_SERVE = "import http.server as h; h.test(h.SimpleHTTPRequestHandler, port=80, bind='0.0.0.0')"


def main() -> None:
    """Play the scene that the second argument names, on a database in the folder that the first one does."""
    folder, scene = Path(sys.argv[1]), sys.argv[2]
    run("ip", "link", "set", "lo", "up")
    with far_side() as pid:
        local = HttpTarget()
        database.open_database(f"sqlite:///{folder / 'vedette.db'}")
        database.migrate()
        config = _config(local.url("/ok"), *sys.argv[3:])
        prober = Prober(lambda: config, lambda: None)
        prober.start()
        try:
            wait_until(lambda: set(statuses().values()) == {"ok"} and len(statuses()) == 4, 20, "all to be well")
            sys.stdout.write(json.dumps(SCENES[scene](pid, local)))
        finally:
            prober.stop(5)


def cable_pulled(pid: int, local: HttpTarget) -> Any:
    """The only interface goes down, and a service on this very machine with it; then the interface comes back."""
    local.close()
    pulled = time.time()
    run("ip", "link", "set", "out", "down")
    wait_until(lambda: "unknown" in statuses().values(), 20, "our trouble to be seen")
    wait_until(lambda: list(statuses().values()).count("unknown") == 3, 20, "all three to be unknown")
    wait_until(lambda: "check/local" in open_alerts(), 20, "the local service to be told")
    wait_until(lambda: time.time() - pulled > 5, 20, "intervals enough for silence to be told, were it not excused")
    said = {"down": open_alerts(), "messages": messages(), "local_after": alert_at("check/local") - pulled}
    run("ip", "link", "set", "out", "up")
    wait_until(lambda: "self/network" not in open_alerts(), 20, "our trouble to be over")
    wait_until(lambda: list(statuses().values()).count("ok") == 3, 20, "all three to be well again")
    return {**said, "up": open_alerts(), "ever": sorted({one.fingerprint for one in every_alert()})}


def one_target_gone(pid: int, local: HttpTarget) -> Any:
    """One of three hosts disappears: that is his own affair."""
    run(*inside(pid), "sysctl", "-qw", "net.ipv4.conf.far.promote_secondaries=1")
    run(*inside(pid), "ip", "addr", "del", f"{FAR[0]}/24", "dev", "far")
    wait_until(lambda: "check/far-0" in open_alerts(), 20, "that one to be told")
    return {"down": open_alerts()}


def all_targets_gone(pid: int, local: HttpTarget) -> Any:
    """All three hosts disappear while our own network is as it was."""
    run(*inside(pid), "ip", "addr", "flush", "dev", "far")
    wait_until(lambda: len(open_alerts()) == 3, 20, "all three to be told")
    return {"down": open_alerts(), "messages": messages()}


def way_out_lost(pid: int, local: HttpTarget) -> Any:
    """All three hosts disappear, and with them what the configuration names to test our network by."""
    run(*inside(pid), "ip", "addr", "flush", "dev", "far")
    wait_until(lambda: "self/network" in open_alerts(), 20, "our trouble to be seen")
    wait_until(lambda: list(statuses().values()).count("unknown") == 3, 20, "all three to be unknown")
    return {"down": open_alerts(), "messages": messages()}


SCENES = {each.__name__: each for each in (cable_pulled, one_target_gone, all_targets_gone, way_out_lost)}


@contextmanager
def far_side() -> Iterator[int]:
    """A network beyond this one with three hosts that serve; the process whose network that is."""
    far = subprocess.Popen(
        ["unshare", "-n", sys.executable, "-c", _SERVE], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_until(lambda: _network(far.pid) != _network("self"), 10, "the far network")
        run("ip", "link", "add", "out", "type", "veth", "peer", "name", "far")
        run("ip", "link", "set", "far", "netns", str(far.pid))
        run("ip", "addr", "add", "10.9.0.1/24", "dev", "out")
        run("ip", "link", "set", "out", "up")
        for address in FAR:
            run(*inside(far.pid), "ip", "addr", "add", f"{address}/24", "dev", "far")
        run(*inside(far.pid), "ip", "link", "set", "far", "up")
        for address in FAR:
            wait_until(lambda place=address: _serves(place), 20, f"{address} to serve")
        yield far.pid
    finally:
        far.kill()
        far.wait(10)


def statuses() -> dict[str, str]:
    """subject → status."""
    return {name: state.observation.status for name, state in _states().items()}


def messages() -> dict[str, str]:
    """subject → message."""
    return {name: state.observation.message for name, state in _states().items()}


def every_alert() -> list[Any]:
    """Every alert there ever was."""
    with database.reading():
        return alerts.page(None, None, 100)


def open_alerts() -> list[str]:
    """The subjects in trouble."""
    return sorted(one.subject for one in every_alert() if one.status != "resolved")


def alert_at(subject: str) -> float:
    """When that subject's alert was raised, epoch seconds."""
    return next(float(one.triggered_at) for one in every_alert() if one.subject == subject)


def inside(pid: int) -> list[str]:
    """How a command begins that is to run in that process's network."""
    return ["nsenter", "-t", str(pid), "-n"]


def run(*words: str) -> None:
    """A command, to its end."""
    subprocess.run(words, check=True)


def _serves(address: str) -> bool:
    with socket.socket() as caller:
        caller.settimeout(1)
        return caller.connect_ex((address, 80)) == 0


def _states() -> Any:
    with database.reading():
        return {name: state for name, state in subjects.states().items() if not name.startswith("self/")}


def _network(pid: int | str) -> str:
    return str(Path(f"/proc/{pid}/ns/net").readlink())


def _config(local: str, *connectivity: str) -> Config:
    urls = {"local": local, **{f"far-{number}": f"http://{address}/" for number, address in enumerate(FAR)}}
    watches = [Watch(f"check/{name}", "http", "acme", 1.0, {"url": url, "timeout": 0.7}) for name, url in urls.items()]
    config = Config(organizations=(Organization("acme", "Acme"),), watches=tuple(watches))
    return replace(config, rules=tuple(default_rules()), connectivity=connectivity)


if __name__ == "__main__":
    main()
