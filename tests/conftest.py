"""What every test may use: a Redis, a NetBox, and the option to renew golden files."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

pytest_plugins = [name for name in ("tests.redis_fixture", "tests.sandbox_fixture") if find_spec(name)]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="write the expected plans of tests/golden anew"
    )
