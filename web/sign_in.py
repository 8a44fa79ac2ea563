"""Signing in on the page: by address and password, by a one-time link; and signing out."""

from urllib.parse import urlsplit

from flask import Blueprint, Response, make_response, redirect, render_template, request

from alerting.store import accounts, tokens
from alerting.store.accounts import Person
from alerting.store.database import reading
from web import auth, passwords
from web.errors import Problem
from web.state import now

blueprint = Blueprint("sign_in", __name__)

_NO_STORE = {"Cache-Control": "no-store"}


@blueprint.get("/sign-in")
def form() -> Response:
    """The form."""
    return _form()


@blueprint.post("/sign-in")
def by_password() -> Response:
    """Take the form: back to where the person wanted to go, or to the form again with what was wrong."""
    if not auth.from_own_page(without_origin=True):
        raise Problem(403, "sign in on this server's own page")
    email, password = request.form.get("email", ""), request.form.get("password", "")
    try:
        person = passwords.signed_in(email, password)
    except Problem as problem:
        return _form(problem, email)
    return _signed_in(person)


@blueprint.get("/sign-in/<link>")
def by_link(link: str) -> Response:
    """Take a one-time link. A browser that only looks ahead does not spend it, nor does a HEAD."""
    if request.method == "HEAD" or "prefetch" in request.headers.get("Sec-Purpose", ""):
        return Response(status=204, headers=_NO_STORE)
    with reading():
        spent = tokens.spend("link", link, now())
        person = None if spent is None else accounts.get(str(spent.user))
    if person is None or not person.is_active:
        return _form(Problem(401, "this link was used already, or is too old"))
    return _signed_in(person)


@blueprint.post("/sign-out")
def sign_out() -> Response:
    """End the session, here and on the server."""
    caller = auth.check(auth.SIGNED_IN)
    with reading():
        if caller.session is not None:
            tokens.end_family(caller.session, now())
        if caller.user is not None and (person := accounts.get(caller.user)) is not None:
            passwords.announce(person, "signed_out")
    response = _to("/sign-in")
    auth.clear_cookie(response)
    return response


def _signed_in(person: Person) -> Response:
    response = _to(_own_path(request.args.get("next", "/")))
    with reading():
        auth.set_cookie(response, person.id)
        passwords.announce(person, "signed_in")
    return response


def _form(problem: Problem | None = None, email: str = "") -> Response:
    page = render_template("sign_in.html", error=problem.detail if problem else None, email=email)
    headers = {**_NO_STORE, **(problem.headers if problem else {})}
    return make_response(page, problem.status if problem else 200, headers)


def _to(path: str) -> Response:
    response = make_response(redirect(path, 303))
    response.headers.update(_NO_STORE)
    return response


def _own_path(path: str) -> str:
    """The path, if it leads to this server: a link must not sign a person in and then send them elsewhere."""
    try:
        parts = urlsplit(path)
    except ValueError:
        return "/"
    plain = path.startswith("/") and not path.startswith("//") and "\\" not in path and path.isprintable()
    return path if plain and not parts.netloc and not parts.scheme else "/"
