"""Variables that look like a typing error of one of ours: they would count for nothing, unseen."""

from collections.abc import Collection, Iterator
from difflib import get_close_matches
from typing import Final

import structlog

from config.settings import Settings

# Read elsewhere than in the settings: by the Procfile, the servers and the commands.
BESIDE_SETTINGS: Final = frozenset({"BIND", "FLOWER_ADDRESS", "TRIMIND_HOME"})
# How alike two names are of which one letter is wrong, missing or too many, or two have changed
# places (difflib's ratio); names of other programs, as REDIS_TLS_URL, are less so.
ALIKE: Final = 0.91

log = structlog.get_logger(__name__)


def warn_of_misspelled(names: Collection[str]) -> None:
    """Log a warning for each name of an environment that is probably one of ours."""
    for name, meant in misspelled(names):
        log.warning("unknown variable", variable=name, did_you_mean=meant)


def misspelled(names: Collection[str]) -> Iterator[tuple[str, str]]:
    """The names that are none of ours but nearly, each with the one that was probably meant."""
    ours = {field.upper() for field in Settings.model_fields}
    known = ours | BESIDE_SETTINGS
    for name in names:
        if name in known or name.upper() in ours:  # the settings take any case
            continue
        if found := get_close_matches(name.upper(), known, 1, ALIKE):
            yield name, found[0]
