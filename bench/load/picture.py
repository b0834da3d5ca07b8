"""A picture of how something grows: lines in an SVG that follows the reader's light or dark."""

from collections.abc import Mapping, Sequence
from html import escape
from math import isfinite, log10

WIDTH, HEIGHT = 720, 400
LEFT, RIGHT, TOP, BOTTOM = 64, 190, 48, 48
STYLE = """<style>
text { font: 13px system-ui, sans-serif; fill: #333 } .title { font-size: 16px; font-weight: 600 }
.grid { stroke: #8886; stroke-width: 1 } .line { fill: none; stroke-width: 2.5; stroke-linejoin: round }
.c0 { stroke: #0a66c2 } .c1 { stroke: #0a66c2; stroke-dasharray: 6 4 }
.c2 { stroke: #c2570a } .c3 { stroke: #c2570a; stroke-dasharray: 6 4 }
@media (prefers-color-scheme: dark) {
  text { fill: #ddd } .c0, .c1 { stroke: #6cb2ff } .c2, .c3 { stroke: #ffab66 }
}
</style>"""

Curve = Mapping[int, float]


def lines(title: str, across: str, up: str, curves: Mapping[str, Curve]) -> str:
    """Up the side goes a scale by powers of ten, from 1; along the bottom all that was measured, evenly."""
    places = sorted({x for curve in curves.values() for x in curve})
    heights = [y for curve in curves.values() for y in curve.values() if isfinite(y)]
    powers = range(len(str(int(max(heights, default=1)))) + 1)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        f"<title>{escape(title)}</title>{STYLE}",
        f'<text class="title" x="{LEFT}" y="24">{escape(title)}</text>',
        *(_level(10**power, powers[-1]) for power in powers),
        *(_text(_across(places, x), HEIGHT - 26, "middle", f"{x}") for x in places),
        _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, "middle", across),
        _text(LEFT - 10, TOP - 10, "end", up),
        *(_curve(number, curve, places, powers[-1]) for number, curve in enumerate(curves.values())),
        *(_legend(number, name) for number, name in enumerate(curves)),
        "</svg>\n",
    ]
    return "\n".join(parts)


def _across(places: Sequence[int], x: int) -> float:
    return LEFT + 20 + (WIDTH - LEFT - RIGHT - 40) * places.index(x) / max(len(places) - 1, 1)


def _up(y: float, most: int) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * log10(max(y, 1)) / most


def _level(y: int, most: int) -> str:
    at = _up(y, most)
    line = f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>'
    return line + _text(LEFT - 10, at + 4, "end", f"{y:,}")


def _curve(number: int, curve: Curve, places: Sequence[int], most: int) -> str:
    points = " ".join(f"{_across(places, x):.1f},{_up(y, most):.1f}" for x, y in sorted(curve.items()) if isfinite(y))
    return f'<polyline class="line c{number}" points="{points}"/>'


def _legend(number: int, name: str) -> str:
    x, y = WIDTH - RIGHT + 14, TOP + 24 * number
    line = f'<line class="line c{number}" x1="{x}" x2="{x + 30}" y1="{y}" y2="{y}"/>'
    return line + _text(x + 38, y + 4, "start", name)


def _text(x: float, y: float, anchor: str, words: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'
