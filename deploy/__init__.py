"""Everything for running Trimind: today the embedded servers of `trimind up`."""
