"""The figures that the benchmarks print, as JSON and as Markdown.

A benchmark prints a figure as a name, two spaces at least, a number, and maybe a unit. It belongs
to the last line before it that begins a group: one that is not indented and is no figure. Lines of
a Markdown table stay as they are.
"""

import re
from dataclasses import dataclass

_FIGURE = re.compile(r"\s*(?P<name>\S.*?)\s{2,}(?P<value>-?\d+(?:\.\d+)?)(?: (?P<unit>\S.*))?")


@dataclass(frozen=True)
class Figure:
    """One figure of a benchmark; its group may be empty."""

    group: str
    name: str
    value: float
    unit: str


@dataclass(frozen=True)
class Result:
    """What one benchmark gave."""

    name: str
    measures: str
    exit_code: int
    seconds: float
    lines: tuple[str, ...]

    @property
    def figures(self) -> list[Figure]:
        """The figures among its lines."""
        found, group = [], ""
        for line in self.lines:
            if match := _FIGURE.fullmatch(line):
                value, unit = float(match["value"]), match["unit"] or ""
                found.append(Figure(group, match["name"], value, unit))
            elif line[:1].strip(" |"):
                group = line.strip()
        return found


def as_json(results: list[Result]) -> dict[str, object]:
    """The results by the benchmarks' names."""
    return {
        result.name: {
            "measures": result.measures,
            "exit_code": result.exit_code,
            "seconds": round(result.seconds, 1),
            "figures": [vars(figure) for figure in result.figures],
            "tables": _tables(result),
        }
        for result in results
    }


def as_markdown(machine: str, results: list[Result]) -> str:
    """A section for each benchmark."""
    parts = [f"Measured on {machine}. Compare ratios rather than times.", ""]
    for result in results:
        parts += [f"## {result.name}", "", f"{result.measures}.", ""]
        if result.exit_code:
            parts += [f"It failed: {' '.join(result.lines[-1:])}", ""]
        if rows := [_row(figure) for figure in result.figures]:
            parts += ["| of | figure | value |", "| --- | --- | --- |", *rows, ""]
        if tables := _tables(result):
            parts += [*tables, ""]
    return "\n".join(parts)


def _row(figure: Figure) -> str:
    value = f"{figure.value:g} {figure.unit}".strip()
    return f"| {figure.group} | {figure.name} | {value} |"


def _tables(result: Result) -> list[str]:
    return [line for line in result.lines if line.startswith("|")]
