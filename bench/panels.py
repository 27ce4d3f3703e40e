"""Draws the panels of a dashboard, with the series of their queries, as a page of SVG."""

import html
import math
import re
from collections.abc import Iterable
from typing import Any

WIDTH, HEIGHT, LEFT, TOP = 440, 190, 52, 8
PLOT_WIDTH, PLOT_HEIGHT = WIDTH - LEFT - 10, HEIGHT - TOP - 22
COLORS = (
    "#5794f2", "#ff9830", "#73bf69", "#f2495c", "#b877d9", "#fade2a", "#37872d", "#8ab8ff",
    "#e0b400", "#c4162a", "#a352cc", "#96d98d",
)  # fmt: skip
MOST_LEGENDS = 8
STYLE = """
body { background: #111217; color: #ccccdc; font: 12px sans-serif; margin: 12px; width: 1372px; }
h2 { font-size: 15px; margin: 14px 4px 6px; }
.panels { display: grid; grid-template-columns: repeat(3, 1fr); gap: 8px; }
.panel { background: #181b1f; border: 1px solid #2a2d34; border-radius: 3px; padding: 6px; }
h3 { font-size: 12px; margin: 2px 4px 4px; } p { margin: 2px 4px; min-height: 28px; }
i { display: inline-block; width: 10px; height: 3px; margin: 0 4px 3px 8px; }
text { fill: #9a9aa8; font-size: 10px; }
"""
UNITS = {"s": "s", "ops": "/s", "percentunit": "", "currencyUSD": " $", "short": ""}

Line = tuple[str, list[tuple[float, float]]]


def page_of(panels: Iterable[dict[str, Any]]) -> str:
    """The page of a dashboard's panels, row by row."""
    parts = [f"<style>{STYLE}</style><h1>Trimind</h1>"]
    opened = False
    for panel in panels:
        if panel["type"] == "row":
            end = "</div>" if opened else ""
            parts.append(f'{end}<h2>{html.escape(panel["title"])}</h2><div class="panels">')
            opened = True
        else:
            parts.append(_panel(panel))
    return "".join([*parts, "</div>"])


def _panel(panel: dict[str, Any]) -> str:
    lines = [line for target in panel["targets"] for line in _lines(target)]
    unit = panel["fieldConfig"]["defaults"]["unit"]
    legends = "".join(
        f'<i style="background:{_color(at)}"></i>{html.escape(name)}'
        for at, (name, _) in enumerate(lines[:MOST_LEGENDS])
    )
    title = html.escape(panel["title"])
    return f'<div class="panel"><h3>{title}</h3>{_plot(lines, unit)}<p>{legends}</p></div>'


def _lines(target: dict[str, Any]) -> Iterable[Line]:
    for series in target["series"]:
        labels = series["metric"]
        name = re.sub(
            r"\{\{(\w+)\}\}",
            lambda found, labels=labels: labels.get(found[1], ""),  # type: ignore[misc]
            target["legendFormat"],
        )
        points = [(at, float(value)) for at, value in series["values"]]
        yield name.strip(), [(at, value) for at, value in points if math.isfinite(value)]


def _plot(lines: list[Line], unit: str) -> str:
    points = [point for _, line in lines for point in line]
    if not points:
        return f'<svg width="{WIDTH}" height="{HEIGHT}"><text x="190" y="95">no data</text></svg>'
    began, ended = min(at for at, _ in points), max(at for at, _ in points)
    most = max(value for _, value in points) or 1
    parts = [f'<svg width="{WIDTH}" height="{HEIGHT}">']
    for part in (0, 0.5, 1):
        y = TOP + PLOT_HEIGHT * (1 - part)
        parts.append(f'<path d="M{LEFT} {y}H{WIDTH - 10}" stroke="#2a2d34"/>')
        parts.append(f'<text x="4" y="{y + 4}">{_shown(most * part, unit)}</text>')
    for second in range(0, int(ended - began) + 1, 30):
        x = LEFT + PLOT_WIDTH * second / max(1, ended - began)
        parts.append(f'<text x="{x}" y="{HEIGHT - 6}">{second} s</text>')
    for at, (_, line) in enumerate(lines):
        drawn = " ".join(
            f"{LEFT + PLOT_WIDTH * (when - began) / max(1, ended - began):.1f},"
            f"{TOP + PLOT_HEIGHT * (1 - value / most):.1f}"
            for when, value in line
        )
        parts.append(f'<polyline points="{drawn}" fill="none" stroke="{_color(at)}"/>')
    return "".join([*parts, "</svg>"])


def _color(number: int) -> str:
    return COLORS[number % len(COLORS)]


def _shown(value: float, unit: str) -> str:
    if unit == "percentunit":
        return f"{value:.0%}"
    return f"{value:.3g}{UNITS[unit]}"
