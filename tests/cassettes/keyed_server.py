"""The embedded model behind an API key: `python keyed_server.py PORT KEY`. For recording only."""

import signal
import sys

import xllamacpp

from deploy.embedded.model_server import MODEL_NAME, TOKENS_PER_SLOT, find_weights


def serve(port: int, key: str) -> None:
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(find_weights())
    parameters.model_alias = {MODEL_NAME}
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = port
    parameters.api_keys = [key]
    parameters.n_ctx = TOKENS_PER_SLOT
    parameters.n_parallel = 1
    parameters.n_gpu_layers = 0
    parameters.ui = False
    server = xllamacpp.Server(parameters)
    while server:
        signal.pause()


serve(int(sys.argv[1]), sys.argv[2])
