"""The monitoring page in a real browser: signing in, living by the stream, acting, on a phone, without a complaint."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from alerting import pipeline
from alerting.config import Config
from alerting.configuration import reader
from alerting.settings import load
from alerting.store import accounts, database, settings_table
from probes import Observation
from tests.needing import need
from tests.waiting import wait_until
from tests.web.browser import Browser
from tests.web.screenshots import fill, link
from tests.web.serving import Web


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    """A filled database, open here too."""
    database.open_database(f"sqlite:///{tmp_path / 'vedette.db'}")
    database.migrate()
    fill(tmp_path, time.time())
    yield tmp_path
    database.close_database()


@pytest.fixture
def web(directory: Path) -> Iterator[Web]:
    with Web(directory, f"sqlite:///{directory / 'vedette.db'}") as serving:
        yield serving


@pytest.fixture
def browser() -> Iterator[Browser]:
    need("chromium")
    with Browser() as window:
        yield window


def test_a_person_signs_in_and_out(web: Web, browser: Browser) -> None:
    accounts.put("bob@acme.example", time.time(), password="correct horse")
    with database.reading():
        bob = accounts.by_email("bob@acme.example")
    assert bob is not None
    accounts.join(bob, "acme", "member")
    browser.open(f"{_at(web)}/monitoring")
    assert "/sign-in?next=%2Fmonitoring" in browser.driver.current_url
    _sign_in(browser, "bob@acme.example", "wrong")
    assert browser.wait_for("#error").text
    assert browser.attribute("#email", "value") == "bob@acme.example"
    browser.complaints()  # the console notes the 401 that a wrong password is
    _sign_in(browser, "bob@acme.example", "correct horse")
    browser.wait_for("#link[data-state=live]")
    assert browser.driver.current_url == f"{_at(web)}/monitoring"
    browser.wait_for("nav button").click()
    browser.wait_for(".door")
    browser.open(f"{_at(web)}/monitoring")
    browser.wait_for(".door")
    assert browser.complaints() == []


def test_the_page_says_what_is_true(web: Web, browser: Browser) -> None:
    _open(web, browser)
    assert browser.text("h1") == "3 critical alerts are open."
    assert browser.driver.title == "3 critical · Acme watch"
    assert browser.attribute("link[rel=icon]", "href").endswith("/icon-critical.svg")
    first = browser.text(".alert")
    assert "critical" in first
    assert "High CPU on prod-1" in first
    unknown = browser.text("#server-backup")
    assert "unknown" in unknown
    assert "–" in unknown
    assert "3.1 %" not in unknown
    assert "not looked at yet" in browser.text("#check-intranet")
    assert "212 ms" in browser.text("#check-shop")
    assert "70.0 MB" in browser.text("#replica-shop-prod")
    assert browser.find("#banner") is None


def test_an_alert_appears_and_goes_without_a_reload(web: Web, browser: Browser, directory: Path) -> None:
    _open(web, browser)
    browser.script("window.untouched = true; document.querySelector('#resolved').open = true")
    browser.script("document.querySelector('.alert a').focus()")
    _observe(directory, "critical", "HTTP 503, expected 200")
    wait_until(lambda: "HTTP 503" in browser.text("#alerts"), 15, "the new alert")
    assert browser.text("h1") == "4 critical alerts are open."
    assert browser.driver.title == "4 critical · Acme watch"
    _observe(directory, "ok", "HTTP 200")
    wait_until(lambda: browser.text("h1") == "3 critical alerts are open.", 15, "it is resolved")
    assert browser.script("return window.untouched") is True
    assert browser.script("return document.querySelector('#resolved').open") is True
    assert browser.script("return document.activeElement.textContent") == "High CPU on prod-1"
    assert browser.complaints() == []


def test_acknowledging_by_keyboard_and_resolving(web: Web, browser: Browser) -> None:
    _open(web, browser)
    button = browser.wait_for(".alert .acknowledge")
    assert button.get_attribute("aria-label") == "Acknowledge: High CPU on prod-1"
    button.send_keys(Keys.ENTER)
    browser.wait_for(".alert.acknowledged")
    assert "acknowledged by alice@acme.example" in browser.text(".alert.acknowledged")
    browser.wait_for(".alert.acknowledged .resolve").click()
    wait_until(lambda: browser.text("h1") == "2 critical alerts are open.", 10, "one less")
    assert browser.complaints() == []


def test_one_alert_has_its_facts_and_story(web: Web, browser: Browser) -> None:
    _open(web, browser)
    browser.wait_for(".alert h3 a").click()
    browser.wait_for("#timeline")
    browser.wait_for("#link[data-state=live]")
    assert "cpu_percent is 97.2; the rule asks for > 95" in browser.text("#facts")
    assert "Alert raised" in browser.text("#timeline")
    browser.wait_for("button.acknowledge").click()
    wait_until(lambda: "Acknowledged by alice@acme.example" in browser.text("#timeline"), 10, "its story goes on")
    assert browser.complaints() == []


def test_a_note_is_written_while_the_page_lives_on(web: Web, browser: Browser, directory: Path) -> None:
    _open(web, browser)
    browser.wait_for(".alert h3 a").click()
    browser.wait_for("#link[data-state=live]")
    browser.wait_for("#note").send_keys("restarted the\nworkers")
    _observe(directory, "critical", "HTTP 503, expected 200")  # the page is read again under the writer's hands
    browser.wait_for("button.acknowledge").click()
    wait_until(lambda: "Acknowledged by alice@acme.example" in browser.text("#timeline"), 10, "its story goes on")
    assert browser.attribute("#note", "value") == "restarted the\nworkers"
    browser.wait_for("#notes form button").click()
    wait_until(lambda: "alice@acme.example" in browser.text("#notes"), 10, "the note is there")
    assert "restarted the\nworkers" in browser.text("#notes .note")
    assert browser.attribute("#note", "value") == ""
    assert browser.complaints() == []


def test_buttons_work_without_scripts(web: Web, browser: Browser) -> None:
    _open(web, browser)
    browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    browser.driver.refresh()
    assert "needs JavaScript" in browser.wait_for("#link").text
    browser.wait_for(".alert .acknowledge").click()
    assert browser.wait_for(".alert.acknowledged")
    assert browser.driver.current_url == f"{_at(web)}/monitoring"


def test_it_says_that_it_is_not_live_and_catches_up(web: Web, browser: Browser, directory: Path) -> None:
    _open(web, browser)
    web.kill()
    waiting = browser.wait_for("#link[data-state=reconnecting]")
    assert "showing what was true at" in waiting.text
    _observe(directory, "critical", "HTTP 504, expected 200")
    web.start()
    browser.wait_for("#link[data-state=live]", 40)
    wait_until(lambda: "HTTP 504" in browser.text("#alerts"), 10, "what happened meanwhile")


def test_a_watch_that_stands_still_is_a_red_banner(web: Web, browser: Browser) -> None:
    with database.transaction():
        settings_table.put(settings_table.SCHEDULER, {"at": time.time() - 600})
    _open(web, browser)
    assert "Nothing is being checked" in browser.text("#banner")
    assert browser.text("h1") == "Nothing is being checked."
    assert browser.driver.title == "Nothing is being checked · Acme watch"


@pytest.mark.parametrize("dark", [False, True])
def test_a_phone_shows_all_of_it(web: Web, dark: bool) -> None:
    need("chromium")
    with Browser(390, 844, dark) as phone:
        _open(web, phone)
        for path in ("/monitoring", "/alerts/2", "/sign-in"):
            phone.open(_at(web) + path)
            phone.wait_for("main")
            assert phone.script("return document.documentElement.scrollWidth") <= 390, path
            small = "return [...document.querySelectorAll('button')].filter(b => b.offsetHeight && b.offsetHeight < 44)"
            assert phone.script(small) == [], path
            assert phone.script(_CONTRAST) == [], path
        assert phone.complaints() == []


def test_the_keyboard_reaches_everything_and_shows_where_it_is(web: Web, browser: Browser) -> None:
    _open(web, browser)
    reached = []
    for _ in range(12):
        browser.driver.switch_to.active_element.send_keys(Keys.TAB)
        at = "const e = document.activeElement; return [e.innerText, getComputedStyle(e).outlineStyle]"
        text, outline = browser.script(at)
        assert outline == "solid", text
        reached.append(text)
    assert reached[0] == "To the alerts"
    assert {"Sign out", "High CPU on prod-1", "Acknowledge", "Resolve"} <= set(reached)


def test_landmarks_and_names_are_there(web: Web, browser: Browser) -> None:
    _open(web, browser)
    for selector in ("header", "main", "footer", "nav[aria-label]", "#link[role=status]", "section[aria-labelledby]"):
        assert browser.find(selector) is not None, selector
    assert browser.script("return document.querySelectorAll('h1').length") == 1
    assert browser.script("return document.documentElement.lang") == "en"
    unnamed = "return [...document.querySelectorAll('.status')].filter(e => !e.innerText.trim()).length"
    assert browser.script(unnamed) == 0, "a status told by colour alone"


def test_nothing_is_asked_of_another_server(web: Web, browser: Browser) -> None:
    _open(web, browser)
    names = browser.script("return performance.getEntriesByType('resource').map(e => e.name)")
    assert names
    assert [name for name in names if not name.startswith(_at(web))] == []


def test_the_events_module_comes_back_by_id_and_undoes(web: Web, browser: Browser, directory: Path) -> None:
    _open(web, browser)
    browser.driver.set_script_timeout(60)
    browser.script(
        "window.heard = []; window.ready = import('/static/vedette-events.js').then(({connect}) => {"
        " const events = connect({types: 'alert_*'});"
        " events.on('alert_triggered', e => heard.push(e.data.message));"
        " const undo = events.on('*', e => heard.push(e.type)); events.on('connected', () => setTimeout(undo, 0)); })"
    )
    wait_until(lambda: browser.script("return heard") == ["connected"], 10, "it is connected")
    web.kill()
    _observe(directory, "critical", "HTTP 505, expected 200")
    web.start()
    wait_until(lambda: "HTTP 505, expected 200" in browser.script("return heard"), 40, "what it missed")
    assert browser.script("return heard").count("HTTP 505, expected 200") == 1
    assert "alert_triggered" not in browser.script("return heard")


_CONTRAST = """
const light = c => { const v = c.map(x => (x /= 255) <= .03928 ? x / 12.92 : ((x + .055) / 1.055) ** 2.4);
  return .2126 * v[0] + .7152 * v[1] + .0722 * v[2]; };
const parts = s => s.match(/[\\d.]+/g).map(Number);
const ground = e => { for (; e; e = e.parentElement) { const c = parts(getComputedStyle(e).backgroundColor);
  if (c.length === 3 || c[3] === 1) return c.slice(0, 3); } return [255, 255, 255]; };
return [...document.querySelectorAll('body *')]
  .filter(e => [...e.childNodes].some(n => n.nodeType === 3 && n.nodeValue.trim()) && e.offsetHeight
    && !['SCRIPT', 'STYLE'].includes(e.tagName))
  .map(e => { const a = light(parts(getComputedStyle(e).color).slice(0, 3)), b = light(ground(e));
    return [e.innerText, (Math.max(a, b) + .05) / (Math.min(a, b) + .05)]; })
  .filter(([, ratio]) => ratio < 4.5);
"""


def _at(web: Web) -> str:
    return f"http://127.0.0.1:{web.port}"


def _open(web: Web, browser: Browser) -> None:
    """The page, signed in by a one-time link, live."""
    browser.open(_at(web) + link(time.time()))
    browser.wait_for("#link[data-state=live]", 20)
    browser.open(f"{_at(web)}/monitoring")
    browser.wait_for("#link[data-state=live]", 20)
    browser.complaints()


def _sign_in(browser: Browser, email: str, password: str) -> None:
    for field, text in (("#email", email), ("#password", password)):
        element = browser.wait_for(field)
        element.clear()
        element.send_keys(text)
    browser.driver.find_element(By.CSS_SELECTOR, ".primary").click()


def _config(directory: Path) -> Config:
    return reader.read(directory / "vedette.toml", load({}))


def _observe(directory: Path, status: str, message: str) -> None:
    now = time.time()
    seen = Observation(status, {}, message, {}, "check/website", now, 0.1)  # type: ignore[arg-type]
    pipeline.ingest(_config(directory), [seen], now)
