"""What is shown of a configuration: never a secret, whatever the key it lies under."""

import json

import pytest

from alerting.configuration.reader import ConfigError, read_bytes
from alerting.configuration.shown import masked, written_secrets
from alerting.settings import load

PLANTED = """\
[service]
heartbeat_url = "https://hc-ping.com/PLANTED-01"

[pools.shop]
url = "postgresql://u:PLANTED-02@db/shop"

[netdata.main]
url = "http://PLANTED-03@n.example:19999"
api_key = "PLANTED-04"

[servers.a]
netdata = { url = "http://a.example:19999", api_key = "PLANTED-05" }

[environments.e]
replica = { dsn = "host=db password=PLANTED-06", standby_dsn = "host=s password='PLANTED-07'", application_name = "r" }

[channels.ops]
kind = "slack"
webhook_url = "https://hooks.slack.com/services/PLANTED-08"

[channels.mail]
kind = "email"
to = ["ops@a.example"]
from = "v@a.example"
url = "smtp://u:PLANTED-09@mail.example:587?starttls=1"

[checks.a]
kind = "http"
[checks.a.config]
url = "https://a.example/x?api_key=PLANTED-10&page=2"
body = "user=u&pass=PLANTED-11"
headers = { "X-Custom" = "PLANTED-12", "User-Agent" = "shown", "Authorization" = "Bearer PLANTED-13" }
auth = { basic = ["PLANTED-14", "PLANTED-15"] }

[checks.b]
kind = "http"
config = { url = "https://${HOST:-b.example}/", proxy = "http://u:PLANTED-16@p.example", auth = { bearer = "${T}" } }

[checks.c]
kind = "http"
config = { url = "https://c.example/", headers = { Cookie = "${COOKIE:-PLANTED-17}" } }
"""


def test_no_planted_secret_is_shown_anywhere() -> None:
    assert PLANTED.count("PLANTED-") == 17
    found = read_bytes(PLANTED.encode(), "vedette.toml", load({"T": "PLANTED-18"}))
    assert "PLANTED" in found.channel_of["ops"].settings["webhook_url"]
    assert "PLANTED" not in json.dumps(found.document)
    assert "PLANTED" not in repr(found) + str(found)


def test_no_planted_secret_is_told_by_any_fault() -> None:
    told = 0
    for number in range(1, 18):
        for spoiling in ("\\n", " ", "://", "[", "@", "${"):
            text = PLANTED.replace(f"PLANTED-{number:02}", f"PLANTED-{spoiling}{number:02}")
            try:
                read_bytes(text.encode(), "vedette.toml", load({"T": "PLANTED"}))
            except ConfigError as error:
                told += 1
                assert "PLANTED" not in str(error)
    assert told > 40


def test_what_is_no_secret_is_shown_as_it_was_written() -> None:
    shown = read_bytes(PLANTED.encode(), "vedette.toml", load({"T": "x"})).document
    assert shown["checks"]["b"]["config"]["url"] == "https://${HOST:-b.example}/"
    assert shown["checks"]["b"]["config"]["auth"] == {"bearer": "${T}"}
    assert shown["checks"]["a"]["config"]["headers"]["User-Agent"] == "shown"
    assert shown["checks"]["a"]["config"]["url"] == "https://a.example/x?api_key=********&page=2"
    assert shown["checks"]["c"]["config"]["headers"]["Cookie"] == "${COOKIE:-********}"
    assert shown["channels"]["mail"]["url"] == "smtp://********@mail.example:587?starttls=1"


@pytest.mark.parametrize(
    ("document", "shown"),
    [
        ({"password": 1234}, {"password": "********"}),
        ({"password": ""}, {"password": ""}),
        ({"name": "ENC:abc"}, {"name": "ENC:********"}),
        ({"token": "ENC:abc"}, {"token": "ENC:********"}),
        ({"token": "${A}-${B}"}, {"token": "********"}),
        ({"token": "${A}${B:-}"}, {"token": "${A}${B:-}"}),
        ({"machine_guid": "5f0c", "application_name": "r"}, {"machine_guid": "5f0c", "application_name": "r"}),
        ({"url": "postgres://u:p/a@ss@h/d"}, {"url": "postgres://********@h/d"}),
    ],
)
def test_masks(document: dict[str, object], shown: dict[str, object]) -> None:
    assert masked(document) == shown
    assert bool(list(written_secrets(document))) == (document != shown)
