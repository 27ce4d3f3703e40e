"""A software bill of materials, as CycloneDX 1.6 in JSON."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

from deploy.supply_chain.installed import OURS, Distribution, dependencies

VERSION: Final = "1.6"


def bill_of_materials(found: Sequence[Distribution]) -> dict[str, Any]:
    """The bill of what is installed: versions, licences, package URLs, and what requires what."""
    by_name = {each.name: each for each in found}
    edges = dependencies(found)
    return {
        "$schema": f"http://cyclonedx.org/schema/bom-{VERSION}.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": VERSION,
        "serialNumber": f"urn:uuid:{uuid4()}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.now(UTC).isoformat(timespec="seconds"),
            "component": _component(by_name[OURS], "application"),
        },
        "components": [_component(each, "library") for each in found if each.name != OURS],
        "dependencies": [
            {"ref": each.purl, "dependsOn": sorted(by_name[name].purl for name in edges[each.name])}
            for each in found
        ],
    }


def _component(distribution: Distribution, kind: str) -> dict[str, Any]:
    component = {
        "type": kind,
        "bom-ref": distribution.purl,
        "name": distribution.name,
        "version": distribution.version,
        "purl": distribution.purl,
    }
    return component | ({"licenses": licences} if (licences := _licences(distribution)) else {})


def _licences(distribution: Distribution) -> list[dict[str, Any]]:
    if distribution.licence:
        return [{"expression": distribution.licence}]
    return [{"license": {"name": name}} for name in distribution.licences]
