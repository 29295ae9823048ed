"""Lines over numbers as an SVG file, without a library: `chart(...)` -> text. For `bench/results/*.svg`.

In: named series of (x, y), each in the order of x. Out: axes from zero with round marks, a line with dots and a label
at its end for each series.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from math import floor, log10

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 640, 360, 56, 48, 40, 130
COLOURS = ("#0b6e99", "#c0392b", "#7f8c8d", "#27ae60", "#8e44ad", "#d68910")
Series = Mapping[str, Sequence[tuple[float, float]]]


def chart(title: str, series: Series, *, x: str, y: str) -> str:
    """The whole file."""
    points = [p for line in series.values() for p in line]
    ends = marks(max(p[0] for p in points)), marks(max(p[1] for p in points))

    def at(point: tuple[float, float]) -> tuple[float, float]:
        across = point[0] / ends[0][-1] * (WIDTH - LEFT - RIGHT)
        up = point[1] / ends[1][-1] * (HEIGHT - BOTTOM - TOP)
        return LEFT + across, HEIGHT - BOTTOM - up

    parts = [text(WIDTH / 2, 20, title, "middle"), text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, x, "middle")]
    parts.append(text(LEFT, TOP - 8, y, "middle"))
    parts += [text(at((mark, 0))[0], HEIGHT - BOTTOM + 16, f"{mark:g}", "middle") for mark in ends[0]]
    for mark in ends[1]:
        level = at((0, mark))[1]
        parts.append(f'<path d="M{LEFT},{level:.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>')
        parts.append(text(LEFT - 6, level + 4, f"{mark:g}", "end"))
    for (name, line), colour in zip(series.items(), cycle(COLOURS)):
        path = "L".join(f"{a:.1f},{b:.1f}" for a, b in map(at, line))
        parts.append(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{colour}"/>' for a, b in map(at, line)]
        a, b = at(line[-1])
        parts.append(text(a + 8, b + 4, name, "start", colour))
    style = 'font-family="sans-serif" font-size="12"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" {style}>'
    return "\n".join([head, f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>', *parts, "</svg>"]) + "\n"


def text(x: float, y: float, words: str, anchor: str, colour: str = "#222") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{words}</text>'


def marks(largest: float) -> list[float]:
    """Zero, and four to eight round numbers up to the first that is not smaller than the largest value."""
    rough = max(largest, 1e-9) / 5
    power = 10.0 ** floor(log10(rough))
    step = next(s * power for s in (1, 2, 2.5, 5, 10) if s * power >= rough)
    found = [0.0]
    while found[-1] < largest:
        found.append(found[-1] + step)
    return found
