"""LiteLLM, imported once and silenced. It takes 3 to 5 s and 170 MB, so only workers import it."""

import logging
import os
from typing import Any, Final

# Otherwise LiteLLM downloads its price list on import, and a table of Anthropic's headers during
# the first call that needs it.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
os.environ["LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS"] = "True"

import litellm
from litellm.exceptions import ContextWindowExceededError, MidStreamFallbackError
from litellm.litellm_core_utils.exception_mapping_utils import exception_type as _exception_type
from litellm.llms.custom_httpx.http_handler import HTTPHandler, get_ssl_configuration

from tasks.llm.transport import pool

litellm.drop_params = True  # newer models accept no temperature: omit it rather than fail
litellm.suppress_debug_info = True  # otherwise it prints to stdout
litellm.disable_streaming_logging = True  # otherwise it submits a job to a thread for every chunk
litellm.telemetry = False
for _name in ("LiteLLM", "LiteLLM Proxy", "LiteLLM Router"):
    # Its handlers write to stdout and stderr in their own format.
    logging.getLogger(_name).handlers.clear()
    logging.getLogger(_name).setLevel(logging.WARNING)

# The OpenAI client uses the first, all other providers the second.
litellm.client_session = pool(get_ssl_configuration())
HTTP: Final = HTTPHandler(client=litellm.client_session)

# Raises the LiteLLM error that corresponds to a provider's own.
exception_type: Final[Any] = _exception_type

__all__ = [
    "HTTP",
    "ContextWindowExceededError",
    "MidStreamFallbackError",
    "exception_type",
    "litellm",
]
