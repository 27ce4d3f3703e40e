"""The four tasks of the chain."""
