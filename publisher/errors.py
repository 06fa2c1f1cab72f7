"""Errors that tell a person what is wrong, where, and what to do; no traceback reaches a user."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that was refused: `where` is a file, address or key, `line` counts from 1, `reason` is a sentence."""

    where: str
    reason: str
    line: int | None = None
    remedy: str = ""

    def __str__(self) -> str:
        place = f"{self.where}:{self.line}" if self.line else self.where
        return f"{place}: {self.reason}" + (f" — {self.remedy}" if self.remedy else "")


class PublisherError(Exception):
    """A refusal with a one-line sentence for the person at the keyboard, already in their language."""

    exit_code = 1

    def __init__(self, reason: str, *, remedy: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.reason} — {self.remedy}" if self.remedy else self.reason


class SettingsError(PublisherError):
    """The configuration cannot be used; `problems` holds each fault with its line."""

    exit_code = 2

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class BadInput(PublisherError):
    """One file, feed or address is refused; everything else goes on."""

    exit_code = 3

    def __init__(self, where: str, reason: str, *, line: int | None = None, remedy: str = "") -> None:
        self.problem = Problem(where, reason, line, remedy)
        super().__init__(str(self.problem))


class Busy(PublisherError):
    """Another process holds what this one needs."""
