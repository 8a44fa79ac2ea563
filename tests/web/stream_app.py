"""The application as gunicorn serves it, with a stream whose patience is short enough for a test."""

from alerting.settings import current
from web import tailer
from web.app import create_app
from web.hub import Hub, Pace

pace = Pace(keepalive=1.5, patience=2.0, look=0.25)
application = create_app(current())
application.extensions["vedette.streams"] = Hub(tailer.read, current().stream_limit, pace)
