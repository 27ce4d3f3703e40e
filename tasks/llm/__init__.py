"""Model access: the only room that knows LiteLLM."""
