"""`python -m deploy.supply_chain`: what `make check` and `make sbom` run."""

import json
import sys
from pathlib import Path
from typing import Final

import click

from deploy.supply_chain.installed import installed
from deploy.supply_chain.licences import refused
from deploy.supply_chain.lists import ROOT
from deploy.supply_chain.lock import NotLocked
from deploy.supply_chain.lock import lock as write_lists
from deploy.supply_chain.locked import differences
from deploy.supply_chain.sbom import bill_of_materials
from deploy.supply_chain.vulnerabilities import URL, NotAnswered, vulnerabilities


@click.group()
def main() -> None:
    """Look at what is installed beside Trimind."""


@main.command()
@click.option("--osv", default=URL, help="The address of OSV.")
def check(osv: str) -> None:
    """Check licences and known vulnerabilities; exits with 1 if one is not allowed, or known.

    Vulnerabilities are looked up on the network. Without one, a line says that they were not.
    """
    found = installed()
    wrong = []
    for each in found:
        if names := refused(each.name, each.licence, each.licences):
            wrong.append(f"{each.name} {each.version}: licence {', '.join(names)}")
    try:
        for each, known in vulnerabilities(found, osv):
            wrong.append(f"{each.name} {each.version}: vulnerability {known}")
    except NotAnswered as error:
        click.echo(f"Vulnerabilities not checked: OSV did not answer ({error})", err=True)
    for line in wrong:
        click.echo(f"{line} (docs/dependencies.md says what to do)", err=True)
    if wrong:
        sys.exit(1)
    click.echo(f"Licences of {len(found)} distributions are allowed")


@main.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def sbom(file: Path) -> None:
    """Write a bill of materials into FILE: CycloneDX, as JSON."""
    found = installed()
    file.write_text(json.dumps(bill_of_materials(found), indent=1) + "\n", "utf-8")
    click.echo(f"{file}: {len(found)} distributions")


ROOT_OPTION: Final = click.option(
    "--root", default=ROOT, type=click.Path(path_type=Path), help="The checkout."
)


@main.command()
@ROOT_OPTION
def lock(root: Path) -> None:
    """Write deploy/requirements: what to install, with hashes of the index."""
    try:
        for file in write_lists(root):
            click.echo(file.relative_to(root))
    except NotLocked as error:
        raise click.ClickException(str(error)) from None


@main.command()
@ROOT_OPTION
def locked(root: Path) -> None:
    """Check that deploy/requirements is what `lock` would write; asks nobody.

    Exits with 1 if a list lacks something, or has another version than constraints.txt.
    """
    if lines := differences(root, installed()):
        raise click.ClickException("\n".join([*lines, "Run `make lock`"]))
    click.echo("The lists with hashes have what constraints.txt pins")


if __name__ == "__main__":
    main(prog_name="python -m deploy.supply_chain")
