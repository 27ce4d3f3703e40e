"""The migrations make just the tables that the models describe."""

from collections.abc import Mapping

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from models import Base
from models.schema import upgrade, versions
from models.session import get_engine


def test_the_newest_migration_leaves_no_difference_to_the_models(
    backends: Mapping[str, str],
) -> None:
    with get_engine().connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_upgrading_twice_changes_nothing(backends: Mapping[str, str]) -> None:
    before = versions()
    upgrade()
    assert versions() == before
    assert before[0] == before[1]
