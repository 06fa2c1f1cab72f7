"""Migrations for both packages: one MetaData, SQLite in batches, PostgreSQL as it is."""

from alembic import context

import publisher.models
import publisher.models_mail
import publisher.models_sending
import publisher.models_site  # noqa: F401
import subscribers.models  # noqa: F401
from publisher.db import Base, Database
from publisher.settings_file import load_settings


def _ours(name, type_, parent_names):
    """Leave alone what others keep in the same schema."""
    return not (type_ == "table" and name and name.startswith(("procrastinate_", "story_search")))


def _run(connection):
    context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=connection.dialect.name == "sqlite",
                      include_name=_ours, compare_type=True)
    with context.begin_transaction():
        context.run_migrations()


connection = context.config.attributes.get("connection")
if connection is not None:
    _run(connection)
else:
    # The alembic command by hand, for whoever writes the next migration: alembic -x url=sqlite:///x.db revision --autogenerate
    url = context.get_x_argument(as_dictionary=True).get("url")
    with Database(url or load_settings().database_url).engine.begin() as opened:
        _run(opened)
