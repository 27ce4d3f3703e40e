"""The location of the data folder: embedded servers, demo key and model weights."""

import os
import pwd
from collections.abc import Mapping
from pathlib import Path

from config.environ import variable


def data_home(environ: Mapping[str, str]) -> Path:
    """The absolute path of Trimind's data folder; creates nothing.

    `TRIMIND_HOME` if set; else /var/lib/trimind as root; else `$XDG_DATA_HOME/trimind`, which is
    ~/.local/share/trimind by default.
    """
    if chosen := variable("TRIMIND_HOME", environ):
        return Path(os.path.abspath(_expand(chosen)))
    if os.geteuid() == 0:
        return Path("/var/lib/trimind")
    base = variable("XDG_DATA_HOME", environ) or _expand("~/.local/share")
    return Path(os.path.abspath(base)) / "trimind"


def _expand(path: str) -> Path:
    """Expand `~` to HOME or, if HOME is blank, to the user's home in the system's database."""
    if path.startswith("~/") and variable("HOME") is None:
        return Path(pwd.getpwuid(os.geteuid()).pw_dir, path.removeprefix("~/"))
    return Path(path).expanduser()
