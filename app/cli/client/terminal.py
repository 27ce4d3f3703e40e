"""Text that others wrote, on its way to a terminal: it is shown, and commands nothing."""

import unicodedata
from typing import Any, Final

import click

# Controls (Cc: C0, DEL, C1), the marks that reorder what is read or hide in it (Cf), and halves of
# surrogate pairs (Cs), which no terminal's encoding has.
COMMANDING: Final = frozenset({"Cc", "Cf", "Cs"})
# A joiner is part of how Persian, Indic scripts and emoji are written, and reorders nothing.
JOINERS: Final = "\u200c\u200d"
KEPT: Final = frozenset("\t\n" + JOINERS)


def shown(text: str) -> str:
    """The text with every character that could command the terminal written as an escape: `\\x1b`.

    Line feeds, tabs, and the joiners of scripts stay. `\\r\\n` counts as a line feed.
    """
    text = text.replace("\r\n", "\n")
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_shown, text))


def line(text: object) -> str:
    """The same for what belongs on one line: line feeds and tabs are escaped too."""
    return shown(str(text)).replace("\n", "\\n").replace("\t", "\\t")


def echo(text: Any, err: bool = False) -> None:
    """Print a text that may hold what others wrote."""
    click.echo(shown(str(text)), err=err)


def _shown(character: str) -> str:
    if character in KEPT or unicodedata.category(character) not in COMMANDING:
        return character
    return character.encode("unicode_escape", "surrogatepass").decode()
