"""The providers: whether they can be reached, and accept how they are configured."""

from concurrent.futures import ThreadPoolExecutor
from typing import Final

import httpx
from redis import RedisError

from app.cli.doctor.case import Case
from app.cli.doctor.finding import Finding, missing, ok, optional, wrong
from config.issuer_url import LOOPBACK
from config.redis import bounded_client
from config.settings import PROVIDER_KEYS, Settings
from tasks.resilience.misconfigured import Misconfigured, misconfigured

TIMEOUT_S: Final = 3
ASKED_S: Final = 10
REFUSED: Final = (401, 403)


def check_providers(case: Case) -> Finding:
    """Each with a key is asked for its models, which costs nothing; and recent refusals of what a
    worker has sent: an account without credit, an unknown model."""
    asked = [name for name in PROVIDER_KEYS if case.settings.provider_key(name)]
    with ThreadPoolExecutor(len(PROVIDER_KEYS)) as threads:
        problems = list(filter(None, threads.map(lambda name: _ask(name, case.settings), asked)))
    if problems:
        found, to_do = zip(*problems, strict=True)
        return wrong("providers", "; ".join(found), "; ".join(dict.fromkeys(to_do)))
    refusals = _refusals(case)
    if isinstance(refusals, Finding):
        return refusals
    if refusals:
        variables = "; ".join(sorted({each.variable for each in refusals}))
        said = " ".join(each.message for each in refusals)
        return missing("providers", said, f"fix {variables} and restart the workers")
    reached = f"{', '.join(asked)}: reached, key accepted; " if asked else ""
    return ok("providers", f"{reached}none has refused a worker recently")


def _refusals(case: Case) -> list[Misconfigured] | Finding:
    if case.problem("REDIS_URL"):
        return optional("providers", "unknown without Redis", "fix REDIS_URL first")
    try:
        url = case.settings.redis_url.get_secret_value()
        return list(misconfigured(bounded_client(url, TIMEOUT_S)))
    except (RedisError, ValueError):  # ValueError: the port is not a number
        return optional("providers", "unknown while Redis is unavailable", "start Redis first")


def _ask(provider: str, settings: Settings) -> tuple[str, str] | None:
    """What is wrong with a provider, and what to do; None if it accepts the key."""
    variable = PROVIDER_KEYS[provider]
    url, headers = _models_of(provider, settings)
    if not all(value.isascii() and value.isprintable() for value in headers.values()):
        # The error of a library might quote it.
        return f"{variable} has characters that no key has", f"fix {variable}, restart the workers"
    try:
        host = httpx.URL(url).host
        direct = host in LOOPBACK  # as for a worker
        status = httpx.get(url, headers=headers, timeout=ASKED_S, trust_env=not direct).status_code
    except httpx.HTTPError as error:
        said = str(error) or type(error).__name__
        return f"{provider} at {host} is not reached ({said})", "let this machine reach it"
    except (httpx.InvalidURL, ValueError):  # which may quote a part of a proxy's password
        return f"{provider}'s address or a proxy's is malformed", "fix the address, or HTTPS_PROXY"
    if status in REFUSED:
        return f"{provider} refuses {variable} ({status})", f"fix {variable}, restart the workers"
    return None


def _models_of(provider: str, settings: Settings) -> tuple[str, dict[str, str]]:
    """The address of a provider's list of models, and the headers that it needs."""
    key = settings.provider_key(provider) or ""
    if provider == "openai":
        base = settings.openai_api_base or "https://api.openai.com/v1"
        return f"{base.rstrip('/')}/models", {"Authorization": f"Bearer {key}"}
    if provider == "anthropic":
        base = settings.anthropic_api_base or "https://api.anthropic.com"
        return (
            f"{base.rstrip('/')}/v1/models",
            {"x-api-key": key, "anthropic-version": "2023-06-01"},
        )
    return "https://generativelanguage.googleapis.com/v1beta/models", {"x-goog-api-key": key}
