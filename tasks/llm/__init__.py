"""Calls to models: the only package that imports LiteLLM."""
