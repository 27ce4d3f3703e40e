"""Installed distributions that a test makes up, with metadata as real ones have it."""

from pathlib import Path


def install(folder: Path, name: str, *lines: str, version: str = "1.0") -> None:
    """Install a distribution into a folder, as far as its metadata goes."""
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir()
    head = ("Metadata-Version: 2.4", f"Name: {name}", f"Version: {version}")
    (info / "METADATA").write_text("\n".join([*head, *lines, "", "What it does.\n"]))
