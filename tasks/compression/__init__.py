"""Makes a long prompt shorter before it is sent to a model, and never loses what matters in it.

`compressor.choose` is the door: LLMLingua-2 where its weights are on the machine, the extractive
compressor where they are not. Nothing heavy is imported before a text is really compressed.
"""
