"""Recall against rank as an SVG picture, written by hand: no package is needed to draw a line.

SVG and not PNG: every browser and editor shows it, it is sharp at any size, and a PNG would ask
for a plotting package of 60 MB.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from memori.evaluate.evaluation import DEEPEST, Evaluation, Share
from memori.model import Kind

_TITLE = "Share of what was asked for that came back"
_WIDTH, _HEIGHT = 640, 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 24, 56, 56
#: Told apart by people who see few colours, too (Okabe and Ito 2008); one is dashed besides.
_STYLES: dict[Kind, tuple[str, str]] = {"memory": ("#0072b2", ""), "turn": ("#d55e00", "7 4")}
_NAMES: dict[Kind, str] = {"memory": "memories", "turn": "turns"}
_LABEL_GAP = 16


@dataclass(frozen=True, slots=True)
class _Line:
    kind: Kind
    points: tuple[Share, ...]


def draw(evaluation: Evaluation) -> str:
    """The picture: of the items asked for, the share found among the first k hits.

    The band around a line is one standard error to each side.
    """
    lines = [
        _Line(kind, tuple(evaluation.found(k, kind) for k in range(1, DEEPEST + 1)))
        for kind in _STYLES
        if evaluation.found(1, kind).asked
    ]
    parts = [*_frame(), *(_draw_line(line) for line in lines), *_labels(lines)]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}" '
        f'viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" font-size="13" fill="#222">\n'
        f"<title>{_TITLE}</title>\n" + "\n".join(parts) + "\n</svg>\n"
    )


def _frame() -> list[str]:
    """Paper, title, axes with their grid and what they mean."""
    parts = [
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>',
        f'<text x="{_LEFT}" y="28" font-size="16" font-weight="bold">{_TITLE}</text>',
    ]
    for percent in range(0, 101, 20):
        y = _y(percent / 100)
        parts.append(
            f'<line x1="{_LEFT}" y1="{y}" x2="{_WIDTH - _RIGHT}" y2="{y}" stroke="#ddd"/>'
            f'<text x="{_LEFT - 8}" y="{y + 4}" text-anchor="end">{percent} %</text>'
        )
    for k in (1, *range(5, DEEPEST + 1, 5)):
        parts.append(
            f'<line x1="{_x(k)}" y1="{_y(0)}" x2="{_x(k)}" y2="{_y(0) + 5}" stroke="#222"/>'
            f'<text x="{_x(k)}" y="{_y(0) + 20}" text-anchor="middle">{k}</text>'
        )
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    parts.append(
        f'<line x1="{_LEFT}" y1="{_y(0)}" x2="{_WIDTH - _RIGHT}" y2="{_y(0)}" stroke="#222"/>'
        f'<text x="{middle}" y="{_HEIGHT - 12}" text-anchor="middle">among the first k hits</text>'
    )
    return parts


def _draw_line(line: _Line) -> str:
    colour, dashes = _STYLES[line.kind]
    above = [(_x(p.within), _y(min(1.0, p.share + p.error))) for p in line.points]
    below = [(_x(p.within), _y(max(0.0, p.share - p.error))) for p in reversed(line.points)]
    middle = [(_x(p.within), _y(p.share)) for p in line.points]
    return (
        f'<polygon points="{_path([*above, *below])}" fill="{colour}" fill-opacity="0.15"/>'
        f'<polyline points="{_path(middle)}" fill="none" stroke="{colour}" stroke-width="2.5" '
        f'stroke-dasharray="{dashes}"/>'
    )


def _labels(lines: Sequence[_Line]) -> list[str]:
    """A legend in the corner that lines reach last: below, to the right."""
    parts: list[str] = []
    for number, line in enumerate(lines):
        colour, dashes = _STYLES[line.kind]
        y = _y(0.04) - _LABEL_GAP * 1.4 * (len(lines) - 1 - number)
        x = _WIDTH - _RIGHT - 190
        asked = escape(f"{line.points[0].asked:,} {_NAMES[line.kind]}")
        parts.append(
            f'<line x1="{x}" y1="{y - 4}" x2="{x + 34}" y2="{y - 4}" stroke="{colour}" '
            f'stroke-width="2.5" stroke-dasharray="{dashes}"/>'
            f'<text x="{x + 42}" y="{y}">{asked}</text>'
        )
    return parts


def _path(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _x(k: int) -> float:
    return _LEFT + (k - 1) / (DEEPEST - 1) * (_WIDTH - _LEFT - _RIGHT)


def _y(share: float) -> float:
    return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)
