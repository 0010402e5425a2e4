"""The pages in a real Chromium, with a picture of each for a person to look at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from netbox_mcp.dependencies import get_task_manager
from tests.contract.browser import complaints, open_browser, pictures_folder
from tests.contract.clients import CommandLine
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
WIDE, NARROW = (1200, 900), (390, 844)


@pytest.fixture
def server(netbox: NetBoxOverHttp, with_redis: str, cli: CommandLine) -> Iterator[HttpServer]:
    yield from serve(
        cli, REDIS_URL=with_redis, NETBOX_MCP_TOKEN=TOKEN, NETBOX_MCP_APPROVE_TOKEN=APPROVE_TOKEN
    )


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

    def type(self, name: str, text: str) -> None:
        self.browser.find_element(By.NAME, name).send_keys(text)

    def press(self, words: str) -> None:
        self.find("button", words).click()

    def find(self, tag: str, words: str) -> WebElement:
        found = self.browser.find_elements(By.XPATH, f"//{tag}[contains(normalize-space(), '{words}')]")
        shown = [one for one in found if one.is_displayed()]
        assert shown, f"no {tag} with {words!r} at {self.browser.current_url}: {self.text}"
        return shown[0]

    @property
    def text(self) -> str:
        return self.browser.find_element(By.TAG_NAME, "body").text

    def sees(self, *words: str, seconds: float = 20) -> str:
        def text() -> str:
            return self.text if all(one in self.text for one in words) else ""

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
    person.sees("completed", "100%", "400 of 400", "400 created", "Roll back")
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
