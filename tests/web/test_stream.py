"""The stream through the real gunicorn: nothing lost, doubled or out of order, and nobody waits for the slow."""

import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from alerting.config import Watch
from alerting.store import database, events, subjects
from probes import Observation
from tests.waiting import wait_until
from tests.web.serving import Listener, Listening, Web, organization_token, publish, superuser_token

CONFIG = """
[organizations.acme]
name = "Acme"
[organizations.globex]
name = "Globex"
[checks.website]
organization = "acme"
kind = "http"
config = { url = "http://127.0.0.1:9/" }
"""

QUICK = "tests.web.stream_app:application"

WRITER = """
import random, sys, time
sys.path.insert(0, {root!r})
from alerting.store import database, events
database.open_database({url!r})
end = time.time() + {seconds}
rnd = random.Random({seed})
while time.time() < end:
    with database.transaction():
        if rnd.random() < 0.3:
            time.sleep(rnd.random() * 0.005)
        events.append([events.NewEvent("check.updated", {{"text": "x" * 200}}, "acme")], time.time())
    time.sleep(0.004)
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "vedette.toml").write_text(CONFIG)
    return tmp_path


@pytest.fixture
def lite(tmp_path: Path) -> Iterator[str]:
    """A migrated SQLite database, open here too."""
    url = f"sqlite:///{tmp_path / 'vedette.db'}"
    database.open_database(url)
    database.migrate()
    yield url
    database.close_database()


def test_a_new_client_hears_what_happens_from_now_on(directory: Path, store: str) -> None:
    token = superuser_token()
    past = publish(3)
    with Web(directory, store) as web:
        client = web.listen(token).until_connected()
        assert client.of("connected")[0]["last_event_id"] == past[-1]
        news = publish(2)
        client.until(lambda one: one.ids() == news, "both events")
        assert client.frames[-1][2]["data"] == {"n": 1}
        assert client.frames[-1][2]["type"] == client.frames[-1][1] == "alert_triggered"
        assert b"text/event-stream" in client.head
        assert b"X-Accel-Buffering: no" in client.head
        assert b"no-cache, no-transform" in client.head
    assert web.complaints() == []


@pytest.mark.parametrize("workers", [1, 2])
def test_nothing_is_lost_doubled_or_out_of_order_through_kills_and_restarts(
    directory: Path,
    store: str,
    workers: int,
) -> None:
    token = superuser_token()
    web = Web(directory, store, WEB_CONCURRENCY=str(workers))
    clients = [Listening([web.port], token, lifetime=random.uniform(0.3, 3)) for _ in range(8)]
    with web:
        for client in clients:
            client.start()
        writers = [_writer(store, seed, seconds=5) for seed in range(3)]
        time.sleep(1.5)  # let there be traffic; nothing is concluded from it
        web.kill()
        web.start()
        time.sleep(1)
        for writer in writers:
            assert writer.wait(20) == 0
        with database.reading():
            written = [row.id for row in events.after(0, 1_000_000)]
        last = written[-1]
        wait_until(lambda: all(client.ids and client.ids[-1] == last for client in clients), 20, "all have the last")
        for client in clients:
            client.finish()
    assert len(written) > 100
    assert sum(client.connections for client in clients) > len(clients)
    assert [client.ids == written for client in clients] == [True] * len(clients)


def test_a_client_far_behind_is_fed_in_pages(directory: Path, store: str) -> None:
    token = superuser_token()
    written = [number for _ in range(6) for number in publish(250)]
    with Web(directory, store) as web:
        client = web.listen(token, "last_event_id=0")
        late = publish(3)
        client.until(lambda one: one.ids()[-1:] == late[-1:], "the newest event")
        assert client.ids() == written + late


def test_an_organization_sees_its_part_of_the_log(directory: Path, store: str) -> None:
    mine, theirs, all_ = organization_token("acme"), organization_token("globex"), superuser_token()
    with Web(directory, store) as web:
        alice, charlie, root = (web.listen(token).until_connected() for token in (mine, theirs, all_))
        acme, globex, everybody = publish(1, "acme"), publish(1, "globex"), publish(1, None)
        again = publish(1, "acme")
        alice.until(lambda one: again[0] in one.ids(), "her second event")
        root.until(lambda one: again[0] in one.ids(), "the last event")
        charlie.until(lambda one: globex[0] in one.ids(), "his event")
        assert alice.ids() == acme + again
        assert charlie.ids() == globex
        assert root.ids() == acme + globex + everybody + again
        replay = web.listen(mine, "last_event_id=0")
        replay.until(lambda one: again[0] in one.ids(), "what she missed")
        assert replay.ids() == acme + again


def test_a_token_without_the_permission_for_alerts_hears_none(directory: Path, lite: str) -> None:
    token = organization_token("acme", "org.monitoring.view")
    with Web(directory, lite) as web:
        client = web.listen(token).until_connected()
        publish(1)
        seen = publish(1, name="check.updated")
        client.until(lambda one: one.ids(), "the check")
        assert client.ids() == seen
        refused = web.listen(organization_token("acme", "locks.write"))
        refused.until(lambda one: b" 403 " in one.head, "403")
        stranger = web.listen("vdt_nonsense")
        stranger.until(lambda one: b" 401 " in one.head and b"application/problem+json" in one.head, "401")


def test_types_are_chosen_by_patterns(directory: Path, lite: str) -> None:
    token = superuser_token()
    with Web(directory, lite) as web:
        client = web.listen(token, "types=alert_triggered,replica.*").until_connected()
        names = ["alert_triggered", "alert_resolved", "replica.lag_alert", "replica.health_updated", "check.updated"]
        ids = {name: publish(1, name=name)[0] for name in names}
        wanted = [ids["alert_triggered"], ids["replica.lag_alert"], ids["replica.health_updated"]]
        client.until(lambda one: one.ids() == wanted, "those three")
        replay = web.listen(token, "last_event_id=0&types=replica.*")
        replay.until(lambda one: one.ids() == wanted[1:], "two of them")
        many = web.listen(token, "types=" + ",".join(f"t{n}" for n in range(60)))
        many.until(lambda one: b" 400 " in one.head, "400")


@pytest.mark.parametrize("asked", ["nonsense", "-3", "999999", "1" * 40, "1.5", "٣"])
def test_an_id_that_is_not_held_is_a_reset(directory: Path, lite: str, asked: str) -> None:
    token = superuser_token()
    publish(5)
    with database.transaction():
        events.prune(time.time() + 1)
    with Web(directory, lite) as web:
        from urllib.parse import quote

        client = web.listen(token, f"last_event_id={quote(asked)}")
        client.until(lambda one: one.of("reset"), "reset")
        assert client.of("reset")[0] == {"status": "reset", "oldest_event_id": 5, "last_event_id": 5}
        assert client.names()[0] == "connected"
        news = publish(1)
        client.until(lambda one: one.ids() == news, "what happens from now on")


def test_older_than_the_oldest_held_is_a_reset_and_the_one_before_it_is_not(directory: Path, lite: str) -> None:
    token = superuser_token()
    publish(5)
    with database.transaction():
        events.prune(time.time() + 1)
    with Web(directory, lite) as web:
        old = web.listen(token, headers={"Last-Event-ID": "3"})
        old.until(lambda one: one.of("reset"), "reset")
        neighbour = web.listen(token, "last_event_id=3", headers={"Last-Event-ID": "4"})
        neighbour.until(lambda one: one.ids() == [5], "event 5; the header wins over the parameter")
        assert neighbour.of("reset") == []


def test_a_stream_ends_when_its_token_expires(directory: Path, lite: str) -> None:
    with Web(directory, lite, QUICK) as web:
        client = web.listen(superuser_token(lifetime=3)).until_connected()
        client.until_ended()
        assert client.names() == ["connected", "expired"]


def test_beyond_the_cap_a_client_is_asked_to_come_back_later(directory: Path, lite: str) -> None:
    token = superuser_token()
    with Web(directory, lite, STREAM_LIMIT="3") as web:
        clients = [web.listen(token).until_connected() for _ in range(3)]
        fourth = web.listen(token)
        fourth.until(lambda one: one.frames, "an answer")
        assert b"HTTP/1.1 200" in fourth.head
        assert b"Content-Length: 14" in fourth.head  # all of it: there is no more to come
        assert fourth.frames == [(None, "", "30000")]
        clients[0].close()
        wait_until(lambda: _connects(web, token), 5, "the place of the one that left")


def test_silence_is_broken_by_comments(directory: Path, lite: str) -> None:
    token = superuser_token()
    with Web(directory, lite, QUICK) as web:
        client = web.listen(token).until_connected()
        client.until(lambda one: one.comments >= 2, "two comments")
        assert client.names() == ["connected"]


def test_a_client_that_never_reads_is_cut_off_and_delays_nobody(directory: Path, lite: str) -> None:
    token = superuser_token()
    with Web(directory, lite, QUICK) as web:
        deaf = web.listen(token, "types=check.updated", buffer=4096).until_connected()
        client = web.listen(token, "types=alert_triggered").until_connected()
        busy = Listening([web.port], token, "types=check.updated", last=0)
        busy.start()
        slowest = 0.0
        end = time.monotonic() + 4
        while time.monotonic() < end:
            publish(20, name="check.updated", text="x" * 4000)
            began = time.monotonic()
            news = publish(1)
            client.until(lambda one, news=news: one.ids()[-1:] == news, "its event")
            slowest = max(slowest, time.monotonic() - began)
        with database.reading():
            last = [row.id for row in events.after(0, 100_000) if row.type == "check.updated"][-1]
        wait_until(lambda: busy.ids and busy.ids[-1] == last, 20, "the reader of the same events has all of them")
        busy.finish()
        assert slowest < 1.0
        assert busy.connections == 1
        deaf.until_ended(15)
        assert 0 < len(deaf.ids()) < len(busy.ids)
        again = Listening([web.port], token, "types=check.updated", last=deaf.ids()[-1])
        again.start()
        wait_until(lambda: again.ids and again.ids[-1] == last, 20, "it resumes by id")
        again.finish()
        assert deaf.ids() + again.ids == busy.ids


def test_a_slow_reader_gets_everything_once(directory: Path, lite: str) -> None:
    token = superuser_token()
    with Web(directory, lite) as web:
        slow = web.listen(token, buffer=4096).until_connected()
        written = [number for _ in range(30) for number in publish(20, text="y" * 3000)]
        end = time.monotonic() + 30
        while slow.ids()[-1:] != written[-1:] and time.monotonic() < end:
            slow.socket.setblocking(True)
            slow._rest += slow.socket.recv(3000)
            slow._parse()
        assert slow.ids() == written


def test_a_client_that_left_is_noticed_at_once(directory: Path, lite: str) -> None:
    token = superuser_token()
    with Web(directory, lite, STREAM_LIMIT="1") as web:
        for _ in range(5):
            client = wait_until(lambda: _connects(web, token, keep=True), 1.0, "a place")
            client.close()


def test_a_client_whose_machine_vanished_is_let_go(directory: Path, lite: str) -> None:
    token = superuser_token()
    with Web(directory, lite, QUICK, STREAM_LIMIT="1") as web:
        client = web.listen(token).until_connected()
        try:
            client.socket.setsockopt(socket.IPPROTO_TCP, 19, 1)  # TCP_REPAIR: closes without a word to the peer
        except PermissionError:
            pytest.skip("missing: the right to vanish without a FIN (CAP_NET_ADMIN)")
        client.close()
        wait_until(lambda: _connects(web, token), 8, "the place of the one that vanished")


def test_observations_that_changed_nothing_are_shown_without_an_id(directory: Path, store: str) -> None:
    token = superuser_token()
    watch = Watch("check/website", "http", "acme", 30.0, {})
    with Web(directory, store) as web:
        client = web.listen(token).until_connected()
        before = None
        for n in range(3):
            seen = Observation("ok", {"n": float(n)}, "", {}, "check/website", time.time(), 0.1)
            with database.transaction():
                subjects.record([(watch, seen, before)])
            with database.reading():
                before = subjects.states(["check/website"])["check/website"]
            if n:  # the first would have been stored
                client.until(lambda one, n=n: len(one.of("check.updated")) == n, "an observation")
        assert [data["data"]["values"]["n"] for data in client.of("check.updated")] == [1.0, 2.0]
        assert client.ids() == []


def test_head_opens_nothing(directory: Path, lite: str) -> None:
    token = superuser_token()
    with Web(directory, lite, STREAM_LIMIT="1") as web:
        with socket.create_connection(("127.0.0.1", web.port)) as plain:
            path = "/api/v1/events/stream"
            plain.sendall(f"HEAD {path} HTTP/1.1\r\nHost: v\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
            assert b"text/event-stream" in plain.recv(4096)
        assert _connects(web, token)


def test_a_server_without_sockets_to_give_away_serves_a_generator(directory: Path, lite: str) -> None:
    token = superuser_token()
    code = (
        "from werkzeug.serving import make_server\n"
        "from tests.web.stream_app import application as app\n"
        "from alerting.settings import current\n"
        "make_server('127.0.0.1', current().port, app, threaded=True).serve_forever()\n"
    )
    web = Web(directory, lite)
    process = subprocess.Popen([sys.executable, "-W", "ignore", "-c", code], env=web._environment, cwd=directory)
    try:
        client = wait_until(lambda: _connects_port(web.port, token, keep=True), 10, "a connection")
        news = publish(2)
        client.until(lambda one: one.ids() == news, "both events")
        replay = web.listen(token, "last_event_id=0")
        replay.until(lambda one: one.ids() == news, "both from the log")
        client.until(lambda one: one.comments, "a comment")
        client.close()
    finally:
        web.hang_up()
        process.kill()
        process.wait(10)


def _writer(url: str, seed: int, seconds: float) -> subprocess.Popen[bytes]:
    root = str(Path(__file__).parents[2])
    return subprocess.Popen([sys.executable, "-c", WRITER.format(root=root, url=url, seed=seed, seconds=seconds)])


def _connects(web: Web, token: str, keep: bool = False) -> Listener | None:
    return _connects_port(web.port, token, keep)


def _connects_port(port: int, token: str, keep: bool = False) -> Listener | None:
    """A connected client, None where there is no place for it."""
    try:
        client = Listener(port, token)
        client.until(lambda one: one.frames, "an answer", 3)
    except (OSError, AssertionError):
        return None
    connected = client.names() == ["connected"]
    if not (keep and connected):
        client.close()
    return client if connected else None
