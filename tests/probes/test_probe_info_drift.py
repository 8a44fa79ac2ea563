"""Drift of /info: what changed since the baseline, how much it matters, and when it is told."""

import copy
from typing import Any

import pytest

from probes import Observation
from probes._machinery.differences import differences
from probes._machinery.runner import run
from tests.probes.test_probe_info_contract import LIBERTY, altered
from tests.servers.http_target import HttpTarget

NOW = 1_800_000_000.0
HOUR = 3600.0


class Watched:
    """A service looked at again and again, each look compared with what the last remembered."""

    def __init__(self, target: HttpTarget, **config: Any) -> None:
        self.target = target
        self.config = {"url": target.url("/info"), "baseline": LIBERTY, **config}
        self.last: Observation | None = None

    def look(self, document: Any, at: float = 0.0) -> Observation:
        self.target.documents["/info"] = document
        self.last = run("info", self.config, NOW + at, self.last)
        return self.last


def told(before: Any, after: Any) -> list[tuple[str, str]]:
    return [(str(one), one.weight) for one in differences(before, after)]


@pytest.mark.parametrize(
    ("place", "value", "line", "weight"),
    [
        ("charts", None, '- /charts: {"total": 12}', "breaking"),
        ("ai.model", None, '- /ai/model: "some-model"', "breaking"),
        ("screens.total", "47", '~ /screens/total: 47 → "47"', "breaking"),
        ("crypto.configured", 1, "~ /crypto/configured: true → 1", "breaking"),
        ("license.mode", "restricted", '~ /license/mode: "full" → "restricted"', "breaking"),
        ("license.mode", "expired", '~ /license/mode: "full" → "expired"', "breaking"),
        ("crypto.configured", False, "~ /crypto/configured: true → false", "breaking"),
        ("ai.available", False, "~ /ai/available: true → false", "breaking"),
        ("connectors", [1, 2], '~ /connectors: ["default", "crm", "reporting", "jdedwards"] → [1, 2]', "breaking"),
        ("auth.backend", "toml", '~ /auth/backend: "db" → "toml"', "changed"),
        ("auth.oidc_enabled", False, "~ /auth/oidc_enabled: true → false", "changed"),
        ("connectors", ["default", "crm", "reporting"], '- /connectors: "jdedwards"', "changed"),
        ("connectors_loaded", 3, "~ /connectors_loaded: 4 → 3", "additive"),
        ("dictionary.entries", 415.5, "~ /dictionary/entries: 412 → 415.5", "additive"),
        ("version", "2026.07.0", '~ /version: "2026.06.1" → "2026.07.0"', "additive"),
        ("pools", ["jde_pool", "crm_pool", "default", "reporting_pool", "x"], '+ /pools: "x"', "additive"),
        ("ai.provider", "local", '+ /ai/provider: "local"', "additive"),
    ],
)
def test_each_change_has_its_weight(place: str, value: Any, line: str, weight: str) -> None:
    assert told(LIBERTY, altered(place, value)) == [(line, weight)]


def test_turning_better_breaks_nothing() -> None:
    for place, worse in (("license.mode", "restricted"), ("crypto.configured", False), ("ai.available", False)):
        assert [weight for _, weight in told(altered(place, worse), LIBERTY)] == ["additive"]


def test_items_with_names_are_compared_by_name() -> None:
    before = {"pools": [{"name": "a", "size": 5}, {"name": "b", "size": 1, "dialect": "pg"}]}
    after = {"pools": [{"name": "b", "size": 2}, {"name": "c", "size": 1}]}
    assert told(before, after) == [
        ('- /pools/b/dialect: "pg"', "breaking"),
        ('- /pools/a: {"name": "a", "size": 5}', "changed"),
        ("~ /pools/b/size: 1 → 2", "additive"),
        ('+ /pools/c: {"name": "c", "size": 1}', "additive"),
    ]


def test_order_says_nothing_and_repetition_does() -> None:
    assert told([1, 2, {"a": [3, 4]}], [{"a": [3, 4]}, 2, 1]) == []
    assert told(["a"], ["a", "a"]) == [('+ /: "a"', "additive")]


def test_null_becomes_something_or_something_null() -> None:
    assert told({"a": None}, {"a": 1}) == [("~ /a: null → 1", "changed")]
    assert told({"a": 1}, {"a": None}) == [("~ /a: 1 → null", "breaking")]


def test_without_a_baseline_drift_is_not_known(http_target: HttpTarget) -> None:
    watched = Watched(http_target)
    del watched.config["baseline"]
    seen = watched.look(LIBERTY)
    assert [seen.values[f"drift_{weight}"] for weight in ("breaking", "changed", "additive")] == [None] * 3
    assert seen.facts["drift"] == {"baseline": None, "compared_at": None, "told": []}


def test_a_breaking_change_is_critical_at_once_with_the_diff(http_target: HttpTarget) -> None:
    watched = Watched(http_target)
    assert watched.look(LIBERTY).values["drift_breaking"] == 0
    seen = watched.look(altered("license.mode", "restricted"), at=60)
    assert (seen.status, seen.values["drift_breaking"]) == ("critical", 1)
    assert seen.message == (
        'since the baseline: ~ /license/mode: "full" → "restricted"; if that is wanted, accept it as the new baseline'
    )
    more = watched.look(altered("license.mode", "restricted") | {"beta": 1}, at=90)
    assert (more.values["drift_breaking"], more.values["drift_additive"]) == (1, 1)
    assert watched.look(LIBERTY, at=120).status == "ok"


def test_the_rest_is_told_daily_and_until_it_is_over(http_target: HttpTarget) -> None:
    watched, changed = Watched(http_target), altered("auth.backend", "toml") | {"beta": True}
    assert watched.look(LIBERTY).message.startswith("as expected, in ")
    early = watched.look(changed, at=23 * HOUR)
    assert (early.status, early.values["drift_changed"], early.values["drift_additive"]) == ("ok", 0, 0)
    due = watched.look(changed, at=24 * HOUR)
    assert (due.status, due.values["drift_changed"], due.values["drift_additive"]) == ("warning", 1, 1)
    assert '~ /auth/backend: "db" → "toml", + /beta: true' in due.message
    assert watched.look(changed, at=25 * HOUR).status == "warning"
    assert watched.look(LIBERTY, at=26 * HOUR).status == "ok"
    assert watched.look(changed, at=27 * HOUR).status == "ok", "the next comparison is due at 48 h"


def test_how_often_can_be_set(http_target: HttpTarget) -> None:
    watched = Watched(http_target, drift_every="1m")
    watched.look(LIBERTY)
    assert watched.look(altered("auth.backend", "toml"), at=59).status == "ok"
    assert watched.look(altered("auth.backend", "toml"), at=60).status == "warning"


def test_another_baseline_is_compared_with_at_once(http_target: HttpTarget) -> None:
    watched, changed = Watched(http_target), altered("license.mode", "restricted")
    watched.look(LIBERTY)
    assert watched.look(changed, at=60).status == "critical"
    watched.config["baseline"] = changed
    assert watched.look(changed, at=120).status == "ok"
    watched.config["baseline"] = copy.deepcopy(LIBERTY) | {"frontend": "/elsewhere"}
    assert watched.look(LIBERTY, at=180).status == "warning"


def test_a_look_without_an_answer_forgets_nothing(http_target: HttpTarget) -> None:
    watched = Watched(http_target)
    watched.look(LIBERTY)
    url, watched.config["url"] = watched.config["url"], http_target.url("/status/503")
    down = watched.look(LIBERTY, at=60)
    assert (down.status, down.values.get("drift_breaking")) == ("critical", None)
    watched.config["url"] = url
    assert watched.look(altered("auth.backend", "toml"), at=120).status == "ok", "the day is not over"


def test_a_clock_set_back_does_not_put_the_comparison_off(http_target: HttpTarget) -> None:
    watched = Watched(http_target)
    watched.look(LIBERTY, at=1000 * HOUR)
    assert watched.look(altered("auth.backend", "toml"), at=0).status == "warning"


def test_what_is_to_be_ignored_is(http_target: HttpTarget) -> None:
    watched = Watched(http_target, drift_ignore=["license", "/ai/model"])
    seen = watched.look(altered("license.mode", "restricted") | {"ai": {"enabled": True, "available": True}})
    assert (seen.status, seen.values["drift_breaking"]) == ("ok", 0)
    assert Watched(http_target, drift=False).look(altered("ai.model", None)).values["drift_breaking"] is None
