"""What Redis refuses, in words, with what to do about it."""

from collections.abc import Sequence

# In this order: the first whose sign is in the text wins.
_SENTENCES: Sequence[tuple[str, str, str]] = (
    ("WRONGPASS", "auth", "Redis refused the user or the password"),
    ("invalid password", "auth", "Redis refused the password"),
    ("called without any password", "auth", "Redis has no password for this user, and the check gives one"),
    ("NOAUTH", "auth", "Redis wants a password, and the check gives none"),
    ("NOPERM", "privilege", "the user may not do this (NOPERM); grant +ping +info +@read by ACL SETUSER"),
    ("LOADING", "loading", "Redis is loading its data and answers nothing yet"),
    ("MISCONF", "misconf", "Redis takes no writes, for its last snapshot could not be saved (MISCONF); see its disk"),
    ("READONLY", "readonly", "Redis is a replica that takes no writes (READONLY)"),
    ("MASTERDOWN", "masterdown", "the replica has lost its master and does not answer (MASTERDOWN)"),
    ("protected mode", "protected", "Redis is in protected mode: without a password it answers its own machine alone"),
    ("max number of clients", "too_many", "Redis has no connection left (maxclients)"),
    ("BUSY", "busy", "Redis is busy with a script that does not end (BUSY); SCRIPT KILL ends it"),
    ("CLUSTERDOWN", "clusterdown", "the cluster is down: not all of its slots are served (CLUSTERDOWN)"),
    ("MOVED", "moved", "the key lives on another node of the cluster (MOVED)"),
    ("DB index", "database", "Redis has no database of that number"),
    ("Protocol Error", "protocol", "what answers there is no Redis"),
    ("Connection closed", "broken", "the server closed the connection without an answer"),
    ("Connection reset", "broken", "the other side reset the connection"),
)


def in_words(text: str) -> tuple[str, str]:
    """A sentence and its class, for what Redis or its library said."""
    for sign, error_class, sentence in _SENTENCES:
        if sign in text:
            return sentence, error_class
    return f"Redis refused: {' '.join(text.split())[:200]}", "refusal"
