"""A client in a process that was forked."""

import os

from trimind import Client

from ...keeping import Keeping

KEY = "tm_secret"
JOB = b'{"id":"job_1","status":"completed"}'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(JOB), JOB)


def test_a_process_that_was_forked_has_connections_of_its_own() -> None:
    """Two processes on one connection would get each other's answers."""
    keeping = Keeping(ANSWER)
    with Client(keeping.url, KEY, retries=0) as client:
        client.job("job_1")
        client.job("job_1")
        if (child := os.fork()) == 0:
            try:
                client.job("job_1")
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        client.job("job_1")
    keeping.close()
    assert keeping.requests == [1, 1, 2, 1]
