"""Publisher sends a newsroom's stories as e-mail issues and short posts: nothing told twice, nobody skipped."""

__version__ = "0.1.0"
