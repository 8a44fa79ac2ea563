"""What sort of failure an error of PostgreSQL is, by its SQLSTATE or, where connecting gives none, by its text."""

from collections.abc import Sequence

_STATES: Sequence[tuple[str, str]] = (
    ("28", "auth"),
    ("42501", "privilege"),
    ("42883", "undefined"),
    ("42703", "undefined"),
    ("55000", "not_primary"),
    ("25006", "not_primary"),
    ("57P03", "starting"),
    ("53300", "too_many"),
    ("3D000", "database"),
    ("57014", "timeout"),
    ("57P", "terminated"),
    ("08", "terminated"),
)

# In this order: the first that is found in the text wins. While connecting, PostgreSQL's code never reaches the client.
_TEXTS: Sequence[tuple[str, str]] = (
    ("too many open files", "own"),
    ("could not create socket", "own"),
    ("cannot assign requested address", "own"),
    ("cannot allocate memory", "own"),
    ("can't start new thread", "own"),
    ("temporary failure in name resolution", "resolver"),
    ("failed to resolve host", "dns"),
    ("could not translate host name", "dns"),
    ("name or service not known", "dns"),
    ("timeout expired", "timeout"),
    ("timed out", "timeout"),
    ("no answer within", "timeout"),
    ("too many c", "too_many"),
    ("connection slots are reserved", "too_many"),
    ("password authentication failed", "auth"),
    ("no password supplied", "auth"),
    ("pg_hba.conf", "auth"),
    ("is not permitted to log in", "auth"),
    ("authentication failed", "auth"),
    ('role "', "auth"),
    ("permission denied", "privilege"),
    ("in hot standby mode", "not_primary"),
    ("recovery is in progress", "not_primary"),
    ("is shutting down", "starting"),
    ("is starting up", "starting"),
    ("not accepting connections", "starting"),
    ("in recovery mode", "starting"),
    ("not yet accepting connections", "starting"),
    ("does not support ssl", "tls"),
    ("ssl error", "tls"),
    ("certificate", "tls"),
    ("does not exist", "database"),
    ("the dsn cannot be read", "database"),
    ("connection refused", "refused"),
    ("no such file or directory", "refused"),
    ("network is unreachable", "unreachable"),
    ("no route to host", "unreachable"),
    ("terminating connection", "terminated"),
    ("server closed the connection", "terminated"),
    ("connection is closed", "terminated"),
    ("consuming input failed", "terminated"),
    ("connection is lost", "terminated"),
)

REMEDIES = {
    "refused": "is PostgreSQL running there, and does it listen on that address and port?",
    "unreachable": "is there a way from here to that network?",
    "dns": "is the host's name right?",
    "resolver": "this machine's name servers do not answer",
    "own": "this machine lacks something itself",
    "timeout": "the server may be frozen, overloaded or cut off",
    "auth": "check the user, the password and pg_hba.conf",
    "privilege": "run: GRANT pg_monitor TO the monitoring role",
    "not_primary": "point the DSN at the primary",
    "starting": "PostgreSQL is starting or stopping",
    "too_many": "the server has no connection left for monitoring",
    "database": "check the database's name in the DSN",
    "tls": "check sslmode and the certificates",
    "undefined": "is the name right, and does this version of PostgreSQL have it?",
    "terminated": "the server ended the connection",
}
"""error class → what to do about it, for a message."""


def classify(sqlstate: str | None, text: str) -> str:
    """refused, unreachable, dns, timeout, auth, privilege, not_primary, starting, too_many, database, tls, terminated,
    own and resolver where the trouble is this machine's, or other.
    """
    if sqlstate:
        return next((name for prefix, name in _STATES if sqlstate.startswith(prefix)), "other")
    lowered = text.lower()
    return next((name for part, name in _TEXTS if part in lowered), "other")
