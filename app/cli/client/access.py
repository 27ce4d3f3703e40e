"""Which installation a command calls, and with which key."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import click

from app.cli.client.terminal import line
from app.cli.local.environ import read_environment
from app.cli.local.running import Running
from app.cli.proxies import check_proxies
from trimind import ApiError, Client, TrimindClientError


@contextmanager
def connected() -> Iterator[Client]:
    """A client of the installation at TRIMIND_URL, else of the one that runs here.

    Raises:
        ClickException: the API or the network refused; says what to do.
    """
    environ = read_environment()
    running = Running.of(environ)
    url = environ.get("TRIMIND_URL") or running.url
    if url is None:
        raise click.ClickException(
            f"nothing runs on TRIMIND_HOME={running.home}: start it with `trimind up`,"
            " or set TRIMIND_URL=https://…"
        )
    if url != running.url:
        check_proxies()
    try:
        with Client(url, _key(environ, running, url)) as client:
            yield client
    except ApiError as error:
        raise click.ClickException(line(f"{error}{_advice(error)}")) from None
    except TrimindClientError as error:
        raise click.ClickException(line(error)) from None


def _advice(error: ApiError) -> str:
    if error.status == 401:
        return "; is TRIMIND_API_KEY a key of this installation?"
    return (
        f"; {error.request_id} in the server's log"
        if error.status >= 500 and error.request_id
        else ""
    )


def _key(environ: Mapping[str, str], running: Running, url: str) -> str:
    if given := environ.get("TRIMIND_API_KEY"):
        return given
    # The demo key is never sent to another address.
    if url.rstrip("/") == running.url and running.demo_key_file.exists():
        return running.demo_key_file.read_text().strip()
    raise click.ClickException(
        f"no key for {url}: set TRIMIND_API_KEY=tm_… (`trimind key create` makes one)"
    )
