"""A page of public reports, and the index that says of each of its cases which test holds it, or why none does."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

_CASE = re.compile(r"(?:(?P<near>[\w.-]+)|(?P<before>[\w.-]+)\s+PRs?\s*)?#(?P<number>\d+)")


@dataclass(frozen=True)
class Index:
    """`held`: by file and test, the cases it holds. `not_here`: why no test holds a case. `aliases` are other names of
    repositories; `least` is how many cases the page has at least."""

    page: str
    held: Mapping[str, Mapping[str, str]]
    not_here: Mapping[str, str]
    aliases: Mapping[str, str]
    least: int

    def tests(self) -> list[tuple[str, str, list[str]]]:
        """File, test, and the cases it holds."""
        return [(path, name, cases.split()) for path, tests in self.held.items() for name, cases in tests.items()]

    def cases(self) -> list[str]:
        """Every case that a test holds."""
        return [case for _, _, cases in self.tests() for case in cases]

    def cases_in(self, text: str) -> set[str]:
        """Every case that a text names: `owner/name#7`, `name PR #7`, and `#8` or `PR#8` after either, of the same
        repository."""
        known = {case.partition("#")[0] for case in (*self.not_here, *self.cases())}
        found = set()
        repository = ""
        for match in _CASE.finditer(text):
            near = match["near"] if match["near"] not in {"PR", "PRs"} else None
            before = match["before"] if match["before"] in known | set(self.aliases) else None
            repository = near or before or repository
            found.add(f"{self.aliases.get(repository, repository)}#{match['number']}")
        return found
