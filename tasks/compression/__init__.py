"""Compression of long prompts before they are sent to a model, without losing what matters.

The entry point is `compressor.choose`: LLMLingua-2 if its weights are on the machine, otherwise the
extractive compressor. Nothing heavy is imported before a text is actually compressed.
"""
