"""Ranges in names."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.expand import RangeError, expand_entry


def names(text: str) -> list[str]:
    return [entry["name"] for entry in expand_entry({"name": text}, "name")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sw-1", ["sw-1"]),
        ("sw-[1-3]", ["sw-1", "sw-2", "sw-3"]),
        ("sw-[08-11]", ["sw-08", "sw-09", "sw-10", "sw-11"]),
        ("sw-[a,b]-[1-2]", ["sw-a-1", "sw-a-2", "sw-b-1", "sw-b-2"]),
        ("Gi1/0/[1-2,5]", ["Gi1/0/1", "Gi1/0/2", "Gi1/0/5"]),
        ("eth[0]", ["eth[0]"]),
        ("x[a-c]", ["xa", "xb", "xc"]),
        ("x[B-C, 8 - 9,core]", ["xB", "xC", "x8", "x9", "xcore"]),
    ],
)
def test_a_range_makes_one_entry_per_value(text: str, expected: list[str]) -> None:
    assert names(text) == expected


def test_the_value_is_filled_in_everywhere_else() -> None:
    entry: dict[str, Any] = {
        "name": "sw-[08-09]",
        "description": "number {1}",
        "ip_addresses": [{"address": "192.0.2.{1+10}/24", "role": "{2}"}],
    }
    with pytest.raises(RangeError, match=r"\{2\} names range 2, but the entry has 1"):
        list(expand_entry(entry, "name"))
    del entry["ip_addresses"][0]["role"]
    first, second = expand_entry(entry, "name")
    assert first == {
        "name": "sw-08",
        "description": "number 08",
        "ip_addresses": [{"address": "192.0.2.18/24"}],
    }
    assert second["ip_addresses"] == [{"address": "192.0.2.19/24"}]


def test_a_child_with_a_range_of_its_own_fills_in_its_own_values() -> None:
    ports = {"name": "Gi{1}/[1-2]", "description": "port {1}"}
    entries = list(expand_entry({"name": "sw-[7-8]", "interfaces": [ports]}, "name"))
    (mine,) = entries[0]["interfaces"]
    assert mine == {"name": "Gi7/[1-2]", "description": "port {1}"}
    assert [port["description"] for port in expand_entry(mine, "name")] == ["port 1", "port 2"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("sw-[9-1]", "the range [9-1] runs backwards"),
        ("sw-[1-99999]", "the range [1-99999] is longer than 20,000"),
        ("sw-[1-200]-[1-200]", "'sw-[1-200]-[1-200]' stands for 40,000 entries; at most 20,000 are allowed"),
        ("sw-[a,]", "the range [a,] has an empty value"),
        ("sw-[c-a]", "the range [c-a] runs backwards"),
        *(
            (f"sw-[{body}]", f"the range [{body}] must go from number to number or letter to letter")
            for body in ("A1-A4", "a-C", "1-b", "aa-cc", "x,a-1", "1-2-3", "\u0661-\u0663", "-")
        ),
        ("sw-[1-" + "9" * 5000 + "]", "a number in a range has at most 18 digits"),
        ("sw-[1-20000,1]", "the range [1-20000,1] is longer than 20,000"),
    ],
    ids=lambda text: text[:30],
)
def test_a_range_that_cannot_be_meant_is_refused(text: str, says: str) -> None:
    with pytest.raises(RangeError) as error:
        names(text)
    assert str(error.value) == says


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("sw-[1-2]", "{1+" + "9" * 5000 + "}", "at most 18 digits"),
        ("sw-[" + "9" * 5000 + ",1]", "{1+1}", "at most 18 digits"),
        ("sw-[a-b]", "{1+1}", "needs a number, but the range gives 'a'"),
        ("sw-[\u00b2,1]", "{1+1}", "needs a number"),
    ],
    ids=range(4),
)
def test_a_placeholder_that_cannot_be_counted_is_refused(name: str, text: str, says: str) -> None:
    with pytest.raises(RangeError, match=says):
        list(expand_entry({"name": name, "description": text}, "name"))
