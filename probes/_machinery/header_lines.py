"""An answer's headers, as they came and as a mapping."""

from collections.abc import Iterator, Mapping


class HeaderLines(Mapping[str, str]):
    """An answer's headers, lower-case names, read only when somebody asks; repeated ones are joined by ", "."""

    __slots__ = ("_lines", "_read")

    def __init__(self, lines: list[bytes]) -> None:
        self._lines = lines
        self._read: dict[str, str] | None = None

    def __getitem__(self, name: str) -> str:
        return self._all()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def _all(self) -> dict[str, str]:
        if self._read is None:
            self._read = _parse_headers(self._lines)
        return self._read


def _parse_headers(lines: list[bytes]) -> dict[str, str]:
    """The last answer's headers (a redirect has several), lower-case names; repeated ones joined by ", "."""
    headers: dict[str, str] = {}
    for line in lines:
        if line.startswith(b"HTTP/"):
            headers = {}
            continue
        name, colon, value = line.decode("latin-1").partition(":")
        if colon:
            name, value = name.strip().lower(), value.strip()
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers
