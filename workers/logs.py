"""Log lines of a worker: one event per line on stderr, with the task it belongs to, and without secrets.

Nothing of ours logs a secret; the redaction here is the net beneath, for what
a library or an error message might carry along.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog
from structlog.typing import Processor

REDACTED = "[redacted]"
_SECRETS = (
    (re.compile(r"\bnbt_[A-Za-z0-9]+(\.[A-Za-z0-9_-]+)?"), REDACTED),
    (re.compile(r"\b(Token|Bearer)(\s+)[A-Za-z0-9._~+/=-]{16,}", re.IGNORECASE), rf"\1\2{REDACTED}"),
    (re.compile(r"\b((?:rediss?|unix|https?)://[^\s:@/]*):[^\s@/]+@"), rf"\1:{REDACTED}@"),
)


def redact(text: str) -> str:
    """The text without NetBox tokens (v1 behind `Token`, v2 `nbt_...`) and without passwords in addresses."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


def configure_logging(log_format: str = "console") -> None:
    """Send all log lines of this process, RQ's included, to stderr: key=value pairs, or JSON."""
    before: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*before, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    rest = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=before, processors=[rest, _renderer(log_format), _redact_line]
        )
    )
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)


def _renderer(log_format: str) -> Any:
    if log_format == "json":
        return structlog.processors.JSONRenderer()
    return structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"])


def _redact_line(
    logger: Any, method: str, line: str | bytes | Mapping[str, Any] | MutableMapping[str, Any]
) -> str:
    return redact(line.decode() if isinstance(line, bytes) else str(line))
