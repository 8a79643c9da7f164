"""What `noren anonymize` is asked for: which files, which columns, how much protection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from anonymization.engine.files import suffix_of
from anonymization.errors import InputError
from anonymization.microdata.criteria import (
    Closeness,
    Criterion,
    Distance,
    DistinctDiversity,
    EntropyDiversity,
    KAnonymity,
    KMap,
    Presence,
    RecursiveDiversity,
)
from anonymization.microdata.loss import Metric


@dataclass(frozen=True)
class Request:
    """What `noren anonymize` is asked for; see its options.

    Raises:
        InputError: what does not go together.
    """

    data: Path
    quasi_identifiers: tuple[str, ...]
    hierarchies: Path
    k: int
    out: Path
    suppression_limit: float = 0.0
    recoding: str = "global"
    metric: Metric = Metric.LOSS
    sensitive: str | None = None
    l: int | None = None  # noqa: E741 - the field's own name
    entropy_l: float | None = None
    recursive_cl: tuple[float, float] | None = None
    t: float | None = None
    t_distance: Distance | None = None
    population: Path | None = None
    k_map: int | None = None
    delta_presence: tuple[float, float] | None = None
    report: Path | None = None
    shuffle: bool = False
    work: int | None = None

    def __post_init__(self) -> None:
        check_columns(self.quasi_identifiers, self.sensitive)
        self._check_sensitive()
        self._check_population()
        self._check_files()

    def _check_sensitive(self) -> None:
        asked = {"--l": self.l, "--entropy-l": self.entropy_l, "--recursive-cl": self.recursive_cl}
        diversities = [flag for flag, value in asked.items() if value is not None]
        if len(diversities) > 1:
            raise InputError(f"{' and '.join(diversities)}: one of them is allowed")
        for flag in [*diversities, *(["--t"] if self.t is not None else [])]:
            if self.sensitive is None:
                raise InputError(f"{flag} needs --sensitive: the column whose values it protects")
        if self.recursive_cl is not None and self.recursive_cl[1] != int(self.recursive_cl[1]):
            raise InputError(f"--recursive-cl: L is {self.recursive_cl[1]}: a whole number is allowed")
        if self.t_distance is not None and self.sensitive is None:
            raise InputError("--t-distance needs --sensitive")

    def _check_population(self) -> None:
        asked = [self.k_map is not None, self.delta_presence is not None]
        if any(asked) and self.population is None:
            raise InputError("--k-map and --delta-presence need --population: a file with one row a person of it")
        if self.population is not None and sum(asked) != 1:
            raise InputError("--population needs one of --k-map and --delta-presence")
        if self.recoding == "local" and self.population is not None:
            raise InputError("--recoding local knows no population: leave --population out")
        if self.recoding == "local" and self.metric not in (Metric.LOSS, Metric.LOSS_ARITHMETIC):
            raise InputError(
                f"--metric {self.metric.value}: local recoding minimizes {Metric.LOSS.value} or "
                f"{Metric.LOSS_ARITHMETIC.value}"
            )

    def _check_files(self) -> None:
        suffix_of(self.out, "the output")
        read = [path for path in (self.data, self.population) if path is not None]
        written = [path for path in (self.out, self.report) if path is not None]
        for path in written:
            if path.is_dir() or not path.absolute().parent.is_dir():
                raise InputError(f"{path}: a file in a folder that is there is allowed")
        for i, path in enumerate(written):
            for other in [*read, *written[:i]]:
                if path.resolve() == other.resolve() or (path.exists() and other.exists() and path.samefile(other)):
                    raise InputError(f"{path}: what is written must be another file than {other}")


def check_columns(quasi_identifiers: Sequence[str], sensitive: str | None) -> None:
    """Refuse columns that cannot be asked for together.

    Raises:
        InputError: no quasi-identifier, one twice, or the sensitive attribute among them.
    """
    if not quasi_identifiers or not all(quasi_identifiers):
        raise InputError("--quasi-identifiers: one column or more is needed, with commas between: age,sex")
    twice = [name for name in quasi_identifiers if quasi_identifiers.count(name) > 1]
    if twice:
        raise InputError(f"--quasi-identifiers: {twice[0]!r} stands twice")
    if sensitive in quasi_identifiers:
        raise InputError(
            f"--sensitive: {sensitive!r} is a quasi-identifier too; a column is known to an attacker or kept from one, "
            "not both: leave it out of one of the two"
        )


def criteria(request: Request, distance: Distance) -> list[Criterion]:
    """Return what every class must satisfy.

    Raises:
        InputError: a figure out of its range.
    """
    found: list[Criterion] = [KAnonymity(request.k)]
    if request.l is not None:
        found.append(DistinctDiversity(request.l))
    if request.entropy_l is not None:
        found.append(EntropyDiversity(request.entropy_l))
    if request.recursive_cl is not None:
        found.append(RecursiveDiversity(request.recursive_cl[0], int(request.recursive_cl[1])))
    if request.t is not None:
        found.append(Closeness(request.t, distance))
    if request.k_map is not None:
        found.append(KMap(request.k_map))
    if request.delta_presence is not None:
        found.append(Presence(*request.delta_presence))
    return found
