"""How one stage is run: owned, timed, checkpointed, told of."""
