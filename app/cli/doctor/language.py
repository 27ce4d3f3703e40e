"""The models, the minds and the compressor."""

import http.client
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from app.cli.doctor.case import Case
from app.cli.doctor.finding import Finding, missing, ok, optional
from config.minds import BUILT_IN, read_minds, with_keys
from config.settings import PROVIDER_KEYS, SettingsError
from tasks.compression.compressor import explain
from tasks.compression.errors import WeightsUnusable
from tasks.compression.llmlingua2 import NAME as LLMLINGUA

TIMEOUT_S: Final = 2
KEYS: Final = ", ".join(PROVIDER_KEYS.values())


def check_models(case: Case) -> Finding:
    """A provider's key is set, or the embedded model is up."""
    found = [name for name, key in PROVIDER_KEYS.items() if case.settings.provider_key(name)]
    if found:
        return ok("models", f"a key is set for {', '.join(found)}")
    url = case.settings.embedded_model_url
    if url is None:
        to_do = f"set one of {KEYS}; or `trimind up`, which starts the embedded model"
        return missing("models", "no provider's key, and no embedded model", to_do)
    if _is_well(url):
        return ok("models", f"the embedded model answers at {url}")
    return missing("models", f"the embedded model at {url} does not answer", "`trimind up`")


def check_minds(case: Case) -> Finding:
    """The minds file is valid, and each route has a model with a key."""
    try:
        minds = read_minds(case.settings.minds_file or BUILT_IN)
    except SettingsError as error:
        return missing("minds", str(error), "fix the file")
    empty = [name for name, models in minds.routes.items() if not with_keys(models, case.settings)]
    if empty:
        return missing("minds", f"no model with a key in: {', '.join(empty)}", f"set one of {KEYS}")
    return ok("minds", ", ".join(minds.minds))


def check_compressor(case: Case) -> Finding:
    """LLMLingua-2's weights; without them the extractive compressor is used."""
    try:
        found = explain(case.home, case.settings.llmlingua_model)
    except WeightsUnusable as error:
        return missing("compressor", str(error), "fix LLMLINGUA_MODEL, or unset it")
    return ok("compressor", found) if found.startswith(LLMLINGUA) else optional("compressor", found)


def _is_well(url: str) -> bool:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(
        parts.hostname or "127.0.0.1", parts.port, timeout=TIMEOUT_S
    )
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
