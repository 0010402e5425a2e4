"""What every test may use: a Redis, a NetBox, and the option to renew golden files."""

from __future__ import annotations

import pytest

pytest_plugins = [
    "tests.redis_fixture",
    "tests.sandbox_fixture",
    "tests.netbox.tidy_fixture",
    "tests.netbox.fault_fixture",
]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="write the expected plans of tests/golden anew"
    )
