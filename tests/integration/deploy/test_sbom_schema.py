"""The bill of materials is one by CycloneDX's schema."""

import json
from typing import Any

from deploy.supply_chain.installed import installed
from deploy.supply_chain.sbom import bill_of_materials

from ...tools import tool

VALIDATE = """
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
sys.exit(str(JsonStrictValidator(SchemaVersion.V1_6).validate_str(sys.stdin.read()) or ""))
"""


def complaint(bill: dict[str, Any]) -> str:
    return tool("python", "-c", VALIDATE, given=json.dumps(bill)).stderr.strip()


def test_it_is_one_by_the_schema() -> None:
    bill = bill_of_materials(installed())
    assert complaint(bill) == ""
    bill["components"][0]["licenses"] = [{"license": {}}]
    assert "is not valid" in complaint(bill)
