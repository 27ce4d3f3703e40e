"""Why a server can't be used, in the operator's words.

What a server says may hold its address, a user's name or part of a URL. Whoever asks `/readyz` has
no key, so that he gets one of these sentences and nothing of the message itself.
"""

import re
from typing import Final

# libpq gives no SQLSTATE of a connection that failed: the texts are those of PostgreSQL's
# postinit.c, auth.c and proc.c, of libpq, and of PgBouncer.
DATABASE: Final = (
    (
        r"password authentication failed|no password supplied|no pg_hba\.conf entry"
        r"|role \"[^\"]*\" does not exist|(?:auth|SASL authentication) failed",
        "the server refuses the user or the password of DATABASE_URL",
    ),
    (
        r"database \"[^\"]*\" does not exist|no such database",
        "the server has no database of the name in DATABASE_URL",
    ),
    (
        r"too many (?:clients|connections)|remaining connection slots|no more connections allowed",
        "the server has no connection free: lower DATABASE_POOL, or allow more of them",
    ),
    (r"starting up|shutting down|not yet accepting|in recovery", "the server starts or stops"),
    (
        r"translate host name|Name or service not known|failed to resolve host"
        r"|nodename nor servname|No address associated",
        "the host of DATABASE_URL is not known",
    ),
    (
        r"certificate|SSL|TLS",
        "no TLS connection: check sslmode and sslrootcert in DATABASE_URL",
    ),
    (r"Connection refused|No such file or directory", "nothing listens there"),
    (r"time(?:d)? ?out|timeout|statement timeout", "it does not answer in time"),
)

REDIS: Final = (
    (r"AuthenticationError|WRONGPASS|NOAUTH|Authentication required",
     "the server refuses the user or the password of {variable}"),
    (r"max number of clients", "the server has no connection free: lower REDIS_POOL"),
    (r"MASTERDOWN|Link with MASTER is down", "it is a replica that has lost its primary"),
    (r"LOADING|loading the dataset", "it is loading its data"),
    (r"OOM|maxmemory|out of memory", "its memory is full"),
    (r"MISCONF|AOF|persist", "it can't write to its disk and takes no writes"),
    (r"(?i)cluster|slot", "its cluster is down, or has other nodes for this"),
    (r"BUSY", "it is busy with a script"),
    (r"NOPERM|permission", "the user of {variable} may not do what is needed"),
    (r"Name or service not known|nodename nor servname|No address associated",
     "the host of {variable} is not known"),
    (r"certificate|SSL|TLS", "no TLS connection: check ssl_cert_reqs in {variable}"),
    (r"refused", "nothing listens there"),
    (r"[Tt]ime(?:d)? ?out", "it does not answer in time"),
)  # fmt: skip

BROKER: Final = (
    (r"ACCESS_REFUSED|403", "the server refuses the user or the password of BROKER_URL"),
    (r"NOT_ALLOWED|530", "the server has no virtual host of the name in BROKER_URL"),
    *REDIS[-4:],
)

UNKNOWN: Final = "it can't be reached; the log says more"


def reason_of(error: Exception, table: tuple[tuple[str, str], ...], variable: str) -> str:
    """The sentence for an error; of several texts that fit, the first of the table."""
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
