"""A pool named in a probe's configuration becomes its DSN, for those whose pool it is."""

from typing import Any

import pytest

from alerting.config import Config, Pool
from alerting.configuration.targets import Incomplete, complete

CONFIG = Config(
    pools=(Pool("shop", "acme", "postgresql://w:s3cret@db/shop"), Pool("other", "umbrella", "postgresql://o/x"))
)


@pytest.mark.parametrize("organization", ["acme", None])
def test_a_pool_becomes_its_dsn(organization: str | None) -> None:
    found = complete(CONFIG, "replica", {"pool": "shop", "application_name": "r"}, organization)
    assert found == {"dsn": "postgresql://w:s3cret@db/shop", "application_name": "r"}


@pytest.mark.parametrize(
    ("kind", "given"),
    [("replica", {"dsn": "postgresql://h/d"}), ("http", {"pool": "shop"}), ("no such", {"pool": "shop"})],
)
def test_what_names_no_pool_is_left_for_the_probes_schema_to_judge(kind: str, given: dict[str, Any]) -> None:
    assert complete(CONFIG, kind, given, None) is given


@pytest.mark.parametrize(
    "given", [{"pool": "shop", "dsn": "postgresql://h/d"}, {"pool": "nowhere"}, {"pool": ["shop"]}, {"pool": "other"}]
)
def test_a_pool_that_is_not_theirs_to_name_is_a_fault_that_shows_nothing(given: dict[str, Any]) -> None:
    with pytest.raises(Incomplete) as refused:
        complete(CONFIG, "replica", given, "acme")
    assert refused.value.pointer == "/pool"
    assert "s3cret" not in str(refused.value) and "umbrella" not in str(refused.value)
