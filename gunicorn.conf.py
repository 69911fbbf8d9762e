"""How gunicorn runs the site. `PORT` and `WEB_WORKERS` are the only settings of its own."""

import gc
import os

bind = os.environ.get("BIND") or f"127.0.0.1:{os.environ.get('PORT', '8000')}"
workers = int(os.environ.get("WEB_WORKERS", "2"))
threads = 8
worker_class = "gthread"
# Loaded once and then forked, so that a wrong setting ends the start with one sentence.
preload_app = True
timeout = 60
graceful_timeout = 20
# No access log: its lines would hold tokens. The proxy in front keeps one, with /t/ masked (docs/operations.md).
accesslog = None
# Nothing of ours talks to gunicorn through a socket in somebody's home folder.
control_socket_disable = True


def when_ready(_server: object) -> None:
    """Before the processes are forked: what was loaded once stays shared, and no garbage collection walks it again."""
    gc.collect()
    gc.freeze()
