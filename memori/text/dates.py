"""The times a question names, as ranges: "in May", "last Friday", "two weeks ago", "2023年5月".

A time without a year is the latest one that has begun: asked in March, "in May" is May of the
year before, and "on Friday" the Friday gone by. What is read here only ever ranks, so a reading
that is wrong for once costs little; there is no attempt at every phrase of the language.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

#: The months by name, January first.
MONTHS = tuple(
    """
    january february march april may june july august september october november december
    """.split()
)

#: Only this many characters of a text are searched for times, and this many times are read.
MAX_CHARS = 4_000
MAX_PERIODS = 8

_DAY_NAMES = "monday tuesday wednesday thursday friday saturday sunday".split()


def _numbered(names: Sequence[str], first: int, **more: int) -> dict[str, int]:
    """Each name and its first three letters to its number, counted from `first`."""
    short = {name[:3]: number for number, name in enumerate(names, first)}
    return short | {name: number for number, name in enumerate(names, first)} | more


_MONTHS = _numbered(MONTHS, 1, sept=9)
_WEEKDAYS = _numbered(_DAY_NAMES, 0, tues=1, thur=3, thurs=3)
_SEASONS = {"spring": 3, "summer": 6, "autumn": 9, "fall": 9, "winter": 12}
_NUMBERS = {
    word: number
    for number, word in enumerate(
        [
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
        ],
        1,
    )
} | {"a": 1, "an": 1, "couple": 2, "few": 3, "several": 4}
_STEPS = {"last": -1, "past": -1, "previous": -1, "this": 0, "current": 0, "next": 1, "coming": 1}
_DAYS_AWAY = {
    "the day before yesterday": -2, "yesterday": -1, "today": 0, "tonight": 0, "this morning": 0,
    "this afternoon": 0, "this evening": 0, "last night": -1, "tomorrow": 1,
    "the day after tomorrow": 2, "前天": -2, "昨天": -1, "昨日": -1, "昨晚": -1, "今天": 0,
    "今日": 0, "明天": 1, "明日": 1, "어제": -1, "오늘": 0, "내일": 1,
}  # fmt: skip
_EASTERN_SPANS = {
    "上周": ("week", -1), "上个星期": ("week", -1), "先週": ("week", -1), "지난주": ("week", -1),
    "这周": ("week", 0), "今週": ("week", 0), "上个月": ("month", -1), "先月": ("month", -1),
    "지난달": ("month", -1), "这个月": ("month", 0), "今月": ("month", 0), "去年": ("year", -1),
    "昨年": ("year", -1), "작년": ("year", -1), "今年": ("year", 0), "올해": ("year", 0),
}  # fmt: skip


#: Words without one of which a text names no day, week or month, as the analyser's splitter
#: yields them: to pass over most texts quickly.
TIME_HINTS: frozenset[str] = frozenset(
    {
        *_MONTHS,
        *_DAY_NAMES,
        *map(str, range(1900, 2100)),
        *"ago yesterday today tonight tomorrow morning afternoon evening last next".split(),
        "\u6708",
        *(words[:2] for words in (*_DAYS_AWAY, *_EASTERN_SPANS) if not words.isascii()),
    }
)
# As verbs these are common; as months they have a capital.
_CAPITALISED = frozenset({"may", "mar", "march"})
# How much around a hint can belong to the time it is part of, and how many hints are looked at.
_BEFORE, _AFTER = 28, 20
_MOST_PASSAGES = 12


@dataclass(frozen=True, slots=True)
class Period:
    """A stretch of time from `start` until just before `end`, and the `words` that named it."""

    start: datetime
    end: datetime
    words: str

    @property
    def days(self) -> int:
        """How many days it lasts."""
        return (self.end - self.start).days

    def holds(self, at: datetime) -> bool:
        """Whether the instant `at` (timezone-aware) lies in it."""
        return self.start <= at < self.end

    def distance(self, at: datetime) -> timedelta:
        """How far the instant `at` (timezone-aware) lies outside; nothing when inside."""
        return max(self.start - at, at - self.end, timedelta())


def find_periods(text: str, now: datetime) -> tuple[Period, ...]:
    """The times named in a text, in the order they stand.

    Arguments:
        text: a question, any length; only the first `MAX_CHARS` characters are read.
        now: what "yesterday" and a missing year refer to; timezone-aware, in the asker's zone.

    Returns at most `MAX_PERIODS` periods in the zone of `now`. Impossible dates ("30 February")
    are passed over.
    """
    text = text[:MAX_CHARS]
    if text.isascii() and _NAMES_TIME.isdisjoint(_WORD_OR_DIGIT.findall(text.lower())):
        return ()
    found: list[tuple[int, int, Period]] = []
    for pattern, read in _READERS:
        for match in pattern.finditer(text):
            begin, end = match.span()
            if any(begin < other_end and other < end for other, other_end, _ in found):
                continue
            try:
                period = read(match, now)
            except (ValueError, OverflowError):
                continue  # no such day, or outside the calendar: not a time after all
            found.append((begin, end, period))
            if len(found) >= MAX_PERIODS:
                return tuple(period for _, _, period in sorted(found, key=lambda f: f[0]))
    return tuple(period for _, _, period in sorted(found, key=lambda f: f[0]))


def passages_of_time(text: str, hints: Iterable[str]) -> str:
    """What stands around the hints in a text, a line for each passage.

    `find_periods` finds the same days there as in the whole text, and sooner.

    Arguments:
        text: any length.
        hints: those of `TIME_HINTS` that are among its words.
    """
    lower = text.casefold()
    spans: list[tuple[int, int]] = []
    for hint in sorted(hints):
        searched, word = (text, hint.title()) if hint in _CAPITALISED else (lower, hint)
        begin = searched.find(word)
        while begin >= 0 and len(spans) < _MOST_PASSAGES:
            spans.append((max(0, begin - _BEFORE), begin + len(word) + _AFTER))
            begin = searched.find(word, begin + len(word))
    passages: list[str] = []
    done = 0
    for begin, end in sorted(spans):
        if begin < done and passages:
            passages[-1] += text[done:end]
        else:
            passages.append(text[begin:end])
        done = max(done, end)
    return "\n".join(passages)


def _midnight(now: datetime) -> datetime:
    return now.replace(hour=0, minute=0, second=0, microsecond=0)


def _days(start: datetime, count: int, words: str) -> Period:
    return Period(start, start + timedelta(days=count), words)


def _month(year: int, month: int, now: datetime, words: str) -> Period:
    start = _midnight(now).replace(year=year, month=month, day=1)
    return _days(start, monthrange(year, month)[1], words)


def _year(year: int, now: datetime, words: str) -> Period:
    start = _midnight(now).replace(year=year, month=1, day=1)
    return Period(start, start.replace(year=year + 1), words)


def _day(year: int, month: int, day: int, now: datetime, words: str) -> Period:
    return _days(_midnight(now).replace(year=year, month=month, day=day), 1, words)


def _span(unit: str, steps: int, now: datetime, words: str) -> Period:
    today = _midnight(now)
    if unit == "week":
        return _days(today + timedelta(days=7 * steps - today.weekday()), 7, words)
    if unit == "weekend":
        return _days(today + timedelta(days=7 * steps + 5 - today.weekday()), 2, words)
    if unit == "year":
        return _year(now.year + steps, now, words)
    months = now.year * 12 + now.month - 1 + steps
    return _month(months // 12, months % 12 + 1, now, words)


def _iso(match: re.Match[str], now: datetime) -> Period:
    year, month = int(match["year"]), int(match["month"])
    if not match["day"]:
        return _month(year, month, now, match[0])
    return _day(year, month, int(match["day"]), now, match[0])


def _digits(match: re.Match[str], now: datetime) -> Period:
    """``24.01.2024`` puts the day first, ``1/24/2024`` the month unless it cannot be one."""
    first, second, year = int(match["a"]), int(match["b"]), int(match["year"])
    year += 2000 if year < 100 else 0
    day_first = match["mark"] == "." or first > 12
    day, month = (first, second) if day_first else (second, first)
    return _day(year, month, day, now, match[0])


def _named(match: re.Match[str], now: datetime) -> Period:
    month = _MONTHS[match["month"].casefold()]
    day = int(match["day"]) if match["day"] else None
    if match["year"]:
        year = int(match["year"])
    else:
        year = now.year - ((month, day or 1) > (now.month, now.day))
    return _day(year, month, day, now, match[0]) if day else _month(year, month, now, match[0])


def _stepped(match: re.Match[str], now: datetime) -> Period:
    unit, steps = match["unit"].casefold(), _STEPS[match["step"].casefold()]
    if unit in ("week", "weekend", "month", "year"):
        return _span(unit, steps, now, match[0])
    if unit in _WEEKDAYS:
        return _weekday(_WEEKDAYS[unit], steps, now, match[0])
    if unit in _SEASONS:
        return _season(_SEASONS[unit], now.year + max(0, steps), now, match[0], steps)
    month = _MONTHS[unit]
    # "last" is the latest one over, "next" the first one to come.
    crossed = month >= now.month if steps < 0 else month <= now.month
    return _month(now.year + (steps if crossed else 0), month, now, match[0])


def _weekday(day: int, steps: int, now: datetime, words: str) -> Period:
    today = _midnight(now)
    back = (today.weekday() - day) % 7
    if steps > 0:
        return _days(today + timedelta(days=7 - back), 1, words)
    return _days(today - timedelta(days=back or (7 if steps else 0)), 1, words)


def _season(month: int, year: int, now: datetime, words: str, steps: int = -1) -> Period:
    """Three months from `month`; without a year the latest one begun (`steps` below 1)."""
    start = _midnight(now).replace(year=year, month=month, day=1)
    if steps < 1 and start > now:
        start = start.replace(year=year - 1)
    months = start.year * 12 + start.month + 2
    return Period(start, start.replace(year=months // 12, month=months % 12 + 1), words)


def _season_of_year(match: re.Match[str], now: datetime) -> Period:
    return _season(_SEASONS[match["season"].casefold()], int(match["year"]), now, match[0], 1)


def _ago(match: re.Match[str], now: datetime) -> Period:
    count = _count(match["count"])
    unit = match["unit"].casefold()
    if unit == "day":
        return _days(_midnight(now) - timedelta(days=count), 1, match[0])
    return _span(unit, -count, now, match[0])


def _latest(match: re.Match[str], now: datetime) -> Period:
    """ "The last three weeks": up to the end of today."""
    unit = match["unit"].casefold()
    days = _count(match["count"]) * {"day": 1, "week": 7, "month": 31, "year": 366}[unit]
    end = _midnight(now) + timedelta(days=1)
    return Period(end - timedelta(days=days), end, match[0])


def _count(word: str) -> int:
    word = word.casefold()
    return int(word) if word.isdecimal() else _NUMBERS[word.removeprefix("a ").split()[0]]


def _day_away(match: re.Match[str], now: datetime) -> Period:
    words = " ".join(match[0].casefold().split())
    return _days(_midnight(now) + timedelta(days=_DAYS_AWAY[words]), 1, match[0])


def _plain_weekday(match: re.Match[str], now: datetime) -> Period:
    return _weekday(_WEEKDAYS[match["day"].casefold()], 0, now, match[0])


def _plain_year(match: re.Match[str], now: datetime) -> Period:
    return _year(int(match["year"]), now, match[0])


def _eastern(match: re.Match[str], now: datetime) -> Period:
    unit, steps = _EASTERN_SPANS[match[0]]
    return _span(unit, steps, now, match[0])


def _any_of(words: dict[str, int]) -> str:
    return "|".join(sorted(words, key=len, reverse=True))


_MONTH = rf"(?P<month>{_any_of(_MONTHS)})\b\.?"
_UNITS = r"(?P<unit>day|week|month|year)"
_COUNT = rf"(?P<count>[0-9]{{1,4}}|(?:a )?(?:couple|few)(?: of)?|{_any_of(_NUMBERS)})"
# Without one of these a text in ASCII names no time, which is quicker to see than by the readers.
_WORD_OR_DIGIT = re.compile("[a-z]+|[0-9]")
_NAMES_TIME = frozenset(
    {
        *_MONTHS,
        *_WEEKDAYS,
        *_SEASONS,
        *_STEPS,
        *"ago yesterday today tonight tomorrow".split(),
        *"0123456789",
    }
)
# Most exact first: what one reader has taken, a later one does not read again.
_READERS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str], datetime], Period]], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), read)
    for pattern, read in (
        (r"\b(?P<year>[0-9]{4})[-/.](?P<month>[0-9]{1,2})[-/.](?P<day>[0-9]{1,2})(?![0-9])", _iso),
        (r"(?P<year>[0-9]{4})年(?P<month>[0-9]{1,2})月(?:(?P<day>[0-9]{1,2})[日号])?", _iso),
        (r"\b(?P<year>[0-9]{4})-(?P<month>[0-9]{2})(?P<day>)?\b(?!-)", _iso),
        (
            r"\b(?P<a>[0-9]{1,2})(?P<mark>[./])(?P<b>[0-9]{1,2})(?P=mark)"
            r"(?P<year>[0-9]{4}|[0-9]{2})\b",
            _digits,
        ),
        (
            rf"\b(?P<day>[0-9]{{1,2}})(?:st|nd|rd|th)?(?: of)? {_MONTH}"
            r"(?:,? (?P<year>(?:19|20)[0-9]{2})\b)?",
            _named,
        ),
        (
            rf"\b{_MONTH} (?P<day>[0-9]{{1,2}})(?:st|nd|rd|th)?\b"
            r"(?:,? (?P<year>(?:19|20)[0-9]{2})\b)?",
            _named,
        ),
        (rf"\b{_MONTH}(?:,| of)? (?P<year>(?:19|20)[0-9]{{2}})\b(?P<day>)", _named),
        (
            rf"\b(?P<season>{_any_of(_SEASONS)})(?: of|,)? (?P<year>(?:19|20)[0-9]{{2}})\b",
            _season_of_year,
        ),
        (rf"\b(?:{_any_of({k: v for k, v in _DAYS_AWAY.items() if k.isascii()})})\b", _day_away),
        ("|".join(k for k in _DAYS_AWAY if not k.isascii()), _day_away),
        ("|".join(_EASTERN_SPANS), _eastern),
        (rf"\b{_COUNT} {_UNITS}s? ago\b", _ago),
        (rf"\b(?:last|past|previous) {_COUNT} {_UNITS}s?\b", _latest),
        (
            rf"\b(?P<step>{_any_of(_STEPS)}) (?P<unit>weekend|week|month|year|"
            rf"{_any_of(_WEEKDAYS)}|{_any_of(_SEASONS)}|{_any_of(_MONTHS)})\b",
            _stepped,
        ),
        (rf"\b(?P<day>{'|'.join(_DAY_NAMES)})\b", _plain_weekday),
        (
            rf"\b(?:in|during|since|by|until|of|for|early|late|mid)[ -]{_MONTH}(?P<day>)(?P<year>)",
            _named,
        ),
        (
            rf"\b(?P<month>{'|'.join(m for m in MONTHS if m not in ('march', 'may'))})\b"
            r"(?P<day>)(?P<year>)",
            _named,
        ),
        (r"\b(?P<year>(?:19|20)[0-9]{2})\b", _plain_year),
    )
)
