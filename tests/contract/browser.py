"""A real Chromium for the tests of what people see, and where it puts its pictures."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.chrome.webdriver import WebDriver

PICTURES = "TEST_PICTURES_DIR"
"""The environment variable that names a folder for pictures to look at; else they are in the test's own."""


def installed(program: str) -> str:
    path = shutil.which(program)
    assert path, f"{program} is missing; `make tools` installs it"
    return path


@contextmanager
def open_browser(
    folder: Path, runs_scripts: bool = True, notes_requests: bool = False
) -> Iterator[WebDriver]:
    """A browser with a profile of its own in this folder; it can note each request (`requested`)."""
    options = webdriver.ChromeOptions()
    if not runs_scripts:
        options.add_experimental_option("prefs", {"profile.managed_default_content_settings.javascript": 2})
    options.binary_location = installed("chromium")
    for flag in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-first-run",
        f"--user-data-dir={folder / 'chromium'}",
    ):
        options.add_argument(flag)
    logs = ["browser", *(["performance"] if notes_requests else [])]
    options.set_capability("goog:loggingPrefs", dict.fromkeys(logs, "ALL"))
    driver = webdriver.Chrome(options, webdriver.ChromeService(installed("chromedriver")))
    driver.set_page_load_timeout(60)
    try:
        yield driver
    finally:
        driver.quit()


def complaints(browser: WebDriver) -> list[str]:
    """What the browser found wrong with pages and scripts since it was last asked."""
    return [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]


def requested(browser: WebDriver, page: str) -> set[str]:
    """What a page has asked for since the last look, itself among it; not what the start page has."""
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    sent = [one["params"] for one in messages if one["method"] == "Network.requestWillBeSent"]
    return {str(one["request"]["url"]) for one in sent if one["documentURL"] == page}


def pictures_folder(own: Path) -> Path:
    """Where pictures go, for a person to look at."""
    folder = Path(os.environ.get(PICTURES) or own / "pictures")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
