"""Times in questions, read as a person on Wednesday, 20 March 2024, 15:00 in Berlin means them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memori.text.dates import MAX_PERIODS, find_periods

ZONE = timezone(timedelta(hours=1))
NOW = datetime(2024, 3, 20, 15, tzinfo=ZONE)


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("What happened on 24.01.2024?", "2024-01-24", "2024-01-25"),
        ("on 1/24/2024", "2024-01-24", "2024-01-25"),
        ("on 24/1/24", "2024-01-24", "2024-01-25"),
        ("2023-05-07 was it", "2023-05-07", "2023-05-08"),
        ("during 2023-05", "2023-05-01", "2023-06-01"),
        ("on the 7th of May, 2023", "2023-05-07", "2023-05-08"),
        ("May 7, 2023", "2023-05-07", "2023-05-08"),
        ("on December 24", "2023-12-24", "2023-12-25"),
        ("in May", "2023-05-01", "2023-06-01"),
        ("in March", "2024-03-01", "2024-04-01"),
        ("December 2023", "2023-12-01", "2024-01-01"),
        ("in 2023", "2023-01-01", "2024-01-01"),
        ("summer 2022", "2022-06-01", "2022-09-01"),
        ("last summer", "2023-06-01", "2023-09-01"),
        ("last winter", "2023-12-01", "2024-03-01"),
        ("yesterday", "2024-03-19", "2024-03-20"),
        ("the day before yesterday", "2024-03-18", "2024-03-19"),
        ("tonight", "2024-03-20", "2024-03-21"),
        ("last Friday", "2024-03-15", "2024-03-16"),
        ("on Friday", "2024-03-15", "2024-03-16"),
        ("last Wednesday", "2024-03-13", "2024-03-14"),
        ("on Wednesday", "2024-03-20", "2024-03-21"),
        ("next Friday", "2024-03-22", "2024-03-23"),
        ("last week", "2024-03-11", "2024-03-18"),
        ("this week", "2024-03-18", "2024-03-25"),
        ("last weekend", "2024-03-16", "2024-03-18"),
        ("last month", "2024-02-01", "2024-03-01"),
        ("last year", "2023-01-01", "2024-01-01"),
        ("last November", "2023-11-01", "2023-12-01"),
        ("next May", "2024-05-01", "2024-06-01"),
        ("two weeks ago", "2024-03-04", "2024-03-11"),
        ("3 days ago", "2024-03-17", "2024-03-18"),
        ("a couple of months ago", "2024-01-01", "2024-02-01"),
        ("a year ago", "2023-01-01", "2024-01-01"),
        ("in the past three days", "2024-03-18", "2024-03-21"),
        ("2023\u5e745\u67087\u65e5", "2023-05-07", "2023-05-08"),
        ("2023\u5e745\u6708", "2023-05-01", "2023-06-01"),
        ("\u6628\u5929\u5462", "2024-03-19", "2024-03-20"),
        ("\u53bb\u5e74", "2023-01-01", "2024-01-01"),
    ],
)
def test_a_time_in_a_question_is_read_as_a_range(text: str, start: str, end: str) -> None:
    (period,) = find_periods(text, NOW)
    assert (period.start, period.end) == (
        datetime.fromisoformat(start).replace(tzinfo=ZONE),
        datetime.fromisoformat(end).replace(tzinfo=ZONE),
    )
    assert period.words in text


@pytest.mark.parametrize(
    "text",
    ["I may march on", "What does Ann like?", "99999 years ago", "32.13.24", "call 555-20231"],
)
def test_what_is_no_time_is_not_read_as_one(text: str) -> None:
    assert find_periods(text, NOW) == ()


def test_several_times_come_in_the_order_they_stand() -> None:
    found = find_periods("between last Friday and May 2023, or yesterday", NOW)
    assert [p.words for p in found] == ["last Friday", "May 2023", "yesterday"]


def test_an_instant_is_held_in_its_own_zone() -> None:
    (period,) = find_periods("yesterday", NOW)
    assert period.holds(datetime(2024, 3, 18, 23, 30, tzinfo=UTC))
    assert not period.holds(datetime(2024, 3, 19, 23, 30, tzinfo=UTC))


@given(st.text(), st.datetimes(min_value=datetime(1, 1, 1), timezones=st.just(ZONE)))
def test_any_text_at_any_time_gives_ordered_ranges(text: str, now: datetime) -> None:
    assert all(p.start < p.end for p in find_periods(text, now))


@given(
    st.lists(
        st.sampled_from(["last", "next", "week", "may", "2023", "9999", "0001-01-01", "31",
                         "ago", "a", "summer", "friday", "99", "days", "in", "of", "1.1.1"]),
        max_size=40,
    ).map(" ".join)
)  # fmt: skip
def test_pieces_of_dates_in_any_order_never_fail(text: str) -> None:
    for now in (NOW, NOW.replace(year=1, month=1, day=1), NOW.replace(year=9999, month=12)):
        assert len(find_periods(text, now)) <= MAX_PERIODS
