"""How gunicorn serves Vedette. Patching comes first: what is imported before it would block or break."""

from gevent import monkey

monkey.patch_all()

import logging  # noqa: E402
import sys  # noqa: E402

from gunicorn.glogging import Logger  # noqa: E402

from alerting import logs  # noqa: E402
from alerting import settings as _settings  # noqa: E402

try:
    _current = _settings.current()
except _settings.SettingsError as error:
    sys.stderr.write(f"{error}\n")
    sys.exit(2)

# A platform that sets PORT routes to it from outside; anyone else is behind a proxy of this machine.
bind = f"0.0.0.0:{_current.port}" if _current.environ.get("PORT") else f"127.0.0.1:{_current.port}"
workers = _current.web_concurrency
worker_class = "web.worker.Worker"
# A stream leaves its connection's place once it is handed over, but over TLS it keeps it.
worker_connections = _current.stream_limit + 1000
backlog = 4096
keepalive = 75
timeout = 30
graceful_timeout = 8
max_requests = 0
preload_app = False
control_socket_disable = True
accesslog = None
errorlog = "-"
loglevel = _current.log_level.lower()


class logger_class(Logger):
    """gunicorn's lines in our form, on our stream."""

    def setup(self, cfg):  # noqa: ANN001, ANN201 (gunicorn's, untyped there)
        super().setup(cfg)
        logs.set_up(_current, "web")
        self.error_log.handlers.clear()
        self.error_log.propagate = True
        logging.getLogger("gunicorn").handlers.clear()


def post_worker_init(worker):  # noqa: ANN001, ANN201, D103 (gunicorn's hook, untyped there)
    import gevent

    from web import watchdog, wsgi

    gevent.spawn(watchdog.watch, wsgi.app().extensions["vedette"], lambda: worker.alive)
