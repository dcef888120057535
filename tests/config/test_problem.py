"""Problems as lines a person can act on."""

from weighbridge.config.problem import ConfigError, Problem, dotted, nearest


def test_an_error_is_its_first_problem_and_the_number_of_the_others() -> None:
    error = ConfigError("w.yaml", [Problem(9, "later"), Problem(3, "first", "Mend it."), Problem(None, "whole file")])
    assert str(error) == "w.yaml: whole file (and 2 more)"
    assert error.lines() == ["w.yaml: whole file", "w.yaml:3: first. Mend it.", "w.yaml:9: later"]
    assert error.exit_code == 2


def test_one_problem_stands_alone() -> None:
    error = ConfigError("w.yaml", [Problem(3, "unknown key modls", "Did you mean models?")])
    assert str(error) == error.lines()[0] == "w.yaml:3: unknown key modls. Did you mean models?"


def test_paths_are_written_as_people_write_them() -> None:
    assert dotted(("candidates", "terse", "shots", 2, "user")) == "candidates.terse.shots[2].user"
    assert dotted(()) == ""


def test_the_nearest_word_is_suggested_or_all_are_shown() -> None:
    assert nearest("budgt", {"budget", "repeats"}) == "Did you mean budget?"
    assert nearest("xyz", {"b", "a"}) == "Known here: a, b."
    assert nearest("xyz", {f"name{n}" for n in range(20)}).endswith(", ….")
    assert nearest("xyz", set()) == ""
