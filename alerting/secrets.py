"""`ENC:` values: secrets that may lie in a file, encrypted with MASTER_KEY.

Form: `ENC:` and a Fernet token (AES-128-CBC with HMAC-SHA-256, by `cryptography`). The Fernet key is scrypt of
MASTER_KEY (N = 2^14, r = 8, p = 1) with the salt below. The salt is fixed, for the same key must come out on every
machine from MASTER_KEY alone; so make MASTER_KEY long and random, e.g. by `openssl rand -base64 32`.
"""

from base64 import urlsafe_b64encode
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

PREFIX = "ENC:"
_SALT = b"vedette ENC 1"


class DecryptionError(Exception):
    """An `ENC:` value cannot be read. Says why, without key or value."""


def encrypt(master_key: str, text: str) -> str:
    """`text` as an `ENC:…` value; another one at every call."""
    return PREFIX + _fernet(master_key).encrypt(text.encode("utf-8")).decode("ascii")


def decrypt(master_key: str, value: str) -> str:
    """The text in an `ENC:…` value. Raises DecryptionError."""
    from cryptography.fernet import InvalidToken

    try:
        return _fernet(master_key).decrypt(value.removeprefix(PREFIX).strip().encode("utf-8")).decode("utf-8")
    except (InvalidToken, ValueError):
        raise DecryptionError("MASTER_KEY is not the one it was encrypted with, or the value is damaged") from None


@lru_cache(maxsize=4)  # scrypt is slow by design, and a file may hold many values
def _fernet(master_key: str) -> "Fernet":
    from cryptography.fernet import Fernet
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    key = Scrypt(salt=_SALT, length=32, n=2**14, r=8, p=1).derive(master_key.encode("utf-8"))
    return Fernet(urlsafe_b64encode(key))
