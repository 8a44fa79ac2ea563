"""What a file says of servers seen by Netdata: parents and children, SSH, containers, and who leans on whom."""

import pytest

from alerting import rules
from alerting.config import Config
from alerting.configuration.faults import ConfigError
from alerting.configuration.reader import read_bytes
from alerting.settings import load

GUID = "5f0c2a1e-0000-4000-8000-00000000000"
FLEET = f"""
[netdata.main]
url = "http://netdata.example:19999"
api_key = "k3y"
headers = {{ Authorization = "Basic abc", X-Team = "acme" }}
[servers.web]
netdata = {{ parent = "main", machine_guid = "{GUID}1" }}
[servers.db]
netdata = {{ parent = "main", machine_guid = "{GUID}2", headers = {{ X-Team = "db" }}, own_alarms = false }}
depends_on = ["server/alone"]
[servers.alone]
netdata = {{ url = "http://alone.example:19999", api_key = "own", timeout = "3s" }}
[servers.far]
netdata = {{ ssh = "ops@far.example:2222", url = "http://127.0.0.1:20000" }}
[environments.shop]
server = "web"
containers = ["shop_*", "redis"]
[environments.blog]
server = "web"
containers = ["redis", "blog"]
"""


def config_of(text: str) -> Config:
    return read_bytes(text.encode(), "vedette.toml", load({}))


def test_each_server_is_asked_as_it_says() -> None:
    found = config_of(FLEET).watch_of
    assert found["server/web"].config == {
        "url": "http://netdata.example:19999",
        "api_key": "k3y",
        "headers": {"Authorization": "Basic abc", "X-Team": "acme"},
        "machine_guid": f"{GUID}1",
        "containers": ["shop_*", "redis", "blog"],
    }
    assert found["server/db"].config["headers"] == {"Authorization": "Basic abc", "X-Team": "db"}
    assert found["server/db"].config["own_alarms"] is False
    assert found["server/alone"].config == {"url": "http://alone.example:19999", "api_key": "own", "timeout": "3s"}
    assert found["server/far"].config == {"ssh": "ops@far.example:2222", "url": "http://127.0.0.1:20000"}


def test_a_parent_is_watched_for_all_its_children_at_once() -> None:
    config = config_of(FLEET)
    found = config.watch_of
    assert found["server/web"].parents == ("netdata/main",)
    assert found["server/db"].parents == ("server/alone", "netdata/main")
    assert found["server/alone"].parents == found["server/far"].parents == ()
    parent = found["netdata/main"]
    assert parent.every == 60
    often = config_of(FLEET.replace("depends_on", 'every = "5s"\ndepends_on')).watch_of
    assert (often["netdata/main"].every, often["server/web"].every) == (5, 60)
    assert (parent.kind, parent.config["url"], parent.config["api_key"]) == (
        "netdata", "http://netdata.example:19999", "k3y",
    )  # fmt: skip
    put = {rule.name: rule for rule in rules.applicable(config, parent)}
    assert set(put) == {"Netdata Parent Down", "Not Observed"}  # its load is nobody's question here
    assert rules.fingerprint(put["Netdata Parent Down"], parent) == "server_down:netdata/main:status"


def test_a_parent_that_is_a_server_itself_is_watched_once() -> None:
    for own in ('url = "http://netdata.example:19999"', 'parent = "main"'):
        found = config_of(f"{FLEET}[servers.mother]\nnetdata = {{ {own} }}").watch_of
        assert found["server/web"].parents == ("server/mother",)
        assert "netdata/main" not in found


def test_each_organization_is_told_of_its_parent_for_itself() -> None:
    text = "[organizations.a]\n[organizations.b]\n" + FLEET.partition("[servers")[0]
    for name, owner in (("one", "a"), ("two", "b"), ("three", "b")):
        text += f'[servers.{name}]\norganization = "{owner}"\n'
        text += f'netdata = {{ parent = "main", machine_guid = "{GUID}3" }}\n'
    found = config_of(text)
    assert found.watch_of["server/three"].parents == ("netdata/b.main",)
    parents = [watch for watch in found.watches if watch.sort == "netdata"]
    assert [(watch.subject, watch.organization) for watch in parents] == [
        ("netdata/a.main", "a"), ("netdata/b.main", "b"),
    ]  # fmt: skip


def test_environments_are_known_with_or_without_a_replica() -> None:
    shop, blog = config_of(FLEET).environments
    assert (shop.name, shop.server, shop.containers) == ("shop", "web", ("shop_*", "redis"))
    assert (blog.name, blog.organization) == ("blog", "default")


@pytest.mark.parametrize(
    "netdata",
    ["{ parent = 'main', url = 'http://a.example' }", "{ parent = 'main', ssh = 'a@b' }", "{}", "{ ssh = 'a b@c' }",
     "{ url = 'http://a.example', host_key = 'ssh-ed25519 AAAA' }", "{ url = 'http://a.example', own_alarms = 1 }",
     "{ parent = 'main', machine_guid = 'web-1' }", "{ url = 'http://a.example', headers = { 'a b' = 'c' } }"],
)  # fmt: skip
def test_nonsense_is_refused_when_the_file_is_read(netdata: str) -> None:
    with pytest.raises(ConfigError):
        config_of(f"{FLEET}[servers.x]\nnetdata = {netdata}")
