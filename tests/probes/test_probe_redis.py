"""Kind `redis`: a sound Redis, its own figures and keys, and every way it refuses."""

import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis

from probes import Observation, find
from probes._machinery.redis_errors import in_words
from probes._machinery.runner import Runner, check_config, run
from tests.needing import need
from tests.servers.http_target import HttpTarget
from tests.servers.redis import running_redis
from tests.servers.smtp import SmtpServer
from tests.servers.tls import authority
from tests.waiting import wait_until


def look(port: int, **config: object) -> Observation:
    return run("redis", {"host": "127.0.0.1", "port": port, "timeout": 3, **config})


def ask(url: str, **config: object) -> Observation:
    return run("redis", {"url": url, "timeout": 3, **config})


@contextmanager
def client(port: int, **settings: Any) -> Iterator["redis.Redis"]:
    with redis.Redis("127.0.0.1", port, socket_timeout=5, **settings) as made:
        yield made


def test_a_sound_redis_answers_with_its_figures(redis_url: str) -> None:
    seen = ask(redis_url)
    assert seen.status == "ok", seen.message
    assert seen.message.startswith("answered in 0.") and seen.message.endswith("role master")
    ping, total, used = (seen.values[name] for name in ("ping_seconds", "total_seconds", "used_memory_bytes"))
    assert ping and total and 0 < ping < total < 1
    assert used and used > 100_000
    assert seen.values["connected_clients"] and seen.values["memory_percent"] is None
    assert seen.facts["role"] == "master" and seen.facts["redis_version"]


def test_what_it_says_of_itself_is_held_to_conditions(redis_url: str) -> None:
    sound = ask(redis_url, info={"role": "master", "used_memory": {"<": 1e9}, "connected_clients": {">=": 1, "<": 99}})
    assert sound.status == "ok", sound.message
    bad = ask(redis_url, info={"role": "slave", "used_memory": {"<": 5}, "master_link_status": "up"})
    assert bad.status == "critical"
    assert 'role is "master", expected "slave"; used_memory is ' in bad.message
    assert ', expected < 5; master_link_status is missing, expected "up"' in bad.message


def test_keys_and_their_lengths_are_held_to_conditions(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as server:
        server.set("mode", "on")
        server.set("count", "12")
        server.rpush("jobs", *range(7))
        server.sadd("people", "a", "b")
        server.zadd("ranks", {"a": 1})
        server.hset("card", mapping={"a": 1, "b": 2, "c": 3})
        server.xadd("log", {"a": 1})
    values = {"mode": "on", "count": {">": 10, "<": 20}}
    lengths = {"jobs": 7, "people": 2, "ranks": 1, "card": {"<=": 3}, "log": {">": 0}, "nothing": 0, "mode": 2}
    sound = ask(redis_url, values=values, lengths=lengths, info={"db0.keys": {">": 3}})
    assert sound.status == "ok", sound.message
    bad = ask(redis_url, values={"mode": "off", "count": "13", "gone": 1}, lengths={"jobs": {"<": 5}})
    assert bad.status == "critical"
    assert bad.message == (
        'mode is "on", expected "off"; count is "12", expected "13"; gone is missing, expected 1;'
        " the length of jobs is 7, expected < 5"
    )
    wrong = ask(redis_url, values={"jobs": 1})
    assert wrong.status == "critical" and wrong.message.startswith("jobs: Redis refused: WRONGTYPE")


def test_a_value_of_any_size_is_looked_at_and_not_fetched_whole(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as server:
        server.set("large", "x" * 50_000_000)
    seen = ask(redis_url, values={"large": {"contains": "xxx"}})
    assert seen.status == "ok", seen.message


def test_memory_is_told_in_percent_where_it_has_a_limit(tmp_path: Path) -> None:
    with running_redis(tmp_path, maxmemory="100mb") as port:
        percent = look(port).values["memory_percent"]
    assert percent and 0 < percent < 50


def test_slow_is_a_warning(redis_url: str) -> None:
    seen = ask(redis_url, max_seconds=0.000001)
    assert seen.status == "warning" and "expected at most 1e-06 s" in seen.message


def test_signing_in_and_what_is_not_permitted(tmp_path: Path) -> None:
    with running_redis(tmp_path, requirepass="s3cr3t/pass") as port:
        assert ask(f"redis://:s3cr3t%2Fpass@127.0.0.1:{port}/3").status == "ok"
        assert look(port, password="s3cr3t/pass", username="default", database=3).status == "ok"
        none = look(port)
        assert (none.status, none.message) == ("critical", "Redis wants a password, and the check gives none")
        wrong = look(port, password="s3cr3t-other")
        assert (wrong.status, wrong.message) == ("critical", "Redis refused the user or the password")
        far = look(port, password="s3cr3t/pass", database=99)
        assert (far.status, far.message) == ("critical", "Redis has no database of that number")
        with client(port, password="s3cr3t/pass") as server:
            server.execute_command("ACL", "SETUSER", "watch", "on", ">w", "~*", "-@all", "+ping")
        assert look(port, username="watch", password="w").status == "ok"
        unseen = look(port, username="watch", password="w", info={"role": "master"})
        assert unseen.status == "unknown"
        assert unseen.message.startswith("INFO: the user may not do this (NOPERM)")
        assert look(port, username="watch", password="w", lengths={"jobs": 0}).status == "unknown"
    assert "s3cr3t" not in repr((none, wrong, far))


def test_a_password_where_there_is_none_is_told(redis_url: str) -> None:
    seen = ask(redis_url.replace("//", "//:needless@"))
    assert (seen.status, seen.message) == (
        "critical",
        "Redis has no password for this user, and the check gives one",
    )


def test_a_redis_that_cannot_save_is_critical(tmp_path: Path) -> None:
    with running_redis(tmp_path) as port, client(port) as server:
        (tmp_path / "dump.rdb").mkdir()  # what it would write stands in its own way
        server.config_set("save", "3600 1")
        server.bgsave()
        wait_until(lambda: server.info("persistence")["rdb_last_bgsave_status"] == "err", 10, "the snapshot to fail")
        seen = look(port)
    assert seen.status == "critical"
    assert seen.message.startswith("Redis takes no writes, for its last snapshot could not be saved (MISCONF)")


def test_a_replica_without_its_master_is_seen(tmp_path: Path) -> None:
    with running_redis(tmp_path, replicaof="127.0.0.1 1") as port:
        down = look(port, info={"role": "slave", "master_link_status": "up"})
        assert (down.status, down.message) == ("critical", 'master_link_status is "down", expected "up"')
        unheld = look(port)
        assert unheld.status == "warning"
        assert unheld.message.endswith("what this replica answers may be old")
        assert look(port, info={"master_link_status": "down"}).status == "ok"
        with client(port) as server:
            server.config_set("replica-serve-stale-data", "no")
        mute = look(port, values={"mode": "on"})
        assert mute.status == "critical"
        assert "the replica has lost its master and does not answer (MASTERDOWN)" in mute.message


def test_a_redis_that_is_loading_says_so(tmp_path: Path) -> None:
    with running_redis(tmp_path) as port, client(port) as server:
        server.mset({f"key-{number}": "x" * 100 for number in range(3000)})
        server.save()
    slowly = {"key_load_delay": "20000", "loading_process_events_interval_bytes": "1024"}
    with running_redis(tmp_path, **slowly) as port:
        seen = look(port)
    assert (seen.status, seen.message) == ("critical", "Redis is loading its data and answers nothing yet")


def test_a_redis_without_a_free_connection_says_so(tmp_path: Path) -> None:
    with running_redis(tmp_path, maxclients="1") as port, client(port) as server:
        wait_until(lambda: _answers(server), 5, "the one connection")
        seen = look(port)
    assert (seen.status, seen.message) == ("critical", "Redis has no connection left (maxclients)")


def test_a_redis_busy_with_a_script_says_so(tmp_path: Path) -> None:
    with running_redis(tmp_path, lua_time_limit="50") as port, client(port) as server:
        thread = threading.Thread(target=_run_for_ever, args=(port,))
        thread.start()
        seen = wait_until(lambda: _busy(look(port)), 10, "the script to run")
        server.script_kill()
        thread.join(10)
    assert seen.status == "critical"
    assert seen.message.startswith("Redis is busy with a script that does not end (BUSY)")


def _run_for_ever(port: int) -> None:
    with client(port) as server, pytest.raises(redis.ResponseError):
        server.eval("while true do end", 0)


def _busy(seen: Observation) -> Observation | None:
    return seen if "BUSY" in seen.message else None


def _answers(server: "redis.Redis") -> bool:
    try:
        return bool(server.ping())
    except redis.ConnectionError:
        return False


def test_tls_is_spoken(tmp_path: Path, redis_url: str) -> None:
    if b"ssl" not in subprocess.run(["ldd", need("redis")["redis-server"]], capture_output=True).stdout:
        pytest.skip("this Redis was built without TLS")
    root = authority()
    pem = str(root.leaf(tmp_path / "pem"))
    (tmp_path / "ca").write_text(root.pem)
    secured = {"tls_cert_file": pem, "tls_key_file": pem, "tls_ca_cert_file": str(tmp_path / "ca")}
    with running_redis(tmp_path, **secured, tls_auth_clients="no") as port:
        sound = ask(f"rediss://127.0.0.1:{port}", ca=root.pem)
        assert sound.status == "ok", sound.message
        assert sound.values["tls_seconds"]
        strange = look(port, tls=True)
        assert strange.status == "critical" and "signed by nobody this machine trusts" in strange.message
        plain = look(port)
        assert plain.status == "critical"
        named = root.leaf(tmp_path / "other", ("redis.test",))
    secured |= {"tls_cert_file": str(named), "tls_key_file": str(named)}
    with running_redis(tmp_path, **secured, tls_auth_clients="no") as port:
        assert look(port, tls=True, ca=root.pem).message == "the certificate is for another address"
    other = ask(redis_url.replace("redis:", "rediss:"), timeout=0.5)
    assert other.status == "critical" and "TLS" in other.message


def test_what_is_no_redis_or_silent_or_gone_is_told(
    smtp_server: SmtpServer, http_target: HttpTarget, silent_port: int
) -> None:
    mail = look(smtp_server.port)
    assert (mail.status, mail.message) == ("critical", "what answers there is no Redis")
    assert look(http_target.port).status == "critical"
    gone = look(1)
    assert (gone.status, gone.message) == ("critical", "connection refused by 127.0.0.1:1")
    began = time.monotonic()
    mute = look(silent_port, timeout=0.4)
    assert (mute.status, mute.message) == ("critical", "no answer within 0.4 s")
    assert time.monotonic() - began < 5
    denied = run("redis", {"host": "127.0.0.1"}, denied_networks=["127.0.0.0/8"])
    assert denied.status == "unknown" and "may not be probed" in denied.message


@pytest.mark.parametrize(
    ("text", "error_class"),
    [
        ("READONLY You can't write against a read only replica.", "readonly"),
        ("DENIED Redis is running in protected mode because protected mode is enabled", "protected"),
        ("CLUSTERDOWN The cluster is down", "clusterdown"),
        ("MOVED 3999 127.0.0.1:6381", "moved"),
        ("ERR unknown command\r\n'X'", "refusal"),
    ],
)
def test_refusals_in_words(text: str, error_class: str) -> None:
    said, found = in_words(text)
    assert found == error_class and "\n" not in said


@pytest.mark.parametrize(
    ("config", "pointer", "named"),
    [
        ({}, "", "'url' or 'host' is missing"),
        ({"url": "http://a.example"}, "/url", "not a URL of Redis"),
        ({"url": "redis://"}, "/url", "not a URL of Redis"),
        ({"url": "redis://a.example:99999"}, "/url", "not a URL of Redis"),
        ({"url": "redis://a.example/x"}, "/url", "not a URL of Redis"),
        ({"url": "redis://a.example/-1"}, "/url", "not a URL of Redis"),
        ({"url": "redis://169.254.169.254"}, "/url", "may not be probed"),
        ({"url": "redis://a.example", "host": "b.example"}, "/host", "the url says it already"),
        ({"host": "a b"}, "/host", "not a host"),
        ({"host": "a.example", "info": {"role": {"<": [1]}}}, "/info/role", "takes a number"),
        ({"host": "a.example", "ca": "x"}, "/ca", "not a certificate in PEM"),
        ({"host": "a.example", "command": "FLUSHALL"}, "", "'command'"),
    ],
)
def test_a_faulty_configuration_is_named(config: dict[str, object], pointer: str, named: str) -> None:
    faults = check_config("redis", config)
    assert any(fault.pointer == pointer and named in fault.message for fault in faults), faults
    assert run("redis", config).status == "unknown"


def test_a_fault_never_quotes_a_secret() -> None:
    for faulty in ({"url": "redis://:s3cr3t@a b"}, {"host": "a", "password": ["s3cr3t"]}, {"url": "x://u:s3cr3t@h"}):
        assert check_config("redis", faulty)
        assert "s3cr3t" not in repr(check_config("redis", faulty))


def test_handshakes_that_are_cut_off_leave_no_trace_for_those_that_follow(silent_port: int, redis_url: str) -> None:
    runner, done = Runner(), {}
    hanging = {"host": "127.0.0.1", "port": silent_port, "tls": True, "timeout": 0.3}
    try:
        for number in range(30):
            runner.start(find("redis")(hanging, time.time(), None), number, 10)
        while len(done) < 30:
            done |= dict(runner.run_once(1.0))
        assert {seen.message for seen in done.values()} == {"the TLS handshake was not done within 0.3 s"}
        for number in range(30, 60):
            runner.start(find("redis")({"url": redis_url}, time.time(), None), number, 10)
        while len(done) < 60:
            done |= dict(runner.run_once(1.0))
        assert {done[number].status for number in range(30, 60)} == {"ok"}
    finally:
        runner.close()
