"""Untrusted text, escaped so that it can't control the terminal."""

import unicodedata
from typing import Any, Final

import click

# Control characters (Cc: C0, DEL, C1), invisible and reordering marks (Cf), and lone surrogates
# (Cs), which no terminal's encoding has.
COMMANDING: Final = frozenset({"Cc", "Cf", "Cs"})
# Persian, Indic scripts and emoji need joiners, which reorder nothing.
JOINERS: Final = "\u200c\u200d"
KEPT: Final = frozenset("\t\n" + JOINERS)


def shown(text: str) -> str:
    """Escape every character that could control the terminal, as `\\x1b`.

    Line feeds, tabs and joiners are kept. `\\r\\n` counts as a line feed.
    """
    text = text.replace("\r\n", "\n")
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_shown, text))


def line(text: object) -> str:
    """Like `shown`, but on one line: line feeds and tabs are escaped too."""
    return shown(str(text)).replace("\n", "\\n").replace("\t", "\\t")


def echo(text: Any, err: bool = False) -> None:
    """Print untrusted text."""
    click.echo(shown(str(text)), err=err)


def _shown(character: str) -> str:
    if character in KEPT or unicodedata.category(character) not in COMMANDING:
        return character
    return character.encode("unicode_escape", "surrogatepass").decode()
