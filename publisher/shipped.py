"""Where templates, migrations and samples are: beside the package in a checkout, inside it once installed."""

from pathlib import Path

_PACKAGE = Path(__file__).parent


def shipped(name: str) -> Path:
    """The path of `templates`, `alembic`, `samples` or an example of publisher.toml. Raises FileNotFoundError when neither place has it."""
    for place in (_PACKAGE / "_shipped" / name, _PACKAGE.parent / name):
        if place.exists():
            return place
    raise FileNotFoundError(name)
