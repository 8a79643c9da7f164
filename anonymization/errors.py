"""Every error that Noren raises on purpose; a message names the fault, the place and what is allowed.

A message never repeats a person's value: it names the column, the file or the rule instead.
"""

from __future__ import annotations

from collections.abc import Sequence


class NorenError(Exception):
    """Base of all errors; `exit_code` is what the command ends with."""

    exit_code = 2


class InputError(NorenError):
    """What was given is wrong: a file, a flag, a declaration."""


class DeclarationError(InputError):
    """A file in the policy folder is not what its schema allows."""


class SourceError(InputError):
    """A log file is not what its source declares."""


class SqlError(InputError):
    """A SQL text uses a construct outside the portable subset."""


class EngineError(NorenError):
    """An engine could not start or could not run a statement.

    Attributes:
        lost: whether the engine itself failed, not what it did with the data at hand: what comes next would fail too.
    """

    def __init__(self, message: str, *, lost: bool = False) -> None:
        super().__init__(message)
        self.lost = lost


class Refusal(NorenError):  # noqa: N818 - the field's word for a check that says no
    """A check said no: nothing was done, nothing left the house."""

    exit_code = 1


class PolicyRefusal(Refusal):
    """The privacy policy, or a house rule, does not allow it."""


class GateRefusal(Refusal):
    """The gate is closed for this candidate."""


class DecisionRefusal(Refusal):
    """A decision is missing, forged, expired, used, or made by the wrong person."""


class StaleCandidate(Refusal):
    """Something relevant came after the gate looked; a rebuild is needed."""


class AlreadyOut(Refusal):
    """The same content was published before; nothing is published twice."""


class IntegrityError(Refusal):
    """A digest, a signature or the ledger's chain does not hold."""


class ClockRefusal(Refusal):
    """This machine's clock is far ahead of the ledger's last entry."""


class ProtectionError(Refusal):
    """Some cells cannot be protected, whatever is hidden.

    Attributes:
        cells: their positions.
    """

    def __init__(self, message: str, cells: Sequence[int] = ()) -> None:
        super().__init__(message)
        self.cells = tuple(int(cell) for cell in cells)


class AuditUnfinished(GateRefusal):
    """The attack on a candidate ended before it was done: nothing is known, so the gate stays closed."""
