"""People and their tokens, on both databases."""

import threading
from collections.abc import Iterator

import pytest

from alerting.store import accounts, tokens
from alerting.store.accounts import AccountError
from alerting.store.database import reading
from tests.databases import database_url, store

__all__ = ["database_url", "store"]

NOW = 1_800_000_000.0


@pytest.fixture(autouse=True)
def _open(store: str) -> Iterator[None]:
    with reading():
        yield


def test_an_address_is_kept_in_one_form() -> None:
    alice = accounts.put("  Alice@Example.COM ", NOW)
    assert alice.email == "alice@example.com"
    assert accounts.by_email("ALICE@example.com") == alice
    assert accounts.put("alice@example.com", NOW + 5).id == alice.id


@pytest.mark.parametrize("email", ["", "alice", "a b@example.com", "@", "a@b@c", "a\0@b", "x" * 300 + "@example.com"])
def test_what_is_no_address_is_refused(email: str) -> None:
    with pytest.raises(AccountError, match="expected an email address"):
        accounts.put(email, NOW)
    assert accounts.by_email(email) is None


def test_a_password_opens_and_another_does_not() -> None:
    alice = accounts.put("alice@example.com", NOW, password="correct horse")
    hashed = accounts.password_hash(alice)
    assert hashed is not None
    assert hashed.startswith("$argon2id$")
    assert accounts.verifies(hashed, "correct horse")
    assert not accounts.verifies(hashed, "correct horsf")
    assert not accounts.verifies(None, "correct horse")


def test_whoever_has_no_password_cannot_use_one() -> None:
    bob = accounts.put("bob@example.com", NOW)
    assert accounts.password_hash(bob) is None
    assert not accounts.verifies(accounts.password_hash(bob), "")


@pytest.mark.parametrize("password", ["", "x" * 1025])
def test_an_impossible_password_is_refused(password: str) -> None:
    with pytest.raises(AccountError, match="1 to 1024"):
        accounts.put("alice@example.com", NOW, password=password)
    assert accounts.everybody() == []


def test_putting_again_changes_what_is_given_and_keeps_the_rest() -> None:
    alice = accounts.put("alice@example.com", NOW, is_superuser=True, password="first")
    before = accounts.password_hash(alice)
    again = accounts.put("alice@example.com", NOW)
    assert again.is_superuser
    assert accounts.password_hash(again) == before
    assert accounts.disable("Alice@example.com")
    disabled = accounts.by_email("alice@example.com")
    assert disabled is not None
    assert not disabled.is_active
    assert accounts.put("alice@example.com", NOW).is_active
    assert not accounts.disable("nobody@example.com")


def test_roles_are_one_an_organization() -> None:
    alice = accounts.put("alice@example.com", NOW)
    accounts.join(alice, "acme", "viewer")
    accounts.join(alice, "acme", "owner")
    accounts.join(alice, "globex", "viewer")
    found = accounts.get(alice.id)
    assert found is not None
    assert found.roles == {"acme": "owner", "globex": "viewer"}
    with pytest.raises(AccountError, match="unknown role 'king'"):
        accounts.join(alice, "acme", "king")


def test_a_viewer_may_look_and_nothing_else() -> None:
    assert all("view" in permission for permission in accounts.ROLES["viewer"])
    assert all("logs.view" not in granted for granted in accounts.ROLES.values())


def test_permissions_go_by_their_aliases() -> None:
    assert accounts.permissions(["monitoring:view", "locks.write"]) == {"org.monitoring.view", "locks.write"}
    with pytest.raises(AccountError, match=r"unknown: fly; there are .*locks\.write"):
        accounts.permissions(["fly"])


def test_no_secret_is_kept() -> None:
    from alerting.store.models import Token

    secret, stored = tokens.issue("api", NOW, organization="acme", scopes=["locks.write"], name="crm")
    assert secret.startswith("vdt_")
    assert len(secret) >= 46
    assert secret not in str(list(Token.select().dicts()))
    assert tokens.find("api", secret, NOW) == stored
    assert tokens.find("refresh", secret, NOW) is None
    assert tokens.find("api", secret + "x", NOW) is None


def test_a_token_ends_at_its_time() -> None:
    secret, _ = tokens.issue("api", NOW, organization="acme", lifetime=60)
    assert tokens.find("api", secret, NOW + 59.9) is not None
    assert tokens.find("api", secret, NOW + 60) is None


def test_a_revoked_token_is_dead_and_stays_listed() -> None:
    secret, stored = tokens.issue("api", NOW, organization="acme")
    assert tokens.revoke(stored.id, NOW)
    assert not tokens.revoke(stored.id, NOW)
    assert tokens.find("api", secret, NOW) is None
    assert [one.revoked_at for one in tokens.api_tokens()] == [NOW]


def test_use_is_noted_once_a_minute() -> None:
    secret, stored = tokens.issue("api", NOW, organization="acme")
    for after, noted in ((1, 1), (60, 1), (61, 61), (300, 300)):
        found = tokens.find("api", secret, NOW)
        assert found is not None
        tokens.note_use(found, NOW + after)
        again = tokens.get(stored.id)
        assert again is not None
        assert again.used_at == NOW + noted


@pytest.mark.parametrize(("kind", "lifetime"), [("link", 3600), ("ticket", 30)])
def test_what_may_be_used_once_is(kind: tokens.Kind, lifetime: float) -> None:
    secret, stored = tokens.issue(kind, NOW, user="u1")
    late, _ = tokens.issue(kind, NOW, user="u1")
    spent = tokens.spend(kind, secret, NOW + lifetime - 1)
    assert spent is not None
    assert spent.id == stored.id
    assert tokens.spend(kind, secret, NOW + lifetime - 1) is None
    assert tokens.spend(kind, late, NOW + lifetime) is None


def test_only_one_of_many_at_once_spends_a_link() -> None:
    secret, _ = tokens.issue("link", NOW, user="u1")
    won: list[str] = []

    def try_it() -> None:
        with reading():
            if tokens.spend("link", secret, NOW) is not None:
                won.append("me")

    threads = [threading.Thread(target=try_it) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert won == ["me"]


def test_refresh_tokens_are_rotated() -> None:
    first, stored = tokens.issue("refresh", NOW, user="u1")
    rotated = tokens.rotate(first, NOW + 10)
    assert rotated is not None
    assert rotated[0] != first
    assert rotated[1].family == stored.family
    assert not tokens.family_ended(str(stored.family))


def test_a_spent_refresh_token_ends_the_whole_sign_in() -> None:
    first, stored = tokens.issue("refresh", NOW, user="u1")
    other, _ = tokens.issue("refresh", NOW, user="u1")
    second = tokens.rotate(first, NOW)
    assert second is not None
    with pytest.raises(tokens.Reused):
        tokens.rotate(first, NOW)
    assert tokens.rotate(second[0], NOW) is None
    assert tokens.family_ended(str(stored.family))
    assert tokens.rotate(other, NOW) is not None


def test_a_refresh_token_ends_after_14_days() -> None:
    first, _ = tokens.issue("refresh", NOW, user="u1")
    assert tokens.rotate(first, NOW + 14 * 86400) is None
    assert tokens.rotate("no such token", NOW) is None


def test_failures_are_counted_whoever_counts_them() -> None:
    waits = [tokens.attempt("alice 1.2.3.4", NOW + second) for second in range(12)]
    assert waits[:10] == [None] * 10
    assert all(wait is not None for wait in waits[10:])
    assert tokens.attempt("bob 1.2.3.4", NOW) is None
    assert tokens.attempt("alice 1.2.3.4", NOW + 2000) is None


def test_success_forgets_the_failures() -> None:
    for _ in range(10):
        tokens.attempt("alice 1.2.3.4", NOW)
    tokens.succeeded("alice 1.2.3.4")
    assert tokens.attempt("alice 1.2.3.4", NOW) is None


def test_pruning_keeps_what_can_still_be_used() -> None:
    old, _ = tokens.issue("link", NOW, user="u1")
    young, _ = tokens.issue("refresh", NOW, user="u1")
    api, _ = tokens.issue("api", NOW, organization="acme", lifetime=60)
    tokens.attempt("alice", NOW)
    assert tokens.prune(NOW + 3 * 86400) == 2
    assert tokens.find("refresh", young, NOW) is not None
    assert tokens.find("api", api, NOW) is not None
    assert tokens.spend("link", old, NOW) is None


def test_the_first_link_is_for_a_superuser() -> None:
    link = accounts.first_link(NOW)
    spent = tokens.spend("link", link, NOW)
    assert spent is not None
    (admin,) = accounts.everybody()
    assert (admin.id, admin.is_superuser) == (spent.user, True)
    accounts.put("bob@example.com", NOW)
    accounts.first_link(NOW + 1)
    assert len(accounts.everybody()) == 2
