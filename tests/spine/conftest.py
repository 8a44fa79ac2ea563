"""What both kinds of spine tests stand on: a website to break, and the environment that names the providers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.slack import SlackServer
from tests.servers.smtp import SmtpServer
from tests.spine.installation import WEBSITE, Website


@pytest.fixture
def website() -> Iterator[Website]:
    site = Website()
    yield site
    site.close()


@pytest.fixture
def environ(website: Website, slack_server: SlackServer, smtp_server: SmtpServer, tmp_path: Path) -> dict[str, str]:
    """The environment of an installation whose vedette.toml watches the website."""
    (tmp_path / "vedette.toml").write_text(WEBSITE)
    return {
        "WEBSITE_URL": website.url,
        "SLACK_WEBHOOK_URL": slack_server.url,
        "SMTP_URL": smtp_server.url,
        "MAIL_FROM": "vedette@acme.example",
        "LOG_FORMAT": "text",
    }
