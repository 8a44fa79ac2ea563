"""Signing in, by the API and by the page; what opens a door, what does not, and when it closes."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Iterator

import jwt
import pytest

from alerting.store import accounts, events, tokens
from alerting.store.database import reading
from tests.databases import database_url, store
from tests.web.team import NOW, PASSWORD, Api, Team, small_team, team
from web import callers

__all__ = ["database_url", "small_team", "store", "team"]

FORM = {"email": "alice@example.com", "password": PASSWORD}
OWN = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture(autouse=True)
def _quick_hashes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Real argon2, at its least: its cost is not what these tests are about."""
    from argon2 import PasswordHasher

    quick = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(accounts, "_hasher", lambda: quick)
    accounts._nobodys_hash.cache_clear()
    yield
    accounts._nobodys_hash.cache_clear()


def give_passwords(team: Team) -> None:
    with reading():
        for name in ("alice", "bob", "charlie"):
            accounts.put(f"{name}@example.com", NOW, password=PASSWORD)


def signed_in(team: Team, name: str = "alice") -> dict[str, str]:
    answer = team.client().post("/auth/login", {"email": f"{name}@example.com", "password": PASSWORD})
    assert answer.status_code == 200
    return dict(answer.json)


def bearer(team: Team, token: str) -> Api:
    api = team.client()
    api.headers = {"Authorization": f"Bearer {token}"}
    return api


def test_a_password_gives_tokens_that_open(team: Team) -> None:
    give_passwords(team)
    given = signed_in(team)
    assert (given["token_type"], given["expires_in"]) == ("Bearer", 3600)
    me = bearer(team, given["access_token"]).get("/auth/me").json
    assert me["email"] == "alice@example.com"
    assert me["organizations"][0]["id"] == "acme"
    assert me["expires_at"] == "2027-01-15T09:00:00.000Z"


@pytest.mark.parametrize(
    "wrong",
    [{"password": "wrong"}, {"email": "nobody@example.com"}, {"email": "not an address"}, {"password": "\ud800"}],
)
def test_a_wrong_address_and_a_wrong_password_look_the_same(small_team: Team, wrong: dict[str, str]) -> None:
    give_passwords(small_team)
    answer = small_team.client().post("/auth/login", {**FORM, **wrong})
    assert answer.status_code in (400, 401)
    if answer.status_code == 401:
        assert answer.json["detail"] == "the address or the password is wrong"


def test_an_unknown_address_costs_a_hash_too(small_team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    give_passwords(small_team)
    hashed: list[str | None] = []
    verifies = accounts.verifies
    monkeypatch.setattr(accounts, "verifies", lambda kept, given: hashed.append(kept) or verifies(kept, given))
    small_team.client().post("/auth/login", {**FORM, "email": "nobody@example.com"})
    assert hashed == [None]


def test_guessing_ends_after_ten(team: Team) -> None:
    give_passwords(team)
    login = team.client()
    for _ in range(10):
        assert login.post("/auth/login", {**FORM, "password": "guess"}).status_code == 401
    refused = login.post("/auth/login", FORM)
    assert refused.status_code == 429
    assert 0 < int(refused.headers["Retry-After"]) <= 900
    assert login.post("/auth/login", {**FORM, "email": "bob@example.com"}).status_code == 200
    team.now += 1000
    assert login.post("/auth/login", FORM).status_code == 200


def test_refresh_tokens_rotate_and_a_copy_ends_the_sign_in(team: Team) -> None:
    give_passwords(team)
    first, api = signed_in(team), team.client()
    second = api.post("/auth/refresh", {"refresh_token": first["refresh_token"]}).json
    assert bearer(team, second["access_token"]).get("/auth/me").status_code == 200
    assert api.post("/auth/refresh", {"refresh_token": first["refresh_token"]}).status_code == 401
    assert api.post("/auth/refresh", {"refresh_token": second["refresh_token"]}).status_code == 401
    assert bearer(team, second["access_token"]).get("/auth/me").status_code == 401


def test_signing_out_ends_both_tokens(team: Team) -> None:
    give_passwords(team)
    given, other = signed_in(team), signed_in(team)
    assert bearer(team, given["access_token"]).post("/auth/logout").status_code == 204
    assert bearer(team, given["access_token"]).get("/auth/me").status_code == 401
    assert team.client().post("/auth/refresh", {"refresh_token": given["refresh_token"]}).status_code == 401
    assert bearer(team, other["access_token"]).get("/auth/me").status_code == 200


def test_a_disabled_person_is_out_at_once(team: Team) -> None:
    give_passwords(team)
    given, token = signed_in(team), team.token("alice")
    with reading():
        accounts.disable("alice@example.com")
    assert bearer(team, given["access_token"]).get("/auth/me").status_code == 401
    assert bearer(team, token).get("/auth/me").status_code == 401
    assert team.client().post("/auth/refresh", {"refresh_token": given["refresh_token"]}).status_code == 401
    assert team.client().post("/auth/login", FORM).status_code == 401


def test_an_access_token_lasts_an_hour(small_team: Team) -> None:
    give_passwords(small_team)
    api = bearer(small_team, signed_in(small_team)["access_token"])
    small_team.now += 3599
    assert api.get("/auth/me").status_code == 200
    small_team.now += 1
    assert api.get("/auth/me").status_code == 401


def forged(team: Team) -> Iterator[str]:
    good = signed_in(team)["access_token"]
    key = team.app.extensions["vedette"].key_for("access token")
    claims = jwt.decode(
        good, key, algorithms=["HS256"], options={"verify_exp": False, "verify_iat": False}, audience="vedette"
    )
    yield jwt.encode(claims, "x" * 32, algorithm="HS256")
    yield jwt.encode(claims, None, algorithm="none")
    yield jwt.encode({**claims, "aud": "other"}, key, algorithm="HS256")
    yield jwt.encode({**claims, "iss": "other"}, key, algorithm="HS256")
    yield jwt.encode({**claims, "sub": "nobody"}, key, algorithm="HS256")
    yield jwt.encode({**claims, "sid": "nothing"}, key, algorithm="HS256")
    for missing in ("exp", "iat", "aud", "iss", "sub", "sid"):
        yield jwt.encode({name: value for name, value in claims.items() if name != missing}, key, algorithm="HS256")
    yield jwt.encode({**claims, "exp": "soon"}, key, algorithm="HS256")
    header, payload, signature = good.split(".")
    yield f"{header}.{urlsafe_b64encode(json.dumps(claims).encode()).decode()}.{signature}x"
    yield from (f"{header}.{payload}.", "a.b.c", "...", "vdt_", "vdt_" + "x" * 43, "é", "x" * 8000)


def test_no_forged_token_opens(small_team: Team) -> None:
    give_passwords(small_team)
    for token in forged(small_team):
        assert bearer(small_team, token).get("/auth/me").status_code == 401, token


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic YTpi", "Token x", "bearer  "])
def test_other_ways_to_authorize_are_not_known(small_team: Team, header: str) -> None:
    answer = small_team.client().get("/auth/me", headers={"Authorization": header})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_an_api_token_may_do_what_its_scopes_and_its_person_may(small_team: Team) -> None:
    assert small_team.client("alice", "locks.write").get("/locks").status_code == 403
    assert small_team.client("alice", "org.monitoring.view").get("/locks").status_code == 200
    assert (
        small_team.client("bob", "locks.write").post("/locks", {"app": "a", "screen": "s", "key": "K=1"}).status_code
        == 403
    )
    root = small_team.client("root", "org.monitoring.view").get("/auth/me").json
    assert (root["is_superuser"], root["permissions"]) == (False, ["org.monitoring.view"])


def test_an_organizations_token_sees_that_organization(small_team: Team) -> None:
    with reading():
        secret, _ = tokens.issue(
            "api", NOW, organization="acme", scopes=["org.monitoring.view", "logs.view"], name="crm"
        )
    me = bearer(small_team, secret).get("/auth/me").json
    assert (me["name"], me["email"], me["permissions"]) == ("crm", None, ["org.monitoring.view"])
    assert {check["id"] for check in bearer(small_team, secret).get("/monitoring/checks").json["items"]} == {"website"}


def test_a_ticket_opens_one_stream_for_whoever_asked(small_team: Team) -> None:
    give_passwords(small_team)
    given = signed_in(small_team)
    for api in (bearer(small_team, given["access_token"]), small_team.client("alice", "org.monitoring.view")):
        answer = api.post("/events/ticket")
        assert (answer.status_code, answer.json["expires_in"]) == (201, 30)
        with reading():
            caller = callers.of_ticket(answer.json["token"], small_team.now + 29)
            assert caller is not None
            assert (caller.name, caller.organizations) == ("alice@example.com", {"acme"})
            assert callers.of_ticket(answer.json["token"], small_team.now + 29) is None
    late = api.post("/events/ticket").json["token"]
    with reading():
        assert callers.of_ticket(late, small_team.now + 30) is None


def test_a_ticket_dies_with_what_it_was_made_by(small_team: Team) -> None:
    give_passwords(small_team)
    api = bearer(small_team, signed_in(small_team)["access_token"])
    ticket = api.post("/events/ticket").json["token"]
    api.post("/auth/logout")
    with reading():
        assert callers.of_ticket(ticket, small_team.now) is None
        secret, stored = tokens.issue("api", NOW, organization="acme", scopes=["org.monitoring.view"])
    ticket = bearer(small_team, secret).post("/events/ticket").json["token"]
    with reading():
        tokens.revoke(stored.id, NOW)
        assert callers.of_ticket(ticket, small_team.now) is None


def test_the_page_signs_in_with_a_cookie_no_script_reads(team: Team) -> None:
    give_passwords(team)
    page = team.page()
    answer = page.post("/sign-in?next=/monitoring", data=FORM, headers=OWN)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/monitoring")
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Secure" not in cookie
    assert page.get("/api/v1/auth/me").json["email"] == "alice@example.com"
    assert page.post("/sign-out", headers=OWN).status_code == 303
    assert page.get("/api/v1/auth/me").status_code == 401
    page.set_cookie("vedette_session", cookie.partition("=")[2].partition(";")[0])
    assert page.get("/api/v1/auth/me").status_code == 401


def test_behind_https_the_cookie_stays_there(small_team: Team) -> None:
    from dataclasses import replace

    give_passwords(small_team)
    vedette = small_team.app.extensions["vedette"]
    vedette.settings = replace(vedette.settings, base_url="https://watch.example.com")
    assert "Secure" in small_team.page().post("/sign-in", data=FORM).headers["Set-Cookie"]


def test_a_wrong_password_shows_the_form_again(small_team: Team) -> None:
    give_passwords(small_team)
    answer = small_team.page().post("/sign-in", data={**FORM, "password": "wrong"})
    assert answer.status_code == 401
    assert "the address or the password is wrong" in answer.text
    assert "alice@example.com" in answer.text
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(
    "elsewhere", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:x", "evil"]
)
def test_signing_in_leads_nowhere_else(small_team: Team, elsewhere: str) -> None:
    give_passwords(small_team)
    answer = small_team.page().post("/sign-in", query_string={"next": elsewhere}, data=FORM)
    assert answer.headers["Location"] == "/"


def test_a_link_signs_in_once(team: Team) -> None:
    with reading():
        link = accounts.first_link(NOW)
    page = team.page()
    assert page.head(f"/sign-in/{link}").status_code == 204
    assert page.get(f"/sign-in/{link}", headers={"Sec-Purpose": "prefetch;prerender"}).status_code == 204
    assert page.get(f"/sign-in/{link}").status_code == 303
    assert page.get("/api/v1/auth/me").json["is_superuser"]
    again = team.page().get(f"/sign-in/{link}")
    assert again.status_code == 401
    assert "used already" in again.text
    assert "Set-Cookie" not in again.headers


def test_a_forged_cookie_does_not_open(small_team: Team) -> None:
    with reading():
        secret, _ = tokens.issue("session", NOW, user=small_team.people["alice"].id)
    for value in (secret, f"{secret}.x", "", ".", "é", "x" * 3000):
        page = small_team.page()
        page.set_cookie("vedette_session", value)
        assert page.get("/api/v1/auth/me").status_code == 401


CROSS = (
    {},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Referer": "https://evil.example/x"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"},
    {"Sec-Fetch-Site": "same-site"},
    {"Origin": "http://localhost.evil.example"},
    {"Origin": "http://[", "Referer": "http://localhost/"},
)
SAME = ({"Sec-Fetch-Site": "same-origin"}, {"Origin": "http://localhost"}, {"Referer": "http://localhost/monitoring"})


@pytest.mark.parametrize(("headers", "status"), [*((one, 403) for one in CROSS), *((one, 201) for one in SAME)])
def test_another_site_cannot_use_the_cookie(small_team: Team, headers: dict[str, str], status: int) -> None:
    give_passwords(small_team)
    page = small_team.page()
    page.post("/sign-in", data=FORM)
    answer = page.post("/api/v1/locks", json={"app": "a", "screen": "s", "key": "K=1"}, headers=headers)
    assert answer.status_code == status
    assert page.get("/api/v1/locks", headers=headers).status_code == 200


def test_another_site_cannot_sign_anybody_in(small_team: Team) -> None:
    give_passwords(small_team)
    assert small_team.page().post("/sign-in", data=FORM, headers={"Origin": "https://evil.example"}).status_code == 403


def test_open_pages_hear_of_it(small_team: Team) -> None:
    import schemas

    give_passwords(small_team)
    page = small_team.page()
    page.post("/sign-in", data=FORM)
    page.post("/sign-out", headers=OWN)
    with reading():
        told = [(event.type, event.organization, json.loads(event.data)) for event in events.after(0)]
    assert [(kind, where, data["change"]) for kind, where, data in told] == [
        ("session.changed", "acme", "signed_in"),
        ("session.changed", "acme", "signed_out"),
    ]
    assert all(schemas.faults("events/session.changed", data) == [] for *_, data in told)
