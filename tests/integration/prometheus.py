"""The programs of Prometheus, from Debian's package, without root."""

from pathlib import Path

from tests.integration.debian import unpacked


def program(name: str) -> Path:
    """The path of `prometheus` or `promtool`."""
    return unpacked("prometheus", ("prometheus",)) / "usr/bin" / name
