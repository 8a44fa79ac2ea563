"""ENC: values: there and back, and refusals that give nothing away."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerting.secrets import DecryptionError, decrypt, encrypt


@settings(max_examples=30, deadline=None)
@given(st.text())
def test_there_and_back(text: str) -> None:
    value = encrypt("a master key", text)
    assert value.startswith("ENC:")
    assert decrypt("a master key", value) == text


def test_the_same_text_never_looks_the_same() -> None:
    assert encrypt("k", "x") != encrypt("k", "x")


@pytest.mark.parametrize("damage", ["", "ENC:", "ENC:gAAAA", "ENC:é", "ENC:" + "A" * 200])
def test_a_damaged_value_is_told_without_showing_it(damage: str) -> None:
    with pytest.raises(DecryptionError) as told:
        decrypt("hunter2", damage)
    assert "hunter2" not in str(told.value)
    assert told.value.__cause__ is None


def test_another_key_is_told() -> None:
    with pytest.raises(DecryptionError, match="MASTER_KEY is not the one"):
        decrypt("other", encrypt("hunter2", "x"))


def test_a_value_of_an_earlier_version_still_opens() -> None:
    assert decrypt("kept", KEPT) == "still here"


KEPT = "ENC:gAAAAABrAQW54lBxJpOctV6StuwlaN8lp1_dHjw5zgRozUcpYU97okpQZiK_1hgkhtevTmHzOqz-ZkYBYgUK8foUAB437qMH6A=="
