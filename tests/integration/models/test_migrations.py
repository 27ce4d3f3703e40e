"""The migrations create exactly the tables that the models describe."""

from collections.abc import Mapping

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from models import Base
from models.schema import upgrade, versions
from models.session import get_engine

# The release before still uses it; the next migration drops it.
OF_THE_RELEASE_BEFORE = {("remove_column", "jobs", "deaths")}


def test_the_newest_migration_leaves_no_difference_to_the_models(
    backends: Mapping[str, str],
) -> None:
    with get_engine().connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        found = compare_metadata(context, Base.metadata)
    assert {(kind, table, column.name) for kind, _, table, column in found} == (
        OF_THE_RELEASE_BEFORE
    )


def test_upgrading_twice_changes_nothing(backends: Mapping[str, str]) -> None:
    before = versions()
    upgrade()
    assert versions() == before
    assert before[0] == before[1]
