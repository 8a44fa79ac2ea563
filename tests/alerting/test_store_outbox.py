"""The outbox: a row is one process's until its lease ends, and in a channel nothing overtakes what came before it."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from alerting.config import Severity
from alerting.lifecycle import Alert, resolve
from alerting.routing import Due
from alerting.store import alerts, channel_states, outbox
from alerting.store.channel_states import State
from alerting.store.database import reading, transaction
from alerting.store.models import Notification
from alerting.store.outbox import LEASE, Claim
from tests.alerting import racing
from tests.alerting.heart import NOW


@pytest.fixture(autouse=True)
def _open(store: str) -> Iterator[None]:
    with reading():
        yield


def alert(number: int = 1, severity: Severity = "critical") -> Alert:
    made = Alert(
        f"custom:thing-{number}:status", "acme", "custom", f"check/thing-{number}", "status", "Rule", severity,
        f"Thing {number}", "", NOW, NOW, NOW,
    )  # fmt: skip
    with transaction():
        return alerts.save(made)


def put(one: Alert, reason: str = "triggered", channel: str = "ops", due: float = 0, change: str = "") -> None:
    with transaction():
        outbox.enqueue(one, [Due(channel, reason, change or reason, NOW + due)], NOW)  # type: ignore[arg-type]


def claim(at: float = 0, owner: str = "me", channel: str = "ops", crowd: int = 9, most: int = 9) -> list[Claim]:
    with transaction():
        return outbox.claim(channel, owner, NOW + at, crowd=crowd, most=most)


def deliver(claims: Sequence[Claim], at: float = 0) -> None:
    with transaction():
        outbox.delivered(claims, None, NOW + at)


def fail(claims: Sequence[Claim], at: float = 0, wait: float = 60, maybe_told: bool = True) -> None:
    with transaction():
        outbox.failed(claims, "http_500", NOW + at + wait, maybe_told, plain=False)


def drop_waiting(one: Alert, at: float = 0) -> None:
    with transaction():
        outbox.drop([row.id for row in outbox.waiting(one.fingerprint)], "overtaken", NOW + at)


def due(at: float = 0) -> list[str]:
    return sorted(outbox.due_channels(NOW + at))


def reasons(claims: Sequence[Claim]) -> list[str]:
    return [one.reason for one in claims]


def test_a_row_is_due_at_its_moment_and_claimed_once() -> None:
    put(alert(), due=30)
    assert (due(29), claim(29)) == ([], [])
    assert due(30) == ["ops"]
    (mine,) = claim(30)
    assert (mine.reason, mine.attempts, mine.repeated) == ("triggered", 1, False)
    assert (due(31), claim(31, "another")) == ([], [])


def test_a_delivered_row_is_done_and_the_ledger_knows() -> None:
    one = alert()
    put(one)
    deliver(claim(), 1)
    told = outbox.told(one.fingerprint)["ops"]
    assert (told.state, told.alert, told.severity, told.triggered_at) == ("triggered", one.id, "critical", NOW + 1)
    assert (due(1000), claim(1000), outbox.oldest_waiting(NOW + 1000)) == ([], [], None)


def test_the_ledger_keeps_when_a_trigger_was_told_last() -> None:
    one = alert()
    put(one)
    deliver(claim(), 1)
    put(one, "resolved")
    deliver(claim(2), 2)
    told = outbox.told(one.fingerprint)["ops"]
    assert (told.state, told.triggered_at) == ("resolved", NOW + 1)


def test_a_change_is_one_row_a_channel_however_often_it_is_put() -> None:
    one = alert()
    put(one)
    put(one)
    put(one, channel="mail")
    assert [len(claim(channel=channel, crowd=1)) for channel in ("ops", "mail")] == [1, 1]


def test_after_a_crash_the_lease_ends_and_the_row_is_repeated_and_says_so() -> None:
    put(alert())
    claim()
    assert (due(LEASE - 1), claim(LEASE - 1, "another")) == ([], [])
    assert due(LEASE + 1) == ["ops"]
    (again,) = claim(LEASE + 1, "another")
    assert (again.attempts, again.repeated) == (2, True)


@pytest.mark.parametrize(("maybe_told", "repeated"), [(True, True), (False, False)])
def test_a_failed_row_waits_and_is_marked_where_it_may_have_arrived(maybe_told: bool, repeated: bool) -> None:
    put(alert())
    fail(claim(), maybe_told=maybe_told)
    assert (due(59), claim(59)) == ([], [])
    (again,) = claim(60)
    assert (again.attempts, again.repeated) == (2, repeated)


def test_what_may_have_arrived_once_stays_marked() -> None:
    put(alert())
    fail(claim())
    fail(claim(60), at=60, maybe_told=False)
    assert claim(120)[0].repeated


def test_the_worst_goes_first_then_the_oldest() -> None:
    for number, severity in enumerate(("info", "warning", "critical", "critical")):
        put(alert(number, severity))  # type: ignore[arg-type]
    order = []
    for _ in range(4):
        claims = claim()
        order.append(claims[0].fingerprint)
        deliver(claims)
    assert order == [f"custom:thing-{number}:status" for number in (2, 3, 1, 0)]


def test_what_may_wait_leaves_one_by_one() -> None:
    for number in range(5):
        put(alert(number))
    assert len(claim(crowd=4, most=3)) == 1


def test_more_than_may_wait_leave_as_one_up_to_a_limit() -> None:
    for number in range(5):
        put(alert(number))
    assert len(claim(crowd=2, most=3)) == 3


def put_grouped(one: Alert, group: str | None = None, digest: bool = False) -> None:
    with transaction():
        outbox.enqueue(one, [Due("ops", "triggered", "triggered", NOW, digest, group)], NOW)


def test_a_group_leaves_as_one_and_alone() -> None:
    for number, group in enumerate(("server a", "server b", "server a", None)):
        put_grouped(alert(number), group)
    assert [len(claim()), 0] == [2, 0]


def test_a_digest_leaves_as_one_and_without_what_cannot_wait() -> None:
    put_grouped(alert(1, "info"), digest=True)
    put_grouped(alert(2))
    put_grouped(alert(3, "info"), digest=True)
    first = claim()
    deliver(first)
    assert [len(first), len(claim(at=2))] == [1, 2]


def test_what_is_held_says_nothing_but_its_end() -> None:
    one, other = alert(1), alert(2)
    put(one)
    put(other, "resolved")
    with transaction():
        assert [row[1] for row in outbox.holdable(NOW)] == [one.id]
        claims = outbox.claim("ops", "me", NOW, held={one.id, other.id})
    assert reasons(claims) == ["resolved"]


def test_an_end_never_overtakes_its_beginning() -> None:
    one = alert(severity="info")
    put(one)
    fail(claim(), wait=600)
    put(replace(one, severity="critical"), "resolved")
    assert (due(10), claim(10, crowd=1)) == ([], [])
    assert reasons(claim(600, crowd=1)) == ["triggered"]


def test_a_channel_whose_rows_all_wait_behind_another_is_not_due() -> None:
    one = alert()
    put(one, due=600)
    put(one, "resolved")
    assert (due(10), claim(10)) == ([], [])


def test_a_new_alert_waits_for_the_end_of_the_one_before_it() -> None:
    first = alert()
    put(first, "resolved")
    with transaction():
        alerts.save(resolve(first, NOW, None))
    second = alert()
    put(second)
    assert reasons(claim(crowd=1)) == ["resolved"]


def test_another_alerts_row_does_not_wait() -> None:
    put(alert(1), due=600)
    put(alert(2))
    assert [one.fingerprint for one in claim(10)] == ["custom:thing-2:status"]


def test_channels_do_not_wait_for_one_another() -> None:
    one = alert()
    put(one)
    put(one, channel="mail")
    claim()
    assert due() == ["mail"]
    assert len(claim(channel="mail")) == 1


def test_a_dropped_row_is_never_sent() -> None:
    one = alert()
    put(one)
    drop_waiting(one)
    assert (due(), claim(), outbox.waiting(one.fingerprint)) == ([], [], [])


def test_what_is_under_way_when_it_is_dropped_is_not_overtaken() -> None:
    one = alert()
    put(one)
    under_way = claim()
    drop_waiting(one, 1)
    put(one, "resolved")
    assert (due(2), claim(2, "another")) == ([], [])
    deliver(under_way, 3)
    assert outbox.told(one.fingerprint)["ops"].state == "triggered"
    assert reasons(claim(4, "another")) == ["resolved"]


def test_what_was_dropped_under_way_and_failed_gives_way_at_once() -> None:
    one = alert()
    put(one)
    under_way = claim()
    drop_waiting(one, 1)
    put(one, "resolved")
    fail(under_way, 2)
    assert reasons(claim(3)) == ["resolved"]


def test_what_was_dropped_under_way_before_a_crash_gives_way_with_its_lease() -> None:
    one = alert()
    put(one)
    claim()
    drop_waiting(one, 1)
    put(one, "resolved")
    assert claim(LEASE - 1) == []
    assert reasons(claim(LEASE + 1)) == ["resolved"]


def test_a_channel_that_must_be_silent_is_not_due_and_another_is() -> None:
    one = alert()
    put(one)
    put(one, channel="mail")
    with transaction():
        channel_states.put("ops", State(not_before=NOW + 30))
    assert due(29) == ["mail"]
    assert due(30) == ["mail", "ops"]
    assert outbox.held_by_pace(NOW + 29.5, longest=1.0)
    assert not outbox.held_by_pace(NOW + 20, longest=1.0)


@pytest.mark.parametrize(("arrived", "begins"), [("yes", False), ("maybe", False), ("no", True)])
def test_a_message_begins_its_thread_unless_another_may_have_reached_the_channel(arrived: str, begins: bool) -> None:
    one = alert()
    put(one)
    (first,) = claim()
    assert outbox.begins_thread(first)
    if arrived == "yes":
        deliver([first])
    else:
        fail([first], maybe_told=arrived == "maybe")
        drop_waiting(one)
    put(one, "resolved")
    (second,) = claim(100)
    assert outbox.begins_thread(second) == begins
    put(one, channel="mail")
    assert outbox.begins_thread(claim(channel="mail")[0])


def test_when_the_next_row_is_due_is_known() -> None:
    assert outbox.next_due(NOW) is None
    put(alert(1), due=60)
    put(alert(2), due=30)
    assert outbox.next_due(NOW) == NOW + 30


def status_of(change: str) -> str:
    return str(Notification.get(Notification.change == change).status)


def test_a_channel_that_is_back_says_the_end_of_what_it_was_told() -> None:
    one = alert()
    put(one)
    deliver(claim())
    put(one, "resolved")
    with transaction():
        outbox.dead(claim(), "the channel is gone", NOW)
        alerts.save(resolve(one, NOW, None))
    assert claim(100) == []
    with transaction():
        outbox.revive(["mail"])
    assert claim(100) == []
    with transaction():
        outbox.revive(["ops"])
    assert reasons(claim(100)) == ["resolved"]


def test_a_channel_that_is_back_says_what_is_still_open_and_nothing_that_is_over() -> None:
    still, over = alert(1), alert(2)
    put(still, change="still")
    put(over, change="over")
    put(over, "resolved", change="end")
    with transaction():
        outbox.dead([*claim(crowd=1)], "the channel is gone", NOW)
        outbox.dead([*claim(crowd=1)], "the channel is gone", NOW)
        alerts.save(resolve(over, NOW, None))
        outbox.revive(["ops"])
    assert [status_of(change) for change in ("still", "over", "end")] == ["pending", "dead", "dead"]


@pytest.mark.timeout(180)
def test_six_processes_never_claim_a_row_twice_and_keep_the_order_of_each_trouble(store: str) -> None:
    channels = ["ops", "mail", "boss"]
    changes = ("triggered", "escalated", "resolved")
    for number in range(12):
        one = alert(number)
        for change in changes:
            for channel in channels:
                put(one, "triggered", channel, change=change)
    at = time.time() + 3.0
    results = racing.race(racing.drain_outbox, [(store, at, f"p{n}", NOW, channels) for n in range(6)], 150.0)
    claimed = sorted((when, row) for result in results for row, when in result)
    assert len(claimed) == len({row for _, row in claimed}) == 12 * len(changes) * len(channels)
    rows = {row.id: (row.fingerprint, row.channel) for row in Notification.select()}
    for trouble in set(rows.values()):
        order = [row for _, row in claimed if rows[row] == trouble]
        assert order == sorted(order)
    assert sum(1 for result in results if result) > 1, "one process did everything: nobody raced"
