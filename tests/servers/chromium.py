"""A real browser: fixture `browser`, a fresh Chromium that reaches this machine only."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.needing import need


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Any]:
    """A headless selenium driver with an empty profile; what the page logs is in `get_log("browser")`."""
    programs = need("chromium")
    from selenium.webdriver import Chrome
    from selenium.webdriver.chrome.service import Service

    # A home of its own: Chromium and its driver keep caches there.
    environ = {"PATH": os.defpath, "HOME": str(tmp_path)}
    service = Service(str(programs["chromedriver"]), env=environ, log_output=str(tmp_path / "chromedriver.log"))
    driver = Chrome(_options(programs["chromium"], tmp_path / "profile"), service)
    try:
        driver.set_page_load_timeout(30)
        yield driver
    finally:
        driver.quit()


def _options(program: Path, profile: Path) -> Any:
    from selenium.webdriver import ChromeOptions

    options = ChromeOptions()
    options.binary_location = str(program)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for word in (
        "--headless=new",
        "--no-sandbox",  # the sandbox refuses root, which tests may be
        "--disable-dev-shm-usage",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
        "--window-size=1280,900",
        f"--user-data-dir={profile}",
    ):
        options.add_argument(word)
    return options
