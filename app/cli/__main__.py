"""`python -m app.cli`, where the `trimind` command is not installed."""

from app.cli import main

main(prog_name="trimind")
