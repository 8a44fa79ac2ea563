"""Which version this is."""

from functools import cache
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed


@cache
def version() -> str:
    """The version of the installed package; "0" for a bare checkout."""
    try:
        return installed("vedette")
    except PackageNotFoundError:
        return "0"
