"""Commands that run an installation on this machine."""
