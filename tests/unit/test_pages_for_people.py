"""What pages show: names that try to mislead, spans of time, and the chart of every kind of pace."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netbox_mcp.times import moment, span
from netbox_mcp.web.chart import COLOURS, MAX_COLUMNS, pace_chart
from netbox_mcp.web.names import isolated, plain
from workers.pace import Bucket, Pace

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)
SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Zürich/HB", "Zürich/HB"),
        ("東京-1, [rack 2]", "東京-1, [rack 2]"),
        ("\u202egnp.exe", "[U+202E]gnp.exe"),
        ("a\u2066b\u2069\u200f", "a[U+2066]b[U+2069][U+200F]"),
        ("one\ntwo\x07\ud83d", "one two[U+0007][U+D83D]"),
        ("👩\u200d🔧", "👩\u200d🔧"),
    ],
)
def test_what_cannot_be_seen_is_shown(text: str, shown: str) -> None:
    assert plain(text) == shown


def test_a_name_is_no_tag_and_turns_nothing_around_it() -> None:
    assert isolated("<b>'\"&") == "<bdi>&lt;b&gt;&#39;&#34;&amp;</bdi>"
    assert isolated("") == ""


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "less than 1 s"), (5, "5 s"), (65, "1 min 5 s"), (7_200, "2 h"), (90_061, "1 d 1 h")],
)
def test_spans_have_two_units(seconds: float, words: str) -> None:
    assert span(seconds) == words


def test_moments_are_in_utc() -> None:
    elsewhere = datetime.fromisoformat("2026-11-27T14:00:00.5+02:00")
    assert (moment(elsewhere), moment(None)) == ("2026-11-27 12:00:00 UTC", "")


paces = st.builds(
    lambda width, begins, numbers: Pace(
        width,
        tuple(
            Bucket(NOON + timedelta(seconds=width * begin), {result: number})
            for begin, (result, number) in zip(sorted(begins), numbers, strict=False)
        ),
    ),
    st.sampled_from([5, 20, 2560]),
    st.sets(st.integers(0, 5_000), min_size=1, max_size=240),
    st.lists(st.tuples(st.sampled_from(sorted(COLOURS)), st.integers(1, 100_000)), min_size=1, max_size=240),
)


@given(paces)
def test_a_chart_holds_all_of_it_within_its_frame(pace: Pace) -> None:
    figure = ElementTree.fromstring(pace_chart(pace))
    svg, table = figure.find(f"{SVG}svg"), figure.find("details/table")
    assert svg is not None
    assert table is not None
    assert not [element for element in figure.iter() if "style" in element.attrib]

    bars = svg.findall(f"{SVG}g[@class='columns']//{SVG}rect")
    for bar in bars:
        left, top = float(bar.attrib["x"]), float(bar.attrib["y"])
        assert 58 <= left <= left + float(bar.attrib["width"]) <= 752.1
        assert 33.5 <= top <= top + float(bar.attrib["height"]) <= 232.5
    rows = table.findall("tbody/tr")
    assert 1 <= len(rows) <= MAX_COLUMNS
    results = [cell.text or "" for cell in table.findall("thead/tr/th")][1:]
    sums = {
        result: sum(int((row.findall("td")[at].text or "").replace(",", "")) for row in rows)
        for at, result in enumerate(results)
    }
    assert sums == pace.totals()
    named = {f"{number:,} {result}" for result, number in sums.items()}
    description = svg.findtext(f"{SVG}desc") or ""
    assert all(name in description for name in named)


def test_a_long_pause_takes_no_room() -> None:
    counts = {"created": 10}
    pace = Pace(5, (Bucket(NOON, counts), Bucket(NOON + timedelta(days=3), counts)))
    drawn = pace_chart(pace)
    assert "nothing for 2 d 23 h" in drawn
    assert "27 Nov 12:00" in drawn
    assert "30 Nov 12:00" in drawn


def test_a_rate_is_per_minute_whatever_the_width_of_columns() -> None:
    drawn = pace_chart(Pace(5, (Bucket(NOON, {"created": 50}),)))
    assert "600 a minute" in drawn
    assert "Each column is 5 s" in drawn


def test_without_anything_settled_there_is_a_sentence() -> None:
    assert pace_chart(Pace()) == '<p class="pace-empty">No object has been settled yet.</p>'
