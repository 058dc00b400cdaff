"""The tables that `benchmarks.recall` prints: per cent, each figure with its standard error."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.ablation import SHOWN, Worth
from benchmarks.abstention import Abstention, all_together, share_error
from benchmarks.answers import Group
from benchmarks.measures import MEASURES, SESSION_DEPTH
from benchmarks.report import table

#: Foreign questions to be answered with nothing, own ones to be answered, at least; per cent.
FOREIGN_LEFT, OWN_ANSWERED = 90.0, 95.0


def with_error(mean: float, error: float) -> str:
    """A share and its standard error, both per cent."""
    return f"{mean * 100:.1f} ±{error * 100:.1f}"


def render_turns(groups: Sequence[Group], limit: int) -> str:
    """How well turns are found."""
    names = [m.name for m in MEASURES if not m.by_session and m.depth <= limit]
    header = ["file / category", "method", "questions", *names, "p50 ms"]
    rows = [[*_title(g), *_figures(g, names), f"{g.milliseconds:.2f}"] for g in groups]
    return table(header, rows, labels=2)


def render_sessions(groups: Sequence[Group], limit: int) -> str | None:
    """How well sessions are found, where enough hits were asked for; None where nowhere."""
    names = [m.name for m in MEASURES if m.by_session]
    deep = [g for g in groups if limit >= SESSION_DEPTH or set(names) <= set(g.summary.means)]
    if not deep:
        return None
    header = ["file / category", "method", "questions", *names]
    return table(header, [[*_title(g), *_figures(g, names)] for g in deep], labels=2)


def _title(group: Group) -> list[str]:
    name = group.file if group.category is None else f"  {group.category}"
    return [name, group.method, str(group.summary.questions)]


def _figures(group: Group, names: Sequence[str]) -> list[str]:
    return [with_error(group.summary.means[name], group.summary.errors[name]) for name in names]


def render_ablation(found: Sequence[Worth]) -> str:
    """What each signal adds, a column a file and measure; points of 100."""
    files = list(dict.fromkeys(w.file for w in found))
    columns = [(file, measure) for file in files for measure in SHOWN]
    by_place = {(w.method, w.file, w.measure): w for w in found}
    header = ["signal worth", *(f"{file} {measure}" for file, measure in columns)]
    rows: list[list[str]] = []
    for method in dict.fromkeys(w.method for w in found):
        cells: list[str] = []
        for file, measure in columns:
            w = by_place.get((method, file, measure))
            cells.append("" if w is None else f"{w.mean * 100:+.1f} ±{w.error * 100:.1f}")
        rows.append([method.removeprefix("without "), *cells])
    return table(header, rows)


def render_abstention(found: Sequence[Abstention]) -> str:
    """Whether recall knows when it has nothing."""
    header = ["abstention", "method", "questions"]
    header += ["own answered", "at least", "foreign left", "at least"]
    rows: list[list[str]] = []
    for name in dict.fromkeys(a.method for a in found):
        of_method = [a for a in found if a.method == name]
        for a in (*of_method, all_together(of_method)) if len(of_method) > 1 else of_method:
            own = with_error(a.own_answered, share_error(a.own_answered, a.questions))
            left = a.foreign_left
            foreign = "-" if left is None else with_error(left, share_error(left, a.questions))
            row = [a.file, a.method, str(a.questions)]
            rows.append([*row, own, f"{OWN_ANSWERED:.0f}", foreign, f"{FOREIGN_LEFT:.0f}"])
    return table(header, rows, labels=2)
