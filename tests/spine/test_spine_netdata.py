"""A Netdata parent and its children under a real scheduler: its trouble is one message, theirs is none."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.servers.netdata import NetdataFamily
from tests.servers.process import Start
from tests.servers.slack import SlackServer
from tests.spine.installation import WEBSITE, Installation, installed
from tests.waiting import wait_until

PATIENCE = 60.0
FAMILY = """
[netdata.main]
url = "${PARENT_URL}"
[servers.web-1]
netdata = { parent = "main", machine_guid = "${WEB_GUID}" }
every = "1s"
[servers.db-1]
netdata = { parent = "main", machine_guid = "${DB_GUID}" }
every = "1s"
"""


@pytest.fixture
def begin(
    start: Start, tmp_path: Path, environ: dict[str, str], netdata_family: NetdataFamily
) -> Iterator[Callable[[], Installation]]:
    """Starts an installation that watches the website and the family."""
    web, db = netdata_family.add_child("web-1"), netdata_family.add_child("db-1")
    targets = {"PARENT_URL": netdata_family.parent.url, "WEB_GUID": web.guid, "DB_GUID": db.guid}
    yield from installed(start, tmp_path, environ | targets, WEBSITE + FAMILY)


def test_a_parent_that_dies_is_told_once_and_its_children_not_at_all(
    begin: Callable[[], Installation], netdata_family: NetdataFamily, slack_server: SlackServer
) -> None:
    def texts() -> list[str]:
        return [message.text for message in slack_server.messages]

    stream = begin().stream
    for name in ("web-1", "db-1"):
        wait_until(lambda name=name: stream.of("server.connected", server_id=name), PATIENCE, f"{name} to be seen")  # type: ignore[misc]
    netdata_family.parent.kill()
    wait_until(lambda: any("Server down: main" in text for text in texts()), PATIENCE, "the parent's trouble")
    wait_until(
        lambda: stream.of("server.health_updated", server_id="db-1", streaming_status="error"), PATIENCE, "db-1 unknown"
    )
    netdata_family.parent.start()
    wait_until(lambda: any("esolved" in text and "main" in text for text in texts()), PATIENCE, "the end of it")
    for name in ("web-1", "db-1"):
        connected = {"server_id": name}
        wait_until(lambda: len(stream.of("server.connected", **connected)) == 2, PATIENCE, f"{name} to come back")  # noqa: B023
    assert not [text for text in texts() if "web-1" in text or "db-1" in text]
    assert len([text for text in texts() if "Server down: main" in text]) == 2
