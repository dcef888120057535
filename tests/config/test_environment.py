"""References to the environment, and keys that must not be kept."""

import pytest

from weighbridge.config.environment import expand, references, without_secrets


def test_references_are_found_in_either_form() -> None:
    assert references("https://${HOST}:$PORT/v1") == ("HOST", "PORT")
    assert references("$5 and 3$") == ()


def test_references_expand_from_the_environment_given() -> None:
    assert expand("Bearer $TOKEN", {"TOKEN": "abc"}) == "Bearer abc"
    assert expand("plain $5", {}) == "plain $5"


@pytest.mark.parametrize("env", [{}, {"TOKEN": ""}])
def test_a_variable_that_is_not_set_or_empty_is_named(env: dict[str, str]) -> None:
    with pytest.raises(KeyError, match="TOKEN"):
        expand("Bearer $TOKEN", env)


def test_an_expanded_value_is_not_expanded_again() -> None:
    assert expand("$A", {"A": "$B", "B": "x"}) == "$B"


@pytest.mark.parametrize(
    "secret",
    ["sk-proj-abcdefghijklmnop1234", "sk-ant-api03-abcdefghijklmnop", "gsk_abcdefghijklmnop12", "AIzaSy" + "a" * 33,
     "Bearer abcdefghijklmnopqrstuv"],
)  # fmt: skip
def test_what_looks_like_a_key_is_not_kept(secret: str) -> None:
    """A comment may hold what no value may: manifests keep the source, so it is taken out there."""
    kept = without_secrets(f"a: 1  # old key: {secret}\nb: 2\n")
    assert secret not in kept
    assert kept.count("\n") == 2


def test_ordinary_text_is_kept_as_it_is() -> None:
    text = "models: {task-sk-1: {model: gpt-5-mini}}  # $OPENAI_API_KEY, key_input: 3"
    assert without_secrets(text) == text
