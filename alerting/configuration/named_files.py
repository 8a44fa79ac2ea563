"""Files that a configuration names, read in with it."""

from pathlib import Path

from alerting.configuration.faults import Findings


def content(name: str, findings: Findings, largest: int) -> bytes:
    """What is in the file of that name, counted from the configuration file's own folder.

    Raises ValueError, its text what is wrong, where it cannot be read or has more than `largest` bytes.
    """
    try:
        with (Path(findings.path).parent / name).open("rb") as file:
            found = file.read(largest + 1)
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from None
    if len(found) > largest:
        raise ValueError(f"too large; expected at most {largest} bytes")
    return found
