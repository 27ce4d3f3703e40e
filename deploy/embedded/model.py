"""SmolLM2-135M-Instruct, served by llama.cpp with an OpenAI-compatible API on loopback."""

import http.client
from collections.abc import Mapping

from deploy.embedded.model_server import TOKENS_PER_SLOT, find_weights
from deploy.embedded.ports import free_port
from deploy.embedded.process import module_command, module_environ
from deploy.embedded.service import Service

# Measured on two cores with two threads: 4 slots take 0.5 GB and give 128 tokens/s together (one
# slot: 0.25 GB and 112), 8 slots take 0.9 GB and give 151; one request alone gets 105 with any of
# them. Four answer three minds and one more at once; each further slot costs 94 MB and gains 4%.
DEFAULT_SLOTS = 4
_LOOK_S = 1


class Model:
    """The model server's service and URL. Nothing runs until the service is started.

    Args:
        environ: of the process to start.
        slots: how many requests it answers at once; further ones are queued.

    Raises:
        NotInstalledError: llama.cpp or the model is missing.
    """

    def __init__(self, environ: Mapping[str, str], slots: int = DEFAULT_SLOTS) -> None:
        find_weights()
        self._environ = environ
        self._slots = slots
        self._port = free_port()

    @property
    def url(self) -> str:
        """The server's URL, without the path `/v1` of its OpenAI-compatible API."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def context(self) -> int:
        """Tokens that one request may use, prompt and answer together."""
        return TOKENS_PER_SLOT

    def service(self) -> Service:
        """The server's service; it stops at once, since it has no state."""
        context = str(self._slots * TOKENS_PER_SLOT)
        arguments = ("--port", str(self._port), "--context", context, "--parallel")
        return Service(
            name="model",
            command=module_command("deploy.embedded.model_server", *arguments, str(self._slots)),
            environ=module_environ(self._environ),
            ready=self.ready,
            stop_grace_s=5,
            url=self.url,
        )

    def ready(self) -> bool:
        """Whether the weights are loaded. Ignores the environment's proxies."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_LOOK_S)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
