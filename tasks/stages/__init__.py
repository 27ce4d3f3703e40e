"""The four tasks of the chain, a module each."""
