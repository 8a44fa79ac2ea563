"""/info: what configuration is loaded, in the shape of schemas/info.json. No secret, no user data."""

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from flask import Blueprint, Response

import probes
from alerting import channels
from alerting.config import Config
from alerting.settings import Settings
from alerting.store import locks
from alerting.store.database import is_sqlite, reading
from web.state import Vedette, vedette
from web.version import version

LANGUAGE = "en"
"""The language the page speaks."""

_DIGEST_SHOWN = 12

blueprint = Blueprint("info", __name__)


@blueprint.get("/info")
def info() -> Response:
    """What is loaded."""
    with reading():
        document = described(vedette())
    return Response(json.dumps(document), headers={"Cache-Control": "no-store"}, mimetype="application/json")


def described(state: Vedette) -> dict[str, Any]:
    """The document. Only names, numbers and switches are taken from the configuration, each by hand."""
    config, settings = state.config, state.settings
    connectors = _connectors(config)
    screens = locks.screens()
    apps = sorted({app for app, _ in screens})
    return {
        "name": "Vedette",
        "version": version(),
        "connectors_loaded": len(connectors),
        "connectors": connectors,
        "pools": ["default", *sorted(pool.name for pool in config.pools if pool.name != "default")],
        "dictionary": {"entries": _entries(), "default_language": LANGUAGE},
        "menus": {"apps": apps},
        "screens": {"apps": apps, "total": len(screens)},
        "charts": {"total": 0},
        "dashboards": {"total": _dashboards()},
        "auth": {"backend": "db", "pool": "default", "oidc_enabled": False},
        "ai": {"enabled": False, "available": False},
        "crypto": {"configured": bool(settings.master_key)},
        "license": {"mode": "full"},
        "frontend": str(files("web").joinpath("static")),
        "vedette": _own(config, settings, state.watcher.rejected is not None),
    }


def _own(config: Config, settings: Settings, refused: bool) -> Mapping[str, Any]:
    sorts = [watch.sort for watch in config.watches]
    return {
        "configuration": {"digest": config.digest[:_DIGEST_SHOWN], "refused": refused},
        "database": "sqlite" if is_sqlite() else "postgresql",
        "redis": settings.redis_url is not None,
        "organizations": len(config.organizations),
        "servers": sorts.count("server"),
        "environments": sorts.count("environment"),
        "checks": sorts.count("check"),
        "rules": len(config.rules),
        "channels": len(config.channels),
        "probes": list(probes.kinds()),
    }


def _connectors(config: Config) -> list[str]:
    told = [channel.name for channel in config.channels if channel.kind in channels.kinds()]
    hosts = {str(watch.config["ssh"]).rpartition("@")[2] for watch in config.watches if "ssh" in watch.config}
    hooks = (hook.name for hook in config.hooks)
    return sorted([*(parent.name for parent in config.netdata), *hosts, *told, *hooks])


@cache
def _entries() -> int:
    catalogue = files("web").joinpath("messages.json")
    return len(json.loads(catalogue.read_text("utf-8"))) if catalogue.is_file() else 0


@cache
def _dashboards() -> int:
    folder = files("deploy").joinpath("grafana")
    return sum(entry.name.endswith(".json") for entry in folder.iterdir()) if folder.is_dir() else 0
