"""How a stage is run: owned, timed, checkpointed, published."""
