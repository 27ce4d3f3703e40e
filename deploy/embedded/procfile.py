"""The Procfile: the processes, and the command of each."""

import re
import shlex
from pathlib import Path

from deploy.embedded.errors import ProcfileError

_LINE = re.compile(r"(?P<name>[A-Za-z0-9_-]+):\s*(?P<command>\S.*)")
_OPERATORS = ";&|"
_EXEC = re.compile(r"^\s*exec\s+")


def read_procfile(path: Path) -> dict[str, str]:
    """The commands by name, in the file's order.

    Raises:
        ProcfileError: the file is missing, or a line of it is invalid.
    """
    try:
        text = path.read_text()
    except OSError as error:
        raise ProcfileError(f"{path}: {error.strerror}") from error
    return parse_procfile(text, str(path))


def parse_procfile(text: str, source: str = "Procfile") -> dict[str, str]:
    """The commands by name; blank lines and comments (#) are ignored.

    Raises:
        ProcfileError: a line is invalid, a name is repeated, or there is no process.
    """
    commands: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None:
            raise ProcfileError(f"{source}, line {number}: not `name: command`: {line.strip()!r}")
        if match["name"] in commands:
            raise ProcfileError(f"{source}, line {number}: {match['name']} is repeated")
        commands[match["name"]] = match["command"]
    if not commands:
        raise ProcfileError(f"{source}: has no process")
    return commands


def shell_command(command: str) -> tuple[str, ...]:
    """The argument list that runs a Procfile command; the shell expands variables.

    The command replaces the shell, so that the stop signal reaches it. With `&&`, `|` or `;`
    the shell has to stay: such a command is killed rather than stopped.
    """
    if _is_simple(command):
        # `env` accepts leading assignments, which a bare `exec` does not.
        return ("/bin/sh", "-c", f"exec env {without_exec(command)}")
    return ("/bin/sh", "-c", command)


def without_exec(command: str) -> str:
    """The command without a leading `exec`, which is a shell builtin rather than a program."""
    return _EXEC.sub("", command)


def _is_simple(command: str) -> bool:
    try:
        words = list(shlex.shlex(command, posix=True, punctuation_chars=_OPERATORS))
    except ValueError as error:
        raise ProcfileError(f"cannot read the command {command!r}: {error}") from error
    return not any(word and set(word) <= set(_OPERATORS) for word in words)
