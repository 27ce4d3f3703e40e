"""LiteLLM loads without the network and prints nothing."""

import os

from tests.fresh_python import FreshPython


def test_loading_it_needs_no_network_and_prints_nothing(fresh_python: FreshPython) -> None:
    code = (
        "import socket\n"
        "socket.socket.connect = socket.getaddrinfo = None\n"
        "from tasks.llm.library import litellm\n"
        "assert len(litellm.model_cost) > 100\n"
        "import logging\n"
        "logging.getLogger('LiteLLM').info('hidden')\n"
    )
    names = ("LITELLM_LOCAL_MODEL_COST_MAP", "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS")
    clean = {name: value for name, value in os.environ.items() if name not in names}
    done = fresh_python(code, env=clean, check=True)
    assert done.stdout == ""
    assert done.stderr == ""
