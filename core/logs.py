"""Logs are events with fields, as JSON lines or for a person's eyes. No address and no token ever stands in one."""

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog

_TOKEN = re.compile(r"(/t/)[^\s/?#\"']+")
_ADDRESS = re.compile(r"[^\s<>@\"'=:]+@([\w.-]+)")


def mask(text: str) -> str:
    """Return `text` with the token after each `/t/` and the local part of each address taken out."""
    if "/t/" in text:
        text = _TOKEN.sub(r"\1***", text)
    return _ADDRESS.sub(r"***@\1", text) if "@" in text else text


def _masked(value: object) -> object:
    """Return a field's value with all texts in it masked, however deep: what a renderer would only print is text."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, Mapping):
        return {mask(str(key)): _masked(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_masked(one) for one in value]
    return mask(repr(value))


def _mask_event(_logger: object, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if not key.startswith("_"):  # Those are structlog's own notes to itself.
            event[key] = _masked(value)
    return event


def configure(*, as_json: bool, level: str = "INFO") -> None:
    """Send structlog and the standard library's logging through one masked formatter to standard error."""
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _mask_event,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    renderer: structlog.types.Processor = (
        structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(colors=False, pad_event_to=30)
    )
    last = [structlog.stdlib.ProcessorFormatter.remove_processors_meta, _mask_event, renderer]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=last))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # These say at INFO, line by line, what our own events already say.
    for name in (
        "werkzeug",
        "celery.redirected",
        "celery.app.trace",
        "celery.worker.strategy",
        "celery.beat",
        "alembic",
        "kombu",
    ):
        logging.getLogger(name).setLevel("WARNING")


def get(name: str) -> structlog.stdlib.BoundLogger:
    """Return the event logger of a module: `log = logs.get(__name__)`."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


def flush() -> None:
    """Write out what is still buffered, for a process that is about to end."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
