"""The pages in a real Chromium, with a picture of each for a person to look at."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import SecretStr
from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select

from netbox_mcp.dependencies import get_task_manager
from netbox_mcp.service import get_service
from tests.contract.browser import complaints, open_browser, pictures_folder
from tests.contract.clients import CommandLine, call
from tests.contract.documents import campus
from tests.contract.test_transports import TOKEN, HttpServer, serve
from tests.integration.worker_process import (
    NetBoxOverHttp,
    WorkerTeam,
    many_sites,
    wait_for,
    wait_until_ended,
    wait_until_midway,
)

APPROVE_TOKEN = "those-who-approve-7c1d"
APPROVALS = {"NETBOX_MCP_REQUIRE_APPROVAL": "true", "NETBOX_MCP_APPROVE_TOKEN": APPROVE_TOKEN}
HOSTILE = "<img src=x onerror=\"document.title='broken into'\"> \u202eeman"
WIDE, NARROW = (1200, 900), (390, 844)


@pytest.fixture
def server(netbox: NetBoxOverHttp, with_redis: str, cli: CommandLine) -> Iterator[HttpServer]:
    yield from serve(cli, REDIS_URL=with_redis, NETBOX_MCP_TOKEN=TOKEN, **APPROVALS)


@dataclass(frozen=True)
class Person:
    """Somebody at a browser, and the folder with pictures of what they see."""

    browser: WebDriver
    url: str
    pictures: Path

    def go(self, path: str) -> None:
        self.browser.get(self.url + path)

    def sign_in(self, token: str = TOKEN) -> None:
        self.type("token", token)
        self.press("Sign in")
        wait_for(lambda: "Sign out" in self.text or "not known here" in self.text, "an answer to signing in")

    def type(self, name: str, text: str) -> None:
        self._wait_for(f"//*[@name='{name}']").send_keys(text)

    def tick(self, name: str) -> None:
        self._wait_for(f"//*[@name='{name}']").click()

    def press(self, words: str) -> None:
        self.find("button", words).click()

    def find(self, tag: str, words: str) -> WebElement:
        return self._wait_for(f"//{tag}[contains(normalize-space(), '{words}')]")

    def _wait_for(self, path: str) -> WebElement:
        """The first such element that is shown; the browser may still be on its way to the page."""

        def shown() -> WebElement | None:
            with suppress(StaleElementReferenceException):
                return next(
                    (one for one in self.browser.find_elements(By.XPATH, path) if one.is_displayed()), None
                )
            return None

        return wait_for(shown, f"{path} at {self.browser.current_url}", 20)

    @property
    def text(self) -> str:
        """What is to be read; nothing while the browser is on its way to another page."""
        with suppress(StaleElementReferenceException, NoSuchElementException):
            return self.browser.find_element(By.TAG_NAME, "body").text
        return ""

    def sees(self, *words: str, seconds: float = 20) -> str:
        def text() -> str:
            said = self.text
            return said if all(one in said for one in words) else ""

        return wait_for(text, f"{words} at {self.browser.current_url}: {self.text}", seconds)

    def keep_pictures(self, name: str) -> None:
        """The page in light, dark and narrow, each as high as it is."""
        for kind, (width, least), scheme in (
            ("light", WIDE, "light"),
            ("dark", WIDE, "dark"),
            ("narrow", NARROW, "light"),
        ):
            media = [{"name": "prefers-color-scheme", "value": scheme}]
            self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": media})
            self._resize(width, least)
            height = self.browser.execute_script("return document.documentElement.scrollHeight")
            self._resize(width, min(max(least, height), 4000))
            self.browser.save_screenshot(str(self.pictures / f"{name}-{kind}.png"))
            overflow = self.browser.execute_script(
                "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
            assert overflow <= 0, f"{name} is wider than the {kind} window by {overflow}"
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
        self._resize(*WIDE)

    def _resize(self, width: int, height: int) -> None:
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


@pytest.fixture
def person(server: HttpServer, tmp_path: Path) -> Iterator[Person]:
    with open_browser(tmp_path) as browser:
        pictures = pictures_folder(tmp_path)
        print(f"pictures are in {pictures}")
        yield Person(browser, server.url, pictures)


def test_signing_in_and_watching_a_task_to_its_end(
    person: Person, slow_team: WorkerTeam, netbox: NetBoxOverHttp, prefix: str
) -> None:
    person.go("/")
    assert person.browser.current_url.endswith("/sign-in?next=%2F")
    person.keep_pictures("sign-in")
    person.sign_in("not-the-token-of-this-server")
    person.sees("This token is not known here")
    assert [one for one in complaints(person.browser) if "401" not in one] == []
    person.sign_in()
    person.sees("Nothing is queued or running")
    assert person.browser.current_url == f"{person.url}/"

    manager = get_task_manager()
    slow_team.start()
    task_id = manager.start_apply(many_sites(prefix, 400), "default", 400).task_id
    person.sees(task_id)  # without loading the page again
    wait_until_midway(manager, task_id)
    person.keep_pictures("tasks")
    person.find("a", task_id).click()
    person.sees("running", "objects a second", "left", "sites")
    person.keep_pictures("task-running")
    bar = person.browser.find_element(By.TAG_NAME, "progress")
    assert 0 < float(bar.get_attribute("value") or 0) < 100
    assert person.find("button", "Cancel")
    # It is the same document to the end: nothing has loaded it again.
    person.browser.execute_script("window.mark = 'the same document'")
    wait_until_ended(manager, task_id, 90)
    person.sees("completed", "100%", "400 of 400", "400 created", "Roll back", "Objects per minute")
    assert person.browser.execute_script("return window.mark") == "the same document"
    assert person.browser.title.startswith("Completed")
    assert person.browser.find_element(By.ID, "say").text.startswith("completed")
    assert not person.browser.find_elements(
        By.XPATH, "//button[text()='Cancel' and not(ancestor::*[@hidden])]"
    )
    person.keep_pictures("task-completed")
    assert complaints(person.browser) == []
    assert netbox.count("dcim/sites", name__isw=prefix) == 400

    person.press("Sign out")
    person.sees("Bearer token")
    person.go(f"/tasks/{task_id}")
    assert "/sign-in?next=%2Ftasks%2F" in person.browser.current_url


def test_a_plan_is_approved_applied_and_taken_back(
    person: Person, team: WorkerTeam, netbox: NetBoxOverHttp, prefix: str
) -> None:
    team.start(**APPROVALS)
    first = campus(prefix)
    first["manufacturers"].append({"name": f"{prefix} {HOSTILE}", "slug": f"{prefix}-hostile"})
    first["devices"][0]["status"] = "active"
    plan_id = call("netbox_plan_bulk", batch=first).data["plan_id"]

    # Who applies may not approve.
    person.go(f"/plans/{plan_id}")
    person.sign_in()
    person.sees(f"Plan {plan_id}", "8 to create", f"{prefix}-sw-2", "has to be approved", "scope approve")
    assert "[U+202E]" in person.text
    assert "<img src=x" in person.text
    assert "broken into" not in person.browser.title
    assert not person.browser.find_elements(By.TAG_NAME, "img")
    assert not person.browser.find_elements(By.XPATH, "//button[contains(., 'this plan')]")
    person.keep_pictures("plan-waits")
    person.press("Sign out")

    # Who approves may not apply, and sees plans alone.
    person.sees("Bearer token")
    person.sign_in(APPROVE_TOKEN)
    person.sees("Waiting", "waits for approval")
    assert person.browser.current_url.endswith("/plans")
    person.keep_pictures("plans")
    person.go("/")
    person.sees("This needs the scope read, and the bearer token has the scope approve.")
    person.keep_pictures("scope-missing")
    complaints(person.browser)
    person.go(f"/plans/{plan_id}")
    person.type("approved_by", "Jane Doe")
    person.press("Approve this plan")
    person.sees("Approved by Jane Doe until")
    assert not person.browser.find_elements(By.NAME, "confirm")
    person.press("Sign out")

    person.sees("Bearer token")
    person.sign_in()
    person.go("/plans")
    person.sees("approved by Jane Doe")
    person.find("a", plan_id).click()
    person.press("Apply this plan")  # the browser itself asks for the tick
    assert person.browser.current_url.endswith(plan_id)
    person.keep_pictures("plan-approved")
    person.tick("confirm")
    person.press("Apply this plan")
    person.sees("completed", "8 of 8", "devices", "3 created")
    assert netbox.count("dcim/devices", name__isw=prefix) == 3
    person.go(f"/plans/{plan_id}")
    person.sees("was to apply this plan: completed")
    assert not person.browser.find_elements(By.NAME, "confirm")

    # The report, with filters and links into NetBox.
    person.find("a", "t-").click()
    person.find("a", "What became of each object").click()
    person.sees(f"{prefix}-sw-1", f"{prefix} Acme", "manufacturers[0]")
    person.keep_pictures("batch")
    batch_id = person.browser.current_url.rpartition("/")[2]
    Select(person.browser.find_element(By.NAME, "object_type")).select_by_value("devices")
    person.press("Show")
    person.sees(f"{prefix}-sw-1")
    assert f"{prefix} Acme" not in person.text
    (device,) = netbox.rows("dcim/devices", name=f"{prefix}-sw-1")
    href = person.find("a", f"{prefix}-sw-1").get_attribute("href")
    assert href == f"{netbox.url}/dcim/devices/{device['id']}/"
    href = person.find("a", "changelog").get_attribute("href")
    assert href == f"{netbox.url}/core/changelog/?q={batch_id}"

    # Somebody changes a device; the next plan shows the drift, what is taken back leaves it alone.
    netbox.update("dcim/devices", device["id"], status="offline")
    second = {**first, "devices": [{**first["devices"][0], "serial": "{1}"}]}
    drifted = call("netbox_plan_bulk", batch=second).data["plan_id"]
    person.go(f"/plans/{drifted}")
    person.sees("3 to update", "drift", "'offline'", "'active'", "changed in NetBox since our last apply")
    person.keep_pictures("plan-with-drift")

    person.go(f"/batches/{batch_id}")
    person.find("a", "Roll back").click()
    person.sees("With force")
    person.keep_pictures("rollback")
    person.press("Plan the rollback")
    person.sees(f"Rollback of {batch_id}", "to delete", "NetBox deletes about", "stays as it is", seconds=40)
    person.find("a", "Plan it again with force").click()
    person.tick("force")
    person.press("Plan the rollback")
    person.sees("With force:", "8 to delete", "has to be approved", seconds=40)
    undo_id = person.browser.current_url.rpartition("/")[2]
    person.keep_pictures("rollback-plan")
    get_service().approve(undo_id, SecretStr(APPROVE_TOKEN), "Jane Doe")
    person.go(f"/plans/{undo_id}")
    person.type("typed", "wrong")
    person.press("Roll back")
    person.sees("Nothing was undone: type")
    person.keep_pictures("rollback-not-confirmed")
    person.type("typed", batch_id[-8:])
    person.press("Roll back")
    person.sees("completed", "8 of 8", "deleted", seconds=60)
    person.keep_pictures("rolled-back")
    assert netbox.count("dcim/devices", name__isw=prefix) == 0
    person.go(f"/batches/{batch_id}")
    person.sees("rolled back")
    unexpected = [one for one in complaints(person.browser) if "422" not in one]
    assert unexpected == []


def test_a_keyboard_and_no_script_will_do(
    server: HttpServer, netbox: NetBoxOverHttp, tmp_path: Path, prefix: str
) -> None:
    manager = get_task_manager()
    task_id = manager.start_plan(campus(prefix), "default", 7).task_id
    with open_browser(tmp_path, runs_scripts=False) as browser:
        person = Person(browser, server.url, pictures_folder(tmp_path))
        person.go(f"/tasks/{task_id}")
        browser.switch_to.active_element.send_keys(TOKEN, Keys.ENTER)  # the field has the focus
        person.sees(f"Task {task_id}", "queued", "No worker is listening")
        browser.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
        assert browser.switch_to.active_element.text == "To the content"
        browser.switch_to.active_element.send_keys(Keys.ENTER)
        assert browser.current_url.endswith("#main")
        manager.cancel(task_id)
        person.sees("cancelled", seconds=30)  # the page has loaded itself again
        assert complaints(browser) == []
