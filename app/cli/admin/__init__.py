"""Commands for who operates an installation."""
