"""LiteLLM, loaded once and quietened. It takes 5 s and 170 MB: workers only, never the web."""

import logging
import os

# Without it LiteLLM fetches its price list from the network while it is imported.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm
from litellm.exceptions import ContextWindowExceededError

litellm.drop_params = True  # newer models take no temperature: leave it out rather than fail
litellm.suppress_debug_info = True
litellm.telemetry = False
logging.getLogger("LiteLLM").setLevel(logging.WARNING)

__all__ = ["ContextWindowExceededError", "litellm"]
