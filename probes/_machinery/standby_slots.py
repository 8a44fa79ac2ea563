"""What replication slots do to a standby and to its primary's disk, in words."""

from collections.abc import Iterator, Sequence

from probes._machinery.standby import MIB, Slot, Standby, View
from probes._machinery.standby_memory import Memory
from probes._machinery.standby_words import literal, size

_IDLE_MAY_KEEP = 16 * MIB  # a segment: as much as comes together while a standby restarts


def slot_of(standbys: Sequence[Standby], slots: Sequence[Slot], named: str | None) -> Slot | None:
    """The slot the standbys use; without any, the one `named`."""
    names = {one.slot for one in standbys if one.slot} or ({named} if named else set())
    return next((slot for slot in slots if slot.name in names), None)


def left_behind(slot: Slot | None, slots: Sequence[Slot]) -> str:
    """What is to be said of the slot of a standby that is not there, after a name; of lost ones where it is unknown."""
    if slot is None:
        lost = ", ".join(repr(one.name) for one in slots if one.wal_status == "lost")
        return f"; a slot is lost ({lost}): a standby that used it must be rebuilt (pg_basebackup)" if lost else ""
    if slot.wal_status == "lost":
        return (
            f", and its slot {slot.name!r} is lost: it cannot come back by itself and must be rebuilt (pg_basebackup)"
        )
    kept = "" if slot.retained_bytes is None else f"; its slot {slot.name!r} keeps {size(slot.retained_bytes)} of WAL"
    return kept + ("" if slot.safe_bytes is None else f", {_left(slot.safe_bytes)}")


def risks(seen: View, named: str | None, before: Memory) -> Iterator[str]:
    """What is amiss with slots: the standby's own about to lose its WAL, and those that fill the disk for nobody."""
    own = slot_of(seen.standbys, seen.slots, named or before.slot)
    if seen.standbys and own is not None and own.wal_status in ("unreserved", "lost"):
        yield f"its slot {own.name!r} may lose the WAL it needs (wal_status {own.wal_status})"
    for slot in seen.slots:
        if slot != own and _is_orphan(slot, before):
            yield _orphan(slot)


def _is_orphan(slot: Slot, before: Memory) -> bool:
    """Whether nobody has used it for two looks, and it keeps WAL all the same."""
    if slot.active or not slot.is_lasting or (slot.retained_bytes or 0) <= _IDLE_MAY_KEEP:
        return False
    return before.at is None or slot.name in before.idle


def _orphan(slot: Slot) -> str:
    limit = "without limit" if slot.safe_bytes is None else _left(slot.safe_bytes)
    remedy = f"SELECT pg_drop_replication_slot({literal(slot.name)})"
    kept = size(slot.retained_bytes)
    return f"slot {slot.name!r}, which nobody uses, keeps {kept} of WAL, {limit}; if nobody comes back for it: {remedy}"


def _left(safe_bytes: int) -> str:
    return f"{size(max(0, safe_bytes))} more until it is lost"
