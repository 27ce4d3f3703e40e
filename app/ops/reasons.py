"""Why a server can't be used, as `/readyz` explains it to the operator.

A server's error message may contain its address, a user name or part of a URL. `/readyz` requires
no key, so it shows one of these sentences instead.
"""

import re
from typing import Final

# libpq gives no SQLSTATE for a failed connection: these are texts of PostgreSQL (postinit.c,
# auth.c, proc.c), libpq and PgBouncer.
DATABASE: Final = (
    (
        r"password authentication failed|no password supplied|no pg_hba\.conf entry"
        r"|role \"[^\"]*\" does not exist|(?:auth|SASL authentication) failed",
        "the server rejects the user or password in DATABASE_URL",
    ),
    (
        r"database \"[^\"]*\" does not exist|no such database",
        "the database named in DATABASE_URL does not exist",
    ),
    (
        r"too many (?:clients|connections)|remaining connection slots|no more connections allowed",
        "the server has no free connection: lower DATABASE_POOL or raise its limit",
    ),
    (
        r"starting up|shutting down|not yet accepting|in recovery",
        "the server is starting up or shutting down",
    ),
    (
        r"translate host name|Name or service not known|failed to resolve host"
        r"|nodename nor servname|No address associated",
        "the host in DATABASE_URL can't be resolved",
    ),
    (
        r"certificate|SSL|TLS",
        "no TLS connection: check sslmode and sslrootcert in DATABASE_URL",
    ),
    (r"Connection refused|No such file or directory", "the connection was refused"),
    (r"time(?:d)? ?out|timeout|statement timeout", "the server did not answer in time"),
)

REDIS: Final = (
    (r"AuthenticationError|WRONGPASS|NOAUTH|Authentication required",
     "the server rejects the user or password in {variable}"),
    (r"max number of clients", "the server has no free connection: lower REDIS_POOL"),
    (r"MASTERDOWN|Link with MASTER is down", "the server is a replica that has lost its primary"),
    (r"LOADING|loading the dataset", "the server is loading its data"),
    (r"OOM|maxmemory|out of memory", "the server's memory is full"),
    (r"MISCONF|AOF|persist", "the server can't write to its disk, so it takes no writes"),
    (r"(?i)cluster|slot", "the cluster is down, or other nodes have this key"),
    (r"BUSY", "the server is busy running a script"),
    (r"NOPERM|permission", "the user in {variable} lacks a permission"),
    (r"MasterNotFoundError", "the sentinels in {variable} don't answer, or name no primary"),
    (r"Name or service not known|nodename nor servname|No address associated",
     "the host in {variable} can't be resolved"),
    (r"certificate|SSL|TLS", "no TLS connection: check {variable} and REDIS_SSL_CA_CERTS"),
    (r"refused", "the connection was refused"),
    (r"[Tt]ime(?:d)? ?out", "the server did not answer in time"),
)  # fmt: skip

BROKER: Final = (
    (r"ACCESS_REFUSED|403", "the server rejects the user or password in BROKER_URL"),
    (r"NOT_ALLOWED|530", "the virtual host named in BROKER_URL does not exist"),
    (r"certificate|SSL|TLS", "no TLS connection: check ssl_cert_reqs in {variable}"),
    *REDIS[-4:],
)

UNKNOWN: Final = "the server can't be reached: see the log"


def reason_of(error: Exception, table: tuple[tuple[str, str], ...], variable: str) -> str:
    """Return the sentence for an error: the first of the table whose pattern matches."""
    said = " ".join(f"{type(each).__name__}: {each}" for each in _chain(error))
    for pattern, sentence in table:
        if re.search(pattern, said):
            return sentence.format(variable=variable)
    return UNKNOWN


def _chain(error: BaseException | None) -> list[BaseException]:
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found
