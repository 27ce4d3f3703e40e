"""Where the data folder is: that of the embedded servers, of the demo key and of model weights."""

import os
from collections.abc import Mapping
from pathlib import Path


def data_home(environ: Mapping[str, str]) -> Path:
    """Where Trimind keeps its data, as an absolute path; creates nothing.

    `TRIMIND_HOME` if set; else /var/lib/trimind as root; else `$XDG_DATA_HOME/trimind`, which is
    ~/.local/share/trimind by default.
    """
    if chosen := environ.get("TRIMIND_HOME"):
        return Path(os.path.abspath(Path(chosen).expanduser()))
    if os.geteuid() == 0:
        return Path("/var/lib/trimind")
    base = environ.get("XDG_DATA_HOME") or Path.home() / ".local/share"
    return Path(os.path.abspath(base)) / "trimind"
