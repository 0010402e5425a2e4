"""The report of a batch, opened from the disk in a real Chromium: light, dark, narrow and printed.

Pictures stay in the test's own folder, for a person to look at.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.by import By

from tests.contract.browser import open_browser, pictures_folder, requested
from tests.contract.clients import CommandLine
from tests.contract.test_html_report import SCRIPT, apply, hostile
from tests.integration.worker_process import NetBoxOverHttp, WorkerTeam

BACKGROUND = "return getComputedStyle(document.body).backgroundColor"


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[WebDriver]:
    with open_browser(tmp_path, notes_requests=True) as browser:
        browser.set_window_size(1100, 1400)
        yield browser


def look(browser: WebDriver, **media: str) -> None:
    """Show the page as somebody sees it whose system is set so, or on paper."""
    medium = media.pop("medium", "")
    features = [{"name": name.replace("_", "-"), "value": value} for name, value in media.items()]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": medium, "features": features})


def evaluate(browser: WebDriver, script: str) -> Any:
    return browser.execute_script(script)


def test_it_needs_nothing_but_itself(
    netbox: NetBoxOverHttp,
    worker: WorkerTeam,
    cli: CommandLine,
    prefix: str,
    browser: WebDriver,
    tmp_path: Path,
) -> None:
    done = apply(hostile(prefix))
    assert done.counts == {"created": 3, "failed": 1, "skipped": 1}
    assert cli("report", done.task_id, "--html", "report.html").code == 0
    address = (cli.folder / "report.html").as_uri()
    browser.get(address)

    assert requested(browser, address) == {address}
    assert browser.get_log("browser") == []
    assert browser.title == f"Apply {done.batch_id}: completed with errors"
    assert SCRIPT in browser.find_element(By.TAG_NAME, "body").text

    # The chart and its table say the same.
    chart = browser.find_element(By.CSS_SELECTOR, "svg[role=img]")
    assert chart.size["width"] > 600
    assert len(chart.find_elements(By.CSS_SELECTOR, ".columns rect.failed")) == 1
    browser.find_element(By.TAG_NAME, "summary").click()
    table = browser.find_element(By.CSS_SELECTOR, "figure table")
    assert [cell.text for cell in table.find_elements(By.CSS_SELECTOR, "thead th")] == [
        *("From", "created", "skipped", "failed")
    ]
    columns = [
        sum(int(cell.text) for cell in table.find_elements(By.CSS_SELECTOR, f"tbody td:nth-child({at})"))
        for at in (2, 3, 4)
    ]
    assert columns == [3, 1, 1]
    browser.find_element(By.TAG_NAME, "summary").click()

    pictures = pictures_folder(tmp_path)
    seen = {}
    for scheme in ("light", "dark"):
        look(browser, prefers_color_scheme=scheme)
        seen[scheme] = evaluate(browser, BACKGROUND)
        browser.save_screenshot(str(pictures / f"report-{scheme}.png"))
    assert seen == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 24, 28)"}
    look(browser, medium="print", prefers_color_scheme="dark")
    assert evaluate(browser, BACKGROUND) == "rgb(255, 255, 255)"

    # On a telephone nothing but the chart is wider than the window.
    look(browser, prefers_color_scheme="light")
    phone = {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    assert evaluate(browser, "return document.documentElement.scrollWidth") == 360
    browser.save_screenshot(str(pictures / "report-narrow.png"))
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})

    paper = base64.b64decode(browser.execute_cdp_cmd("Page.printToPDF", {"printBackground": False})["data"])
    (pictures / "report-printed.pdf").write_bytes(paper)
    assert paper.startswith(b"%PDF-")
    assert requested(browser, address) == set()
    assert browser.get_log("browser") == []
