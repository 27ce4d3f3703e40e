"""LiteLLM, imported once and silenced. It takes 3 to 5 s and 170 MB, so only workers import it."""

import logging
import os
from typing import Any, Final

# Otherwise LiteLLM downloads its price list on import, and a table of Anthropic's headers during
# the first call that needs it.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
os.environ["LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS"] = "True"

import litellm
from litellm.anthropic_beta_headers_manager import (
    update_request_with_filtered_beta as filter_anthropic_betas,
)
from litellm.exceptions import ContextWindowExceededError
from litellm.litellm_core_utils.exception_mapping_utils import exception_type as _exception_type
from litellm.llms.custom_httpx.http_handler import get_ssl_configuration
from litellm.llms.vertex_ai.gemini.transformation import transform_request_body
from litellm.llms.vertex_ai.vertex_llm_base import VertexBase
from litellm.types.utils import LlmProviders
from litellm.utils import ProviderConfigManager, get_optional_params

from tasks.llm.transport import Transport

# A tokenizer's vocabulary, 6 MB: LiteLLM has parsed it, and goes on with its text.
vars(litellm.utils).pop("json_data", None)

litellm.drop_params = True  # newer models accept no temperature: omit it rather than fail
litellm.suppress_debug_info = True  # otherwise it prints to stdout
litellm.telemetry = False
for _name in ("LiteLLM", "LiteLLM Proxy", "LiteLLM Router"):
    # Its handlers write to stdout and stderr in their own format.
    logging.getLogger(_name).handlers.clear()
    logging.getLogger(_name).setLevel(logging.WARNING)

# Every call's way out.
TRANSPORT: Final = Transport(get_ssl_configuration())

# Raises the LiteLLM error that corresponds to a provider's own.
exception_type: Final[Any] = _exception_type

# Writes a body for Gemini: its configuration class leaves that out.
transform_gemini_request: Final[Any] = transform_request_body

__all__ = [
    "TRANSPORT",
    "ContextWindowExceededError",
    "LlmProviders",
    "ProviderConfigManager",
    "VertexBase",
    "exception_type",
    "filter_anthropic_betas",
    "get_optional_params",
    "litellm",
    "transform_gemini_request",
]
