"""Probes run by the API: of any kind and recording nothing, or those that are declared, judged like any look."""

import json
import subprocess
import sys
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import schemas
from alerting.config import Organization, Rule, Ssh, Watch
from alerting.store import database, subjects
from alerting.store.database import reading
from tests.databases import database_url, store
from tests.servers.http_target import HttpTarget
from tests.servers.postgres import PostgresPair
from tests.waiting import free_port, wait_until
from tests.web.serving import Web, superuser_token
from tests.web.team import CONFIG, NOW, Team, small_team, team

__all__ = ["database_url", "small_team", "store", "team"]

ALONE = replace(CONFIG, organizations=(Organization("acme", "Acme"),))


@pytest.fixture
def alone(small_team: Team) -> Team:
    """The team where there is one organization."""
    small_team.watcher.config = ALONE
    return small_team


def saw(answer: Any) -> Any:
    assert answer.status_code == 200, answer.text
    return answer.json


def refused(answer: Any, status: int = 400) -> dict[str, str]:
    """The faults a refusal names, by pointer."""
    assert answer.status_code == status, answer.text
    assert schemas.faults("problem", answer.json) == []
    return {fault["pointer"]: fault["message"] for fault in answer.json.get("errors", [])}


def test_a_probe_is_run_and_nothing_is_recorded(alone: Team, http_target: HttpTarget) -> None:
    seen = saw(alone.client("alice").post("/probes/http", {"url": http_target.url("/ok")}))
    assert (seen["kind"], seen["status"]) == ("http", "ok")
    assert seen["duration_seconds"] > 0
    assert set(seen) == {"kind", "status", "message", "values", "facts", "duration_seconds"}
    with reading():
        assert subjects.states() == {}


def test_a_failing_target_is_an_answer(alone: Team) -> None:
    port = free_port()
    seen = saw(alone.client("alice").post("/probes/tcp", {"host": "127.0.0.1", "port": port}))
    assert seen["status"] == "critical"
    assert "refused" in seen["message"]


def test_the_configuration_may_be_wrapped(alone: Team, http_target: HttpTarget) -> None:
    alice = alone.client("alice")
    assert saw(alice.post("/probes/http", {"config": {"url": http_target.url("/ok")}}))["status"] == "ok"
    assert refused(alice.post("/probes/http", {"config": {"url": 3}})).keys() == {"/config/url"}
    assert refused(alice.post("/probes/http", {"config": 3})).keys() == {"/config"}


def test_a_kind_that_needs_nothing_is_asked_for_nothing(alone: Team) -> None:
    assert saw(alone.client("alice").post("/probes/local"))["values"]["memory_percent"] > 0


def test_no_kind_has_a_key_that_the_wrapping_would_hide() -> None:
    assert [kind for kind in schemas.names("probes") if "config" in schemas.load(f"probes/{kind}")["properties"]] == []


@pytest.mark.parametrize(
    ("kind", "body", "pointer"),
    [
        ("http", {"url": "ftp://x/"}, "/url"),
        ("http", {"url": "http://x/", "nonsense": 1}, ""),
        ("http", {}, ""),
        ("tcp", {"host": "x", "port": 70000}, "/port"),
        ("replica", {"pool": "nowhere", "application_name": "replica"}, "/pool"),
        ("http", [], ""),
    ],
)
def test_a_faulty_configuration_is_refused_where_it_is_wrong(alone: Team, kind: str, body: Any, pointer: str) -> None:
    faults = refused(alone.client("alice").post(f"/probes/{kind}", body))
    assert pointer in faults or any(found.startswith(pointer) for found in faults), faults


def test_an_unknown_kind_names_those_there_are(alone: Team) -> None:
    answer = alone.client("alice").post("/probes/gopher", {})
    assert refused(answer, 404) == {}
    assert "http" in answer.json["detail"]


def test_a_heartbeat_that_nobody_keeps_is_unknown(alone: Team) -> None:
    seen = saw(alone.client("alice").post("/probes/heartbeat", {"period": "1h"}))
    assert seen["status"] == "unknown"
    assert "declare it" in seen["message"]


def test_who_may_not_configure_may_not_run(alone: Team) -> None:
    for path in ("/probes/http", "/monitoring/checks/website/run"):
        assert alone.client("bob").post(path, {"url": "http://x/"}).status_code == 403
        assert alone.client().post(path, {"url": "http://x/"}).status_code == 401


def test_link_local_addresses_are_nobodys(alone: Team) -> None:
    for name in ("alice", "root"):
        answer = alone.client(name).post("/probes/tcp", {"host": "169.254.169.254", "port": 80})
        assert answer.status_code == 400 or answer.json["status"] in ("critical", "unknown")
        assert "may not be probed" in answer.text or "never" in answer.text


def test_what_the_file_denies_is_denied(alone: Team, http_target: HttpTarget) -> None:
    alone.watcher.config = replace(ALONE, denied_networks=("127.0.0.0/8",))
    seen = saw(alone.client("root").post("/probes/http", {"url": http_target.url("/ok")}))
    assert seen["status"] != "ok"
    assert "may not be probed" in seen["message"]


def test_one_of_several_organizations_does_not_explore_the_network(small_team: Team, http_target: HttpTarget) -> None:
    body = {"url": http_target.url("/ok")}
    seen = saw(small_team.client("alice").post("/probes/http", body))
    assert "may not be probed" in seen["message"]
    assert saw(small_team.client("root").post("/probes/http", body))["status"] == "ok"
    small_team.watcher.config = replace(CONFIG, allowed_networks=("127.0.0.0/8",))
    assert saw(small_team.client("alice").post("/probes/http", body))["status"] == "ok"
    refused(small_team.client("alice").post("/probes/local"), 403)


def test_a_pool_is_its_organizations(small_team: Team, postgres_pair: PostgresPair) -> None:
    pools = (replace(CONFIG.pools[0], url=postgres_pair.primary.url()),)
    small_team.watcher.config = replace(CONFIG, pools=pools)
    body = {"pool": "shop", "application_name": "replica"}
    seen = saw(small_team.client("alice").post("/probes/replica", body))
    assert seen["facts"]["status"] in ("online", "lagging")
    assert str(postgres_pair.primary.port) not in json.dumps(seen)
    assert refused(small_team.client("charlie").post("/probes/replica", body)).keys() == {"/pool"}
    beyond = {**body, "standby_dsn": postgres_pair.primary.url()}
    assert "may not be probed" in saw(small_team.client("alice").post("/probes/replica", beyond))["message"]


@pytest.mark.parametrize("parameter", ["passfile", "service", "sslkey", "sslkeylogfile"])
def test_a_dsn_reads_and_writes_no_file_of_this_machine(alone: Team, tmp_path: Path, parameter: str) -> None:
    there = tmp_path / "there"
    given = {"dsn": f"postgresql://u@127.0.0.1:1/d?{parameter}={there}"}
    assert parameter in refused(alone.client("alice").post("/probes/postgres", given))["/dsn"]
    assert not there.exists()


def test_vedettes_own_key_opens_no_door_but_those_declared(small_team: Team) -> None:
    body = {"ssh": "root@elsewhere.example", "container": "postgres", "application_name": "replica"}
    assert refused(small_team.client("alice").post("/probes/replica", body)).keys() == {"/ssh"}
    login = f"root@127.0.0.1:{free_port()}"
    declared = Watch("environment/ssh", "replica", "acme", 60.0, {"ssh": login})
    ssh = Ssh("PLANTED-key", {})
    small_team.watcher.config = replace(CONFIG, watches=(*CONFIG.watches, declared), ssh=ssh)
    seen = saw(small_team.client("alice").post("/probes/replica", {**body, "ssh": login}))
    assert seen["status"] != "ok"
    assert "PLANTED" not in json.dumps(seen)
    assert refused(small_team.client("charlie").post("/probes/replica", {**body, "ssh": login})).keys() == {"/ssh"}


def test_a_check_is_run_judged_and_stored(team: Team, http_target: HttpTarget) -> None:
    website = Watch("check/website", "http", "acme", 30.0, {"url": http_target.url("/status/500")})
    down = Rule("Down", "http_down", "critical", "status", ">=", 2, duration_seconds=0, organization="acme")
    team.watcher.config = replace(CONFIG, watches=(website,), rules=(down,))
    alice = team.client("alice")
    seen = saw(alice.post("/monitoring/checks/website/run"))
    assert (seen["id"], seen["kind"], seen["status"]) == ("website", "http", "critical")
    assert seen["observed_at"] == "2027-01-15T08:00:00.000Z"
    [alert] = alice.get("/monitoring/alerts").json["items"]
    assert alert["message"] == seen["message"]
    assert alice.get("/monitoring/checks").json["items"][0]["status"] == "critical"
    team.now = NOW + 60
    mended = replace(website, config={"url": http_target.url("/ok")})
    team.watcher.config = replace(team.watcher.config, watches=(mended,))
    assert saw(alice.post("/monitoring/checks/website/run"))["status"] == "ok"
    assert alice.get("/monitoring/alerts?status=triggered").json["items"] == []


def test_servers_and_environments_are_run_too(small_team: Team) -> None:
    seen = saw(small_team.client("charlie").post("/monitoring/servers/other/run"))
    assert (seen["kind"], seen["status"]) == ("local", "ok")
    seen = saw(small_team.client("alice").post("/monitoring/environments/shop/run"))
    assert seen["kind"] == "replica"
    assert "PLANTED" not in json.dumps(seen)


def test_anothers_check_is_not_there(small_team: Team) -> None:
    for name in ("theirs", "nowhere"):
        assert small_team.client("alice").post(f"/monitoring/checks/{name}/run").status_code == 404


def test_a_look_is_compared_with_the_last_one(small_team: Team) -> None:
    for _ in range(2):
        seen = saw(small_team.client("root").post("/monitoring/servers/other/run"))
    assert seen["values"]["network_rx_rate"] is not None


def test_more_than_a_few_at_once_are_asked_to_wait(
    alone: Team, http_target: HttpTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.looking._PATIENCE", 0.05)
    answers: list[Any] = []
    client = alone.client("alice")
    body = {"url": http_target.url("/hang"), "timeout": 3}
    threads = [threading.Thread(target=lambda: answers.append(client.post("/probes/http", body))) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.status_code for answer in answers) == [200] * 4 + [503]
    [busy] = [answer for answer in answers if answer.status_code == 503]
    assert busy.headers["Retry-After"] == "5"


def test_a_look_that_breaks_is_unknown(alone: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/bin/false")
    seen = saw(alone.client("alice").post("/probes/local"))
    assert (seen["status"], seen["message"]) == ("unknown", "the look broke by itself; see the log")


def test_the_process_of_a_look_is_told_all_on_stdin(http_target: HttpTarget) -> None:
    told = {"kind": "http", "config": {"url": http_target.url("/ok")}, "seconds": 5, "denied": [], "allowed": []}
    given = json.dumps({**told, "previous": None})
    done = subprocess.run([sys.executable, "-m", "probes"], input=given, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["status"] == "ok"


def test_greenlets_go_on_while_somebody_waits_for_a_look(tmp_path: Path, http_target: HttpTarget) -> None:
    url = f"sqlite:///{tmp_path / 'vedette.db'}"
    database.open_database(url)
    database.migrate()
    with reading():
        token = superuser_token()
    website = f'[checks.website]\nkind = "http"\nconfig = {{ url = "{http_target.url("/status/500")}" }}\n'
    (tmp_path / "vedette.toml").write_text(website)
    hanging = {"url": http_target.url("/hang"), "timeout": 2}
    with Web(tmp_path, url) as web, ThreadPoolExecutor() as pool:
        answer = pool.submit(_post, web, token, "/probes/http", hanging)
        wait_until(lambda: "/hang" in http_target.hits, 20, "the look to begin")
        began = time.monotonic()
        assert web.answers()
        assert time.monotonic() - began < 1
        assert not answer.done()
        assert answer.result()["message"] == "no answer within 2 s"
        assert _post(web, token, "/monitoring/checks/website/run")["status"] == "critical"
        assert web.complaints() == []
    database.close_database()


def _post(web: Web, token: str, path: str, body: Any = None) -> Any:
    data, headers = b"" if body is None else json.dumps(body).encode(), {"Authorization": f"Bearer {token}"}
    if body is not None:
        headers["Content-Type"] = "application/json"
    url = f"http://127.0.0.1:{web.port}/api/v1{path}"
    request = urllib.request.Request(url, data, headers, method="POST")
    with urllib.request.urlopen(request, timeout=40) as answer:
        return json.load(answer)
