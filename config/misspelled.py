"""Variables that look like a misspelled setting, which would otherwise be ignored silently."""

import os
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Final

import structlog

from config.environ import FILES, names_in
from config.settings import Settings

# Not settings: read by the Procfile, the servers, the commands and other programs.
BESIDE_SETTINGS: Final = frozenset(
    {
        "BIND",
        "FLOWER_ADDRESS",
        "FLOWER_MAX_TASKS",
        "FLOWER_URL_PREFIX",
        "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT",
        "TRIMIND_HOME",
    }
)
# The similarity (difflib's ratio) of names that differ by one wrong, missing or extra letter, or by
# two swapped ones; other programs' names, such as REDIS_TLS_URL, are less similar.
ALIKE: Final = 0.91

log = structlog.get_logger(__name__)


def warn_of_misspelled() -> None:
    """Log a warning for each variable, of the environment or of a `.env` file, that is probably a
    misspelled setting."""
    reported: set[str] = set()  # a parent may have put a file's variables into the environment
    places = {"environment": list(os.environ)} | {file: names_in(file) for file in FILES}
    for place, names in places.items():
        for name, meant in misspelled(names):
            if name not in reported:
                log.warning("unknown variable", variable=name, did_you_mean=meant, found_in=place)
            reported.add(name)


def misspelled(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The names that resemble a setting, each with the setting that was probably meant."""
    ours = {field.upper() for field in Settings.model_fields}
    known = ours | BESIDE_SETTINGS
    for name in names:
        if name in known or name.upper() in ours:  # the settings take any case
            continue
        if found := get_close_matches(name.upper(), known, 1, ALIKE):
            yield name, found[0]
