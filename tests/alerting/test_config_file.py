"""A configuration file: what it declares, and every kind of fault with its line."""

import json
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from alerting.config import Config
from alerting.configuration.faults import Findings
from alerting.configuration.reader import LARGEST, ConfigError, Fault, read, read_bytes
from alerting.configuration.values import resolve
from alerting.secrets import encrypt
from alerting.settings import Settings, load

MASTER_KEY = "a key that opens"
ENCRYPTED = encrypt(MASTER_KEY, "opened")

WHOLE = """\
[organizations.acme]
name = "Acme"

[service]
name = "Acme watch"
timezone = "Europe/Paris"

[pools.shop]
url = "${SHOP_PRIMARY_URL}"
size = 5

[netdata.main]
url = "http://netdata.example:19999"
api_key = "${NETDATA_KEY:-}"

[servers.prod-1]
organization = "acme"
netdata = { parent = "main", machine_guid = "5f0c2a1e-0000-4000-8000-000000000001" }
thresholds = { cpu = [80, 95] }

[servers.this]
local = true
every = "30s"

[environments.shop-prod]
project = "shop"
server = "prod-1"
containers = ["shop-prod_*"]
replica = { pool = "shop", application_name = "replica" }

[checks.website]
kind = "http"
every = "1.5m"
failures = 2
environment = "shop-prod"
depends_on = ["server/this"]
config = { url = "https://acme.example/health", json = { "status" = "ok" } }

[channels.ops]
kind = "slack"

[channels.mail]
kind = "email"
to = ["ops@acme.example"]

[[rules]]
name = "Busy"
alert_type = "cpu_high"
severity = "warning"
metric_name = "cpu_percent"
threshold = 70
duration_seconds = "10m"
notify_channels = ["mail", "slack"]

[[routes]]
match = { severity = "critical", project = "shop", server = "prod-*" }
channels = ["ops", "email"]

[hooks.grafana]
source = "json"
key = "${HOOK_KEY}"
severities = { P1 = "critical" }
mapping = { alerts = "/alerts", id = ["/fingerprint", "/id"], resolved = ["ok"], labels = { team = "/labels/team" } }

[probes]
deny = ["10.1.2.3/8"]
"""

ENVIRONMENT = {
    "SHOP_PRIMARY_URL": "postgresql://u:planted-1@db/shop",
    "SLACK_WEBHOOK_URL": "https://hooks.slack.com/services/planted-2",
    "SMTP_URL": "smtp://u:planted-3@mail.example:587",
    "MAIL_FROM": "Vedette <vedette@acme.example>",
    "HOOK_KEY": "planted-4-of-a-hook",
    "MASTER_KEY": MASTER_KEY,
}


def settings_of(environ: Mapping[str, str] | None = None) -> Settings:
    return load({"LOG_FORMAT": "json", "VEDETTE_CONFIG": "vedette.toml", **(environ or {})})


def config_of(text: str, environ: Mapping[str, str] | None = None) -> Config:
    return read_bytes(text.encode(), "vedette.toml", settings_of(environ))


def faults_of(text: str | bytes, environ: Mapping[str, str] | None = None) -> list[Fault]:
    content = text.encode() if isinstance(text, str) else text
    with pytest.raises(ConfigError) as refused:
        read_bytes(content, "vedette.toml", settings_of(environ))
    return refused.value.faults


@pytest.fixture(scope="module")
def whole() -> Config:
    return config_of(WHOLE, ENVIRONMENT)


def test_a_server_is_watched_through_its_parent(whole: Config) -> None:
    server = whole.watch_of["server/prod-1"]
    assert (server.kind, server.every, server.organization, server.server) == ("netdata", 60, "acme", "prod-1")
    assert server.config == {
        "url": "http://netdata.example:19999",
        "machine_guid": "5f0c2a1e-0000-4000-8000-000000000001",
        "thresholds": {"cpu": [80, 95]},
        "containers": ["shop-prod_*"],
    }
    this = whole.watch_of["server/this"]
    assert (this.kind, this.every, dict(this.config)) == ("local", 30, {})


def test_an_environment_is_its_replica_and_its_server_is_its_parent(whole: Config) -> None:
    replica = whole.watch_of["environment/shop-prod"]
    assert (replica.kind, replica.every, replica.parents) == ("replica", 120, ("server/prod-1",))
    assert (replica.project, replica.server, replica.environment) == ("shop", "prod-1", "shop-prod")
    assert replica.config == {"dsn": ENVIRONMENT["SHOP_PRIMARY_URL"], "application_name": "replica"}


def test_a_check_knows_its_place_and_its_parents(whole: Config) -> None:
    check = whole.watch_of["check/website"]
    assert (check.kind, check.every, check.failures) == ("http", 90, 2)
    assert (check.project, check.server, check.environment) == ("shop", "prod-1", "shop-prod")
    assert check.parents == ("server/prod-1", "server/this")


def test_channels_take_what_they_lack_from_the_environment(whole: Config) -> None:
    assert whole.channel_of["ops"].settings == {"webhook_url": ENVIRONMENT["SLACK_WEBHOOK_URL"]}
    assert whole.channel_of["mail"].settings == {
        "to": ["ops@acme.example"],
        "url": ENVIRONMENT["SMTP_URL"],
        "from": ENVIRONMENT["MAIL_FROM"],
    }


def test_rules_routes_and_the_rest(whole: Config) -> None:
    busy = whole.rules[0]
    assert (busy.threshold, busy.operator, busy.duration_seconds, busy.cooldown_seconds) == (70, ">", 600, 3600)
    assert (busy.organization, busy.managed_by, busy.notify_channels) == ("acme", "config", ("mail", "slack"))
    assert {rule.managed_by for rule in whole.rules[1:]} == {"default"}
    assert whole.routes[0].match == {"severity": "critical", "project": "shop", "server": "prod-*"}
    assert whole.routes[0].channels == ("ops", "email")
    assert whole.denied_networks == ("10.0.0.0/8",)
    assert whole.service.timezone == "Europe/Paris"
    assert whole.pools[0].url == ENVIRONMENT["SHOP_PRIMARY_URL"]
    assert (whole.source, len(whole.digest)) == ("vedette.toml", 64)


def test_nothing_declared_is_one_organization_and_the_default_rules() -> None:
    empty = config_of("")
    assert [each.slug for each in empty.organizations] == ["default"]
    assert (empty.watches, empty.channels) == ((), ())
    assert empty.rules


def test_the_environment_alone_declares_a_slack_channel_and_a_parent() -> None:
    environ = {"SLACK_WEBHOOK_URL": "https://hooks.example/x", "NETDATA_PARENT_URL": "http://n:19999"}
    found = config_of('[servers.a]\nnetdata = { parent = "default" }', environ)
    assert found.channel_of["slack"].settings == {"webhook_url": "https://hooks.example/x"}
    assert found.channel_of["slack"].organization == "default"
    assert found.netdata[0].name == "default"
    assert found.watch_of["server/a"].config["url"] == "http://n:19999"
    two = config_of("[organizations.a]\n[organizations.b]", environ)
    assert two.channels == ()


def test_without_a_file_vedette_watches_itself_and_this_machine() -> None:
    found = read(None, settings_of({"PORT": "8123"}))
    check = found.watch_of["check/vedette"]
    assert (check.config["url"], check.every) == ("http://localhost:8123/health", 10)
    assert found.watch_of["server/this"].every == 30
    assert found.channels == ()


def test_the_example_holds_with_every_sample_taken_in() -> None:
    text = (Path(__file__).parents[2] / "deploy" / "vedette.example.toml").read_text()
    lines = [line.removeprefix("#: ") if line.startswith("#: ") else line for line in text.splitlines()]
    found = config_of("\n".join(lines), ENVIRONMENT)
    assert {watch.sort for watch in found.watches} == {"server", "environment", "check", "netdata", "heartbeat"}
    assert found.channels and found.routes and found.denied_networks and found.pools and found.netdata
    assert "#: " not in "\n".join(lines)


HTTP = 'kind = "http"\nconfig = { url = "http://a.example" }\n'
RULE = 'alert_type = "custom"\nseverity = "warning"\nmetric_name = "m"\nthreshold = 1\n'
TWO = "[organizations.a]\n[organizations.b]\n"

FAULTS = [
    # The text itself
    ("a = 1\na = 2", 2, "", "not TOML: cannot overwrite a value"),
    ("[a\n", 1, "", "not TOML"),
    ("[servers.a]\nlocal = true\n[servers.a]", 3, "", "not TOML: cannot declare"),
    (b"# \xff", 1, "", "expected text in UTF-8"),
    (b"a = 1\n" * 3 + b"b = '\xff'", 4, "", "expected text in UTF-8"),
    (b"#" * (LARGEST + 1), None, "", "too large: expected at most 1048576 bytes"),
    ("a = " + "[" * 5000 + "]" * 5000, None, "", "nested too deeply"),
    ("x = 1\n" + ".".join("a" * 3000) + " = 1", 2, "a.a.a.a", "nested too deeply"),
    ("a = " + "9" * 5000, None, "", "not TOML: a number"),
    # Placeholders and encrypted values
    ('[service]\nname = "${NOWHERE}"', 2, "service.name", "NOWHERE is not set"),
    ('[service]\nname = "${not closed"', 2, "service.name", "begins a placeholder"),
    ('[service]\nname = "ENC:x"', 2, "service.name", "cannot be decrypted: MASTER_KEY is not the one"),
    # Shapes
    ("[serviec]", 1, "serviec", "unknown key; did you mean service?"),
    ("servers = 3", 1, "servers", "expected a table"),
    ("[service]\nname = 3", 2, "service.name", "expected text in quotes"),
    ("[service]\nnaem = 'x'", 2, "service.naem", "unknown key; did you mean name?"),
    ("[service]\nname = 1979-05-27", 2, "service.name", "dates and times are not used"),
    ("[service]\nname = nan", 2, "service.name", "finite number"),
    ("[service]\nname = 99999999999999999999", 2, "service.name", "64 bits"),
    ('[service]\nname = "\\u0000"', 2, "service.name", "without NUL"),
    ('[service]\nheartbeat_url = "ftp://x"', 2, "service.heartbeat_url", "http:// or https://"),
    ("[servers.a]\n", 1, "servers.a", "exactly one of local = true and netdata"),
    ("[servers.a]\nnetdata = {}", 2, "servers.a.netdata", "exactly one of parent, url and ssh"),
    ('[servers.a]\nlocal = true\nevery = "0s"', 3, "servers.a.every", "a duration above zero"),
    ("[servers.a]\nlocal = true\nevery = 0", 3, "servers.a.every", "a duration above zero"),
    ("[servers.a]\nlocal = true\nevery = '5 minutes'", 3, "servers.a.every", "a duration above zero"),
    ("[servers.a]\nlocal = true\nfailures = 0", 3, "servers.a.failures", "expected 1 or more"),
    ("[servers.a]\nlocal = true\nthresholds.cpu = [80]", 3, "servers.a.thresholds.cpu", "two percentages"),
    ('[servers."a/b"]\nlocal = true', 1, 'servers."a/b"', "expected a name of 1 to 100 characters"),
    ('[checks."a:b"]\n' + HTTP, 1, 'checks."a:b"', "expected a name of 1 to 100 characters"),
    ('[checks.a]\nkind = "http"', 1, "checks.a", "config is missing"),
    ('[[rules]]\nname = "R"\n' + RULE.replace('"warning"', '"loud"'), 4, "rules[0].severity", "one of info, warning"),
    ('[[rules]]\nname = "R"\n' + RULE + 'operator = "=>"', 7, "rules[0].operator", "one of >, >=, <, <=, ==, !="),
    ('[[rules]]\nname = "R"\nalert_type = "cpu"', 3, "rules[0].alert_type", "one of cpu_high"),
    ("[[routes]]\nchannels = []", 2, "routes[0].channels", "at least 1 of them"),
    # References
    ('[servers.a]\nlocal = true\norganization = "x"', 3, "servers.a.organization", "no such organization"),
    (TWO + "[servers.s]\nlocal = true", 3, "servers.s", "organization is missing; several are declared: a, b"),
    (TWO + '[[rules]]\nname = "R"\n' + RULE, 3, "rules[0]", "organization is missing"),
    ("[environments.e]\nserver = 'gone'", 2, "environments.e.server", "servers.gone is not declared"),
    ("[environments.e]\nreplica = { pool = 'gone' }", 2, "environments.e.replica.pool", "pools.gone is not declared"),
    ("[servers.a]\nnetdata = { parent = 'x' }", 2, "servers.a.netdata.parent", "netdata.x is not declared"),
    ("[checks.a]\n" + HTTP + "server = 'gone'", 4, "checks.a.server", "servers.gone is not declared"),
    ("[checks.a]\n" + HTTP + "depends_on = ['server/x']", 4, "checks.a.depends_on[0]", "servers.x is not declared"),
    ("[checks.a]\n" + HTTP + "depends_on = ['x']", 4, "checks.a.depends_on[0]", "expected a subject"),
    ("[checks.a]\n" + HTTP + "depends_on = ['check/a']", 4, "checks.a.depends_on", "depends on itself: check/a"),
    ("[[rules]]\nname = 'R'\n" + RULE + "notify_channels = ['x']", 7, "rules[0].notify_channels[0]", "channels.x"),
    ("[[routes]]\nchannels = ['email', 'x']", 2, "routes[0].channels[1]", "channels.x is not declared"),
    ("[[routes]]\nmatch.server = 'x'\nchannels = ['email']", 2, "routes[0].match.server", "servers.x is not declared"),
    ("[[routes]]\nmatch.organization = 'x'\nchannels = ['email']", 2, "routes[0].match.organization", "never matches"),
    ("[[routes]]\nmatch.alert_type = 'x*'\nchannels = ['email']", 2, "routes[0].match.alert_type", "one of cpu_high"),
    ("[probes]\ndeny = ['10.0.0.0/8', 'all']", 2, "probes.deny[1]", "expected a network"),
    ("[service]\ntimezone = 'Europe/Pari'", 2, "service.timezone", "unknown time zone"),
    ("[service]\ntimezone = 'Europe'", 2, "service.timezone", "unknown time zone"),
    ("[service]\ntimezone = '../../etc/passwd'", 2, "service.timezone", "unknown time zone"),
    ("[channels.slack]\nkind = 'email'\nto = ['a@b.example']", 1, "channels.slack", "must be of that kind"),
    # Probes and channels
    ("[checks.a]\nkind = 'ftp'\nconfig = {}", 2, "checks.a.kind", "no probe of that kind; there are: "),
    ("[checks.a]\nkind = 'http'\nconfig = { urll = 'x' }", 3, "checks.a.config", "url"),
    ("[checks.a]\nkind = 'http'\n[checks.a.config]\nurl = 'ftp://x'", 4, "checks.a.config.url", "http"),
    ("[channels.c]\nkind = 'pigeon'", 2, "channels.c.kind", "no channel of that kind; there are: email, slack"),
    ("[channels.c]\nkind = 'slack'", 1, "channels.c", "webhook_url is missing; set it here, or SLACK_WEBHOOK_URL"),
    ("[channels.c]\nkind = 'slack'\nwebhook_url = 'x'", 3, "channels.c.webhook_url", "a webhook's address"),
    (
        "[channels.c]\nkind = 'email'\nto = ['a@b.example']",
        1,
        "channels.c",
        "from is missing; set it here, or MAIL_FROM",
    ),
    # What cannot be
    ("[[rules]]\nname = 'R'\n" + RULE + "failures = 3\nof = 2", 8, "rules[0].of", "at least as many as failures, 3"),
    ("[[rules]]\nname = 'R'\n" + RULE + "of = 0", 7, "rules[0].of", "1 or more"),
    ("[[rules]]\nname = 'R'\n" + RULE + "of = 101", 7, "rules[0].of", "100 or less"),
    ("[[rules]]\nname = 'R'\n" + RULE + "of = 2.5", 7, "rules[0].of", "whole number"),
    ("[[rules]]\nname = 'R'\n" + RULE + "failures = 101\nof = 101", 8, "rules[0].of", "100 or less"),
    (
        "[[rules]]\nname = 'R'\n" + RULE + "clear_threshold = 2",
        7,
        "rules[0].clear_threshold",
        "the threshold, 1, or less, for the rule asks >",
    ),
    (
        "[[rules]]\nname = 'R'\n" + RULE + "operator = '>='\nclear_threshold = 1.5",
        8,
        "rules[0].clear_threshold",
        "or less, for the rule asks >=",
    ),
    (
        "[[rules]]\nname = 'R'\n" + RULE + "operator = '<'\nclear_threshold = 0.5",
        8,
        "rules[0].clear_threshold",
        "the threshold, 1, or more, for the rule asks <",
    ),
    (
        "[[rules]]\nname = 'R'\n" + RULE + "operator = '<='\nclear_threshold = 0",
        8,
        "rules[0].clear_threshold",
        "or more, for the rule asks <=",
    ),
    (
        "[[rules]]\nname = 'R'\n" + RULE + "operator = '=='\nclear_threshold = 1",
        8,
        "rules[0].clear_threshold",
        "has no meaning with ==",
    ),
    (
        "[[rules]]\nname = 'R'\n" + RULE + "operator = '!='\nclear_threshold = 1",
        8,
        "rules[0].clear_threshold",
        "has no meaning with !=",
    ),
    ("[[rules]]\nname = 'R'\n" + RULE + "clear_threshold = '1'", 7, "rules[0].clear_threshold", "expected a number"),
    (
        "[[rules]]\nname = 'R'\n" + RULE + "keep_firing_seconds = -1",
        7,
        "rules[0].keep_firing_seconds",
        "a duration such as",
    ),
    (
        "[[rules]]\nname = 'R'\n" + RULE + "keep_firing_seconds = '5 min'",
        7,
        "rules[0].keep_firing_seconds",
        "a duration such as",
    ),
    ("[[rules]]\nname = 'R'\n" + RULE + "duration_seconds = '400d'", 7, "rules[0].duration_seconds", "a year at most"),
    (
        "[[rules]]\nname = 'R'\n" + RULE + "remind_seconds = '4 hours'",
        7,
        "rules[0].remind_seconds",
        "a duration such as",
    ),
    ("[[rules]]\nname = 'R'\n" + RULE + "remind_seconds = '367d'", 7, "rules[0].remind_seconds", "a year at most"),
    (
        "[[rules]]\nname = 'R'\n" + RULE + "flap_delay_seconds = '31m'",
        7,
        "rules[0].flap_delay_seconds",
        "30 minutes at most",
    ),
    ("[[rules]]\nname = 'R'\n" + RULE + "labels = { team = 3 }", 7, "rules[0].labels.team", "text in quotes"),
    ("[[rules]]\nname = 'R'\n" + RULE + "labels = 'web'", 7, "rules[0].labels", "expected a table"),
    ("[[rules]]\nname = 'R'\n" + RULE + "labels = { 'a b' = 'x' }", 7, "rules[0].labels", "a label's name"),
    (
        "[[rules]]\nname = 'R'\n" + RULE + "labels = { severity = 'x' }",
        7,
        "rules[0].labels.severity",
        "every alert has a field of that name",
    ),
    (
        "[[rules]]\nname = 'R'\n" + RULE + "escalate_after_seconds = '1h'",
        7,
        "rules[0].escalate_after_seconds",
        "escalate_to is missing",
    ),
    (
        "[[rules]]\nname = 'R'\n" + RULE + "escalate_to = ['email']",
        7,
        "rules[0].escalate_to",
        "escalate_after_seconds is missing",
    ),
    (
        "[[rules]]\nname = 'R'\n" + RULE + "escalate_after_seconds = 0\nescalate_to = ['email']",
        7,
        "rules[0].escalate_after_seconds",
        "above zero",
    ),
    (
        "[[rules]]\nname = 'R'\n" + RULE + "escalate_after_seconds = 60\nescalate_to = []",
        8,
        "rules[0].escalate_to",
        "at least 1 of them",
    ),
    (
        "[[rules]]\nname = 'R'\n" + RULE + "escalate_after_seconds = 60\nescalate_to = ['x']",
        8,
        "rules[0].escalate_to[0]",
        "channels.x is not declared",
    ),
    ("[[rules]]\nname = 'R'\n" + RULE + "kinds = ['htpp']", 7, "rules[0].kinds[0]", "no probe of that kind"),
    ("[[routes]]\nchannels = ['email']\ndigest = 1", 3, "routes[0].digest", "true or false"),
    ("[[routes]]\nchannels = ['email']\ncontinue = 'yes'", 3, "routes[0].continue", "true or false"),
    ("[[routes]]\nchannels = ['email']\ngroup_by = ['serverr']", 3, "routes[0].group_by[0]", "did you mean server?"),
    (
        "[[routes]]\nchannels = ['email']\ngroup_by = ['server', 'team']",
        3,
        "routes[0].group_by[1]",
        "nor a label that a rule gives; fields: alert_type",
    ),
    ("[[routes]]\nchannels = ['email']\ngroup_by = 'server'", 3, "routes[0].group_by", "expected a list"),
    ("[[routes]]\nchannels = ['email']\ngroup_wait = '2h'", 3, "routes[0].group_wait", "an hour at most"),
    ("[[routes]]\nchannels = ['email']\ngroup_wait = -1", 3, "routes[0].group_wait", "a duration such as"),
    (
        "[[routes]]\nchannels = ['email']\nmatch.labels = { team = ['web'] }",
        3,
        "routes[0].match.labels.team",
        "text in quotes",
    ),
    (
        "[[routes]]\nchannels = ['email']\nescalate_after = '1h'",
        3,
        "routes[0].escalate_after",
        "escalate_to is missing",
    ),
    (
        "[[routes]]\nchannels = ['email']\nescalate_to = ['email']",
        3,
        "routes[0].escalate_to",
        "escalate_after is missing",
    ),
    (
        "[[routes]]\nchannels = ['email']\nescalate_after = '0s'\nescalate_to = ['email']",
        3,
        "routes[0].escalate_after",
        "above zero",
    ),
    (
        "[[routes]]\nchannels = ['email']\nescalate_to = ['x']\nescalate_after = 60",
        3,
        "routes[0].escalate_to[0]",
        "channels.x is not declared",
    ),
    (
        "[channels.slack]\nkind = 'slack'\nwebhook_url = 'https://h.example/x'\ndigest = 'x'",
        4,
        "channels.slack.digest",
        "true or false",
    ),
    ("[servers.a]\nnetdata = { ssh = 'u v@h' }", 2, "servers.a.netdata.ssh", "expected user@host"),
    ("[environments.e]\nreplica = { ssh = 'u h', application_name = 'r' }", 2, "environments.e", "expected user@host"),
]


@pytest.mark.parametrize(("text", "line", "where", "message"), FAULTS)
def test_a_fault_is_told_with_its_line(text: str | bytes, line: int | None, where: str, message: str) -> None:
    found = [
        fault
        for fault in faults_of(text, {"MASTER_KEY": MASTER_KEY})
        if message in fault.message and fault.where.startswith(where)
    ]
    assert found, faults_of(text, {"MASTER_KEY": MASTER_KEY})
    assert (found[0].path, found[0].line) == ("vedette.toml", line)
    if line is not None:
        assert str(found[0]).startswith(f"vedette.toml:{line}: ")


@pytest.mark.parametrize(
    "text",
    [
        "[servers.s]\norganization = 'a'\nlocal = true\n[environments.e]\norganization = 'b'\nserver = 's'",
        "[checks.c]\norganization = 'a'\n" + HTTP + "[checks.d]\norganization = 'b'\ndepends_on = ['check/c']\n" + HTTP,
        "[pools.p]\norganization = 'a'\nurl = 'postgresql://h/d'\n"
        "[environments.e]\norganization = 'b'\nreplica = { pool = 'p', application_name = 'r' }",
        "[channels.c]\norganization = 'a'\nkind = 'slack'\nwebhook_url = 'https://h.example/x'\n"
        "[[rules]]\norganization = 'b'\nname = 'R'\nnotify_channels = ['c']\n" + RULE,
        "[channels.c]\norganization = 'a'\nkind = 'slack'\nwebhook_url = 'https://h.example/x'\n"
        "[[routes]]\norganization = 'b'\nchannels = ['c']",
        "[channels.c]\norganization = 'a'\nkind = 'slack'\nwebhook_url = 'https://h.example/x'\n"
        "[[rules]]\norganization = 'b'\nname = 'R'\nescalate_after_seconds = 60\nescalate_to = ['c']\n" + RULE,
        "[channels.c]\norganization = 'a'\nkind = 'slack'\nwebhook_url = 'https://h.example/x'\n"
        "[[routes]]\norganization = 'b'\nchannels = ['email']\nescalate_after = 60\nescalate_to = ['c']",
    ],
)
def test_nothing_crosses_from_one_organization_to_another(text: str) -> None:
    told = faults_of(TWO + text)
    assert [fault.message.partition(" ")[2] for fault in told] == ["belongs to another organization"]
    assert config_of(TWO + text.replace("'b'", "'a'"))


def test_whose_a_thing_is_must_be_known_before_it_is_compared() -> None:
    told = faults_of(TWO + "[servers.s]\norganization = 'b'\nlocal = true\n[environments.e]\nserver = 's'")
    assert [fault.message.partition(";")[0] for fault in told] == ["organization is missing"]


def test_two_rules_of_one_name_need_two_severities() -> None:
    rule = "[[rules]]\nname = 'R'\n" + RULE
    assert [fault.line for fault in faults_of(rule + rule)] == [8]
    assert config_of(rule + rule.replace("warning", "critical"))


def test_more_of_a_rule() -> None:
    found = config_of(
        "[[rules]]\nname = 'R'\nfailures = 3\nof = 5\nclear_threshold = 0.5\nkeep_firing_seconds = '2m'\n"
        "remind_seconds = '4h'\nflap_delay_seconds = 0\nlabels = { team = 'web' }\n"
        "escalate_after_seconds = '15m'\nescalate_to = ['slack']\n" + RULE
    ).rules[0]
    assert (found.failures, found.of, found.clear_threshold, found.keep_firing_seconds) == (3, 5, 0.5, 120.0)
    assert (found.remind_seconds, found.flap_delay_seconds, found.labels) == (14400.0, 0.0, {"team": "web"})
    assert (found.escalate_after_seconds, found.escalate_to) == (900.0, ("slack",))


def test_what_a_rule_leaves_out() -> None:
    found = config_of("[[rules]]\nname = 'R'\n" + RULE).rules[0]
    assert (found.failures, found.of, found.clear_threshold, found.keep_firing_seconds) == (1, 0, None, 0.0)
    assert (found.remind_seconds, found.flap_delay_seconds, found.labels) == (None, 60.0, {})
    assert (found.escalate_after_seconds, found.escalate_to) == (None, ())


def test_more_of_a_route_and_a_channel() -> None:
    found = config_of(
        "[channels.c]\nkind = 'slack'\nwebhook_url = 'https://h.example/x'\ndigest = true\n"
        "[[rules]]\nname = 'R'\nlabels = { team = 'web' }\n" + RULE + "[[routes]]\nchannels = ['c']\n"
        "match = { severity = 'critical', labels = { team = 'w*' } }\ncontinue = true\ndigest = true\n"
        "group_by = ['server', 'team']\ngroup_wait = '30s'\nescalate_after = '1h'\nescalate_to = ['email']\n"
        "[[routes]]\nchannels = ['email']\n"
    )
    first, second = found.routes
    assert (first.match, first.labels) == ({"severity": "critical"}, {"team": "w*"})
    assert (first.goes_on, first.digest, first.group_by, first.group_wait) == (True, True, ("server", "team"), 30.0)
    assert (first.escalate_after, first.escalate_to) == (3600.0, ("email",))
    assert (second.match, second.labels, second.goes_on, second.digest) == ({}, {}, False, False)
    assert (second.group_by, second.group_wait, second.escalate_after, second.escalate_to) == (None, 10.0, None, ())
    assert [(one.digest, "digest" in one.settings) for one in found.channels] == [(True, False)]


def test_alerts_of_other_programs_have_labels_this_file_does_not_know() -> None:
    told = faults_of("[hooks.main]\nsource = 'json'\n[[routes]]\nchannels = ['email']\ngroup_by = ['team']")
    assert not [fault for fault in told if fault.where.startswith("routes")]


def test_all_faults_are_told_at_once_in_the_order_of_the_file() -> None:
    told = faults_of(
        "[service]\ntimezone = 'Moon'\nnaem = 'x'\n"
        "[checks.a]\nkind = 'http'\nevery = 'x'\ndepends_on = ['server/x']\nconfig = { url = '${GONE}' }\n"
        "[checks.b]\nkind = 'http'\norganization = 'x'\nconfig = { url = 'gopher://x' }\n"
        "[channels.c]\nkind = 'slack'\n"
    )
    assert [fault.line for fault in told] == [2, 3, 6, 7, 8, 11, 12, 13]


def test_what_follows_from_a_fault_is_not_told_too() -> None:
    text = "[pools.p]\nurl = '${GONE}'\n[environments.e]\nreplica = { pool = 'p', application_name = 'r' }"
    assert [fault.line for fault in faults_of(text)] == [2]
    text = "[netdata.p]\nurl = '${GONE}'\n[servers.s]\nnetdata = { parent = 'p' }"
    assert [fault.line for fault in faults_of(text)] == [2]


@pytest.mark.parametrize("path", ["gone.toml", ".", "a\0b", "gone/../../x.toml"])
def test_a_file_that_cannot_be_read(path: str) -> None:
    with pytest.raises(ConfigError, match="cannot be read: "):
        read(Path(path), settings_of())


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-8"])
def test_files_from_other_systems_are_read(encoding: str) -> None:
    text = "[service]\r\nname = 'Été'\r\n[servers.a]\r\nlocal = true\r\n"
    found = read_bytes(text.encode(encoding), "vedette.toml", settings_of())
    assert found.service.name == "Été"


# Values


name = st.from_regex(r"[A-Z][A-Z0-9_]{0,10}", fullmatch=True)
plain = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="$\0{}"), max_size=20)


def quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


@given(name, plain.filter(bool), plain, plain)
def test_a_placeholder_is_what_the_environment_says(variable: str, value: str, before: str, after: str) -> None:
    text = f"[service]\nname = {quoted(before + '${X_' + variable + '}' + after)}"
    assert config_of(text, {f"X_{variable}": value}).service.name == before + value + after
    assert f"X_{variable} is not set" in faults_of(text)[0].message


@given(name, plain.filter(bool), plain.filter(bool))
def test_a_placeholder_has_a_default(variable: str, default: str, value: str) -> None:
    text = f"[service]\nname = {quoted('${X_' + variable + ':-' + default + '}')}"
    assert config_of(text).service.name == default
    assert config_of(text, {f"X_{variable}": ""}).service.name == default
    assert config_of(text, {f"X_{variable}": value}).service.name == value


@given(plain)
def test_what_the_environment_says_is_not_read_again(value: str) -> None:
    found = config_of("[service]\nname = 'x${A}'", {"A": "${B}$${" + value, "B": "no"})
    assert found.service.name == "x${B}$${" + value


def test_characters_that_look_like_a_placeholder_can_be_written() -> None:
    assert config_of("[service]\nname = '$${A} $$ $A {A}'").service.name == "${A} $$ $A {A}"


def test_what_came_from_the_environment_is_a_secret_alone_and_in_its_text() -> None:
    findings = Findings("vedette.toml")
    resolve({"a": "x-${A}-y", "b": "plain"}, settings_of({"A": "planted"}), findings)
    assert findings.secrets == {"planted", "x-planted-y"}
    assert "planted" not in repr(findings)


def test_a_secret_of_a_placeholder_may_lie_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("from a file\n")
    assert config_of("[service]\nname = '${A}'", {"A_FILE": str(tmp_path / "secret")}).service.name == "from a file"
    assert "A_FILE" in faults_of("[service]\nname = '${A}'", {"A_FILE": str(tmp_path / "gone")})[0].message


def test_bytes_of_the_environment_that_are_no_text_are_a_fault() -> None:
    assert "UTF-8" in faults_of("[service]\nname = '${A}'", {"A": "\udcff"})[0].message


def test_encrypted_values_open_with_the_right_key_alone() -> None:
    text = f"[service]\nname = '{ENCRYPTED}'"
    assert config_of(text, {"MASTER_KEY": MASTER_KEY}).service.name == "opened"
    through = config_of("[service]\nname = '${A}'", {"MASTER_KEY": MASTER_KEY, "A": ENCRYPTED})
    assert through.service.name == "opened"
    assert "MASTER_KEY is not set" in faults_of(text)[0].message
    wrong = str(faults_of(text, {"MASTER_KEY": "another"})[0])
    assert wrong.startswith("vedette.toml:2: service.name: cannot be decrypted: MASTER_KEY is not the one")
    assert ENCRYPTED not in wrong and "another" not in wrong


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("'90s'", 90),
        ("'2m'", 120),
        ("'1h'", 3600),
        ("'1d'", 86_400),
        ("45", 45),
        ("0.5", 0.5),
        ("'1.5m'", 90),
        ("'7'", 7),
    ],
)
def test_durations(written: str, seconds: float) -> None:
    assert config_of(f"[servers.a]\nlocal = true\nevery = {written}").watches[0].every == seconds


# Anything at all


fragments = st.sampled_from(
    [
        *WHOLE.splitlines(),
        *[fault[0] for fault in FAULTS if isinstance(fault[0], str) and len(fault[0]) < 500],
        "[",
        "'''",
    ]
)


@hypothesis_settings(max_examples=200, deadline=None)
@given(st.one_of(st.text(), st.lists(fragments, max_size=12).map("\n".join)))
@example("\ufeff")
@example("[checks]\na = [{}]")
@example("[organizations]\na = 1")
@example("service = []\nprobes = [1]\nhooks = 1\nrules = {}\nroutes = 1\nchannels = []")
@example("[[servers]]\nlocal = true")
@example("[[servers]]\n[[checks]]\n[[environments]]\n[[channels]]\n[[pools]]\n[[netdata]]\n[rules.a]\n[routes.a]")
@example("[checks.a]\nkind = 3\nconfig = 3\nenvironment = []\ndepends_on = [1, {}]")
@example("[environments.e]\nreplica = 3\nserver = {}")
@example("[[rules]]\nname = {}\nseverity = []\nnotify_channels = [[], 'x']")
@example("[[routes]]\nmatch = { server = 1, organization = [] }\nchannels = 3")
def test_any_text_is_a_configuration_or_a_configuration_error(text: str) -> None:
    try:
        found = config_of(text, ENVIRONMENT)
    except ConfigError as error:
        assert error.faults
        assert "planted" not in str(error)
    else:
        assert "planted" not in repr(found)


secret = st.sampled_from([f"${{{name}}}" for name in ENVIRONMENT if name != "MASTER_KEY"])
strange = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.dates() | secret,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.just("url"), inner, max_size=3)
    ),
    max_leaves=5,
)


def places(value: Any, where: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if where:
        yield where
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(item, (*where, key))


PLACES = sorted(places(tomllib.loads(WHOLE)), key=str)


@hypothesis_settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(PLACES), strange), min_size=1, max_size=2))
def test_any_value_in_any_place_is_taken_or_told_by_line(changes: list[tuple[tuple[Any, ...], Any]]) -> None:
    document = tomllib.loads(WHOLE)
    for where, value in changes:
        with suppress(KeyError, IndexError, TypeError):  # the first change may have taken the place of the second
            _put(document, where, value)
    try:
        config_of(tomli_w.dumps(document), ENVIRONMENT)
    except ConfigError as error:
        assert all(fault.line for fault in error.faults), error
        assert "planted" not in str(error)


def _put(document: Any, where: tuple[Any, ...], value: Any) -> None:
    for key in where[:-1]:
        document = document[key]
    if isinstance(document, dict) and not isinstance(where[-1], str):
        raise KeyError(where[-1])
    if value is None:
        del document[where[-1]]
    else:
        document[where[-1]] = _without_none(value)


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_none(item) for item in value if item is not None]
    return value


@given(st.binary())
def test_any_bytes_are_a_configuration_or_a_configuration_error(content: bytes) -> None:
    try:
        read_bytes(content, "vedette.toml", settings_of())
    except ConfigError as error:
        assert error.faults
