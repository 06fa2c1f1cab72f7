"""What services say: structured lines on standard error, one JSON object each, without addresses or secrets."""

import logging
import sys

import structlog

# What these say of a broken form, a missed minute or a lost connection is no line of ours, and no operator can act on it: ours follows.
_SILENT = {"apscheduler": logging.ERROR, "python_multipart": logging.ERROR, "procrastinate": logging.CRITICAL, "psycopg.pool": logging.CRITICAL}


def configure_logs() -> None:
    """Have every line of this process written so."""
    logging.basicConfig(level=logging.WARNING)
    for library, level in _SILENT.items():
        logging.getLogger(library).setLevel(level)
    structlog.configure(
        processors=[structlog.processors.add_log_level, structlog.processors.TimeStamper(fmt="iso", utc=True),
                    structlog.processors.ExceptionRenderer(), structlog.processors.JSONRenderer(ensure_ascii=False)],
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr))
