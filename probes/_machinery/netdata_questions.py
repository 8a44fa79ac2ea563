"""What Netdata is asked: the paths of its API, and which of them a look needs."""

from urllib.parse import quote

from probes._machinery.netdata_answers import About
from probes._machinery.netdata_asking import Call, host_path
from probes._machinery.netdata_look import Look

METRICS = "/api/v1/allmetrics?format=json&filter=" + quote(
    "system.cpu system.ram disk_space._ disk_space./ system.net netdata.uptime"
    " cgroup_*.cpu cgroup_*.mem_usage cgroup_*.mem_usage_limit cgroup_*.net_*"
)
# Unaligned: an aligned window of ten seconds shows a load only up to ten seconds late.
_LOAD = "/api/v1/data?chart=system.cpu&after=-10&points=1&format=json&options=unaligned"
_LOADS = (
    "/api/v{}/data?contexts=system.cpu&after=-10&points=1&group_by=node,context,dimension"
    "&aggregation=sum&format=json2&options=minify,unaligned"
)
# The maximum: an average over the window would lag behind the uptime by half of it.
UPTIME = "/api/v1/data?chart=netdata.uptime&after=-10&points=1&group=max&format=json"
INFO, INFO_OF_PROTECTED = "/api/v1/info", "/api/v3/info"
CHART = "/api/v1/chart?chart=system.cpu"
_TRANSITIONS = "/api/v3/alert_transitions?scope_nodes={}&last=300&anchor_gi={}"

SHARED = 5.0
"""Seconds an answer serves all children of one parent."""


def calls(look: Look, about: About) -> dict[str, Call]:
    """The questions of a look at a server whose Netdata is known, by name, the metrics first."""
    host, facts = host_path(look.config), look.before.facts
    found = {"metrics": Call(host + METRICS)}
    if look.guid and about.api > 1:
        found["loads"] = Call(_LOADS.format(about.api), SHARED)  # of all children at once
    else:
        found["load"] = Call(host + _LOAD)
    if look.guid and not (look.before.was_ok and facts.get("netdata_version")):
        found["info"] = Call(host + INFO)
    if look.config.get("own_alarms", True):
        found["alarms"] = Call(_alarms_path(look, about, host))
    return found


def _alarms_path(look: Look, about: About, host: str) -> str:
    last = look.before.last_alert(about.api)
    guid = look.guid or about.guid
    if about.api == 3 and guid:
        return _TRANSITIONS.format(guid, last or 0)
    return f"{host}/api/v1/alarm_log" + ("" if last is None else f"?after={last}")
