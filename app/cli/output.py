"""What all commands have in common: `--json`."""

import json
from typing import Any, Final

import click

from app.cli.client.terminal import echo

as_json_option: Final = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def print_result(as_json: bool, value: Any, text: str) -> None:
    """Print a result: as JSON, or as a text for people."""
    echo(json.dumps(value, indent=2, ensure_ascii=False, default=str) if as_json else text)
