"""`trimind db`: the database's schema."""

import click
from sqlalchemy.exc import DBAPIError

from app.cli.output import as_json_option, print_result
from config.database_url import place_of
from config.logging import configure_logging, mask
from config.minds import get_minds
from config.misspelled import warn_of_misspelled
from config.settings import SettingsError, settings_or_exit
from models.schema import SchemaOutdated, upgrade, versions


@click.group()
def db() -> None:
    """Manage the database's schema."""


@db.command("upgrade")
@as_json_option
def upgrade_command(as_json: bool) -> None:
    """Migrate the schema to the newest version: a deployment's release step."""
    settings = settings_or_exit()
    configure_logging(settings.log_level, settings.log_format)
    warn_of_misspelled()
    try:
        get_minds()  # fail here rather than in each process of the new release
        upgrade()
    except (SettingsError, SchemaOutdated) as error:
        raise click.ClickException(str(error)) from None
    except DBAPIError as error:
        url = place_of(settings.database_url.get_secret_value())
        reason = mask(str(error.orig).strip().splitlines()[0])
        raise click.ClickException(f"DATABASE_URL={url}: {reason}") from None
    version, ours = versions()
    newer = "" if version == ours else f", newer than this release's {ours}: left as it is"
    print_result(as_json, {"version": version}, f"The schema is at version {version}{newer}.")
