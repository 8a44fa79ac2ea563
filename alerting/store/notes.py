"""What people wrote about alerts."""

from dataclasses import dataclass

from alerting.store.database import transaction
from alerting.store.models import Alert
from alerting.store.models import Note as NoteRow


@dataclass(frozen=True, slots=True)
class Note:
    """A note: by whom, when (epoch seconds), and the text as it was written."""

    id: int
    at: float
    by: str
    text: str


def add(alert_id: int, text: str, by: str, now: float) -> Note:
    """Write one down."""
    with transaction():
        return Note(NoteRow.insert(alert=alert_id, at=now, by=by, text=text).execute(), now, by, text)


def of_alert(alert_id: int) -> list[Note]:
    """The notes of an alert, in the order they were written."""
    rows = NoteRow.select().where(NoteRow.alert == alert_id).order_by(NoteRow.id)
    return [Note(row.id, row.at, row.by, row.text) for row in rows]


def count(alert_id: int) -> int:
    """How many an alert has."""
    return int(NoteRow.select().where(NoteRow.alert == alert_id).count())


def prune() -> int:
    """Delete the notes whose alert is no more; how many."""
    return int(NoteRow.delete().where(NoteRow.alert.not_in(Alert.select(Alert.id))).execute())
