"""One column of a row of the model zoo, as recorded and as found now, and the verdict on it."""

from collections.abc import Sequence
from dataclasses import dataclass

HEAD = f"{'column':30} {'recorded':>16} {'now':>16}  {'tolerance':10} verdict"


@dataclass(frozen=True)
class Check:
    """One number of a row; it is judged if both values are there and a tolerance is."""

    column: str
    recorded: float | None
    now: float | None
    tolerance: float | None = 0.0  # greatest difference that is none; None: the numbers are not expected to agree
    digits: int = 0  # behind the point, of both values
    note: str = ""  # why the column is not judged, or what is known of it

    @property
    def is_judged(self) -> bool:
        """Whether the verdict is one."""
        return None not in (self.recorded, self.now, self.tolerance)

    @property
    def is_wrong(self) -> bool:
        """Whether the numbers differ by more than the tolerance."""
        if self.recorded is None or self.now is None or self.tolerance is None:
            return False
        return abs(self.now - self.recorded) > self.tolerance + 1e-9

    @property
    def verdict(self) -> str:
        """Say "ok", "differs" or "not compared"."""
        if not self.is_judged:
            return "not compared"
        return "differs" if self.is_wrong else "ok"

    def __str__(self) -> str:
        recorded, now = (self._number(value) for value in (self.recorded, self.now))
        allowed = "-" if self.tolerance is None else f"{self.tolerance:g}" if self.tolerance else "exact"
        verdict = f"{self.verdict}: {self.note}" if self.note else self.verdict
        return f"{self.column:30} {recorded:>16} {now:>16}  {allowed:10} {verdict}"

    def _number(self, value: float | None) -> str:
        return "-" if value is None else f"{value:,.{self.digits}f}"


def summary(checks: Sequence[Check]) -> str:
    """Return the verdict on a whole row in one line: "ok" or "differs", and what was not compared."""
    judged = [check for check in checks if check.is_judged]
    wrong = [check.column for check in judged if check.is_wrong]
    left_out = [check.column for check in checks if not check.is_judged]
    verdict = f"differs in {', '.join(wrong)}" if wrong else f"ok, {len(judged)} columns agree"
    return f"Verdict: {verdict}" + (f"; not compared: {', '.join(left_out)}" if left_out else "")
