"""Regular expressions of others, by RE2: their time grows with the text and never runs away."""

from functools import lru_cache
from typing import Any

_REMEMBERED = 512


def compiled(pattern: str) -> Any:
    """The pattern, ready for `.search(text)` and `.fullmatch(text)`. Raises ValueError, its text what is wrong."""
    made, trouble = _compiled(pattern)
    if trouble:
        raise ValueError(trouble)
    return made


def matches(pattern: str, text: str) -> bool:
    """Whether the pattern is somewhere in `text`; half of a surrogate pair counts as a question mark."""
    return compiled(pattern).search(text.encode("utf-8", "replace").decode()) is not None


@lru_cache(_REMEMBERED)
def _compiled(pattern: str) -> tuple[Any, str]:
    import re2  # type: ignore[import-untyped]

    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options), ""
    except re2.error as error:
        said = error.args[0] if error.args else ""
        return None, said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
    except UnicodeEncodeError:
        return None, "not UTF-8"
