"""HiGHS, on one thread and with a fixed seed: the same programmes give the same answers, and every status is checked.

The solver is trusted as little as possible: whoever claims that a point exists verifies it in whole numbers
(`attack/points.py`); only that nothing better exists is taken from it, and such an error would close the gate, not open
it.
"""

from __future__ import annotations

import highspy
from highspy._core import _Highs  # highspy.Highs prints a banner

from anonymization.errors import GateRefusal

STATUS = highspy.HighsModelStatus
Value = bool | int | float | str
Options = dict[str, Value]
OPTIONS: Options = {
    "output_flag": False,
    "threads": 1,
    "parallel": "off",
    "random_seed": 0,
    "mip_rel_gap": 0.0,
}


class Highs:
    """One model at a time.

    Args:
        undone: what is not done where the solver refuses its task, for messages.
        options: beside `OPTIONS`.
    """

    def __init__(self, undone: str, options: Options | None = None) -> None:
        self._undone = undone
        self.model = _Highs()
        for name, value in (OPTIONS | (options or {})).items():
            self.set(name, value)

    def set(self, option: str, value: Value) -> None:
        """Set an option of the next run."""
        self.done(self.model.setOptionValue(option, value))

    def done(self, status: highspy.HighsStatus) -> None:
        """Check that the solver did what it was told.

        Raises:
            GateRefusal: it did not.
        """
        if status == highspy.HighsStatus.kError:
            raise GateRefusal(f"the solver refused its task: {self._undone}")

    def ended(self, status: highspy.HighsModelStatus) -> GateRefusal:
        """Return the error of a run that ended otherwise than with an answer."""
        return GateRefusal(f"the solver ended with {status.name}: {self._undone}")

    def run(self, seconds: float) -> highspy.HighsModelStatus:
        """Solve what was passed, within so many seconds; return how that ended."""
        self.set("time_limit", self.model.getRunTime() + seconds)
        self.done(self.model.run())
        return self.model.getModelStatus()
