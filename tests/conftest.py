"""What every test may use: a Redis, a NetBox, and the option to renew golden files."""

from __future__ import annotations

import pytest
from hypothesis import settings

# How many documents each property is tried on: `make unit` is for in between, `make test` for sure.
settings.register_profile("quick", max_examples=10)
settings.register_profile("thorough", max_examples=50)
settings.load_profile("quick")

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
