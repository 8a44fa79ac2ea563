"""Debian's Chromium without a window: it opens pages, looks, clicks, and notes every complaint."""

import base64
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from tests.waiting import wait_until

_FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--hide-scrollbars",
    "--disable-dev-shm-usage", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)  # fmt: skip


class Browser:
    """One window of its own profile. `dark`: what the person prefers."""

    def __init__(self, width: int = 1280, height: int = 900, dark: bool = False) -> None:
        self._profile = tempfile.mkdtemp(prefix="vedette-chromium-")
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium") or "/usr/bin/chromium"
        for flag in (*_FLAGS, f"--user-data-dir={self._profile}", f"--window-size={width},{height}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        driver = shutil.which("chromedriver") or "/usr/bin/chromedriver"
        service = webdriver.ChromeService(driver, env={"PATH": os.defpath, "HOME": self._profile})
        self.driver = webdriver.Chrome(options=options, service=service)
        self._command(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=2 if width > 600 else 3, mobile=width < 600,
        )  # fmt: skip
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._command("Emulation.setEmulatedMedia", features=[scheme])
        self._size = (width, height)

    def open(self, url: str) -> None:
        self.driver.get(url)

    def find(self, selector: str) -> WebElement | None:
        found = self.driver.find_elements(By.CSS_SELECTOR, selector)
        return found[0] if found else None

    def wait_for(self, selector: str, seconds: float = 10) -> WebElement:
        """The first element that matches, as soon as there is one."""
        found = wait_until(lambda: self.find(selector), seconds, f"{selector} on the page")
        assert found is not None
        return found

    def attribute(self, selector: str, name: str) -> str:
        return str(self.wait_for(selector).get_attribute(name))

    def text(self, selector: str = "body") -> str:
        return str(self.script("return document.querySelector(arguments[0])?.innerText ?? ''", selector))

    def script(self, code: str, *values: Any) -> Any:
        return self.driver.execute_script(code, *values)  # type: ignore[no-untyped-call]

    def complaints(self) -> list[str]:
        """What the console has said since the last time: errors, and violations of the content security policy."""
        return [f"{line['level']} {line['message']}" for line in self.driver.get_log("browser")]  # type: ignore[no-untyped-call]

    def whole(self, path: Path) -> None:
        """A picture of the whole page."""
        height = self.script("return Math.max(document.documentElement.scrollHeight, innerHeight)")
        clip = {"x": 0, "y": 0, "width": self._size[0], "height": height, "scale": 1}
        shot = self._command("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *_: object) -> None:
        self.driver.quit()
        shutil.rmtree(self._profile, ignore_errors=True)

    def _command(self, name: str, **values: Any) -> Any:
        return self.driver.execute_cdp_cmd(name, values)  # type: ignore[no-untyped-call]
