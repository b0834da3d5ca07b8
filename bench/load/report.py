"""What was found: said while it is being found, then as a table and as JSON."""

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from math import ceil, inf, isfinite
from pathlib import Path
from time import monotonic
from typing import Any

BEGAN = monotonic()


@dataclass(frozen=True)
class Figure:
    """`floor` is what the least that could do the same took in the same run."""

    what: str
    value: float
    unit: str
    floor: float | None = None

    @property
    def ratio(self) -> float | None:
        return self.value / self.floor if self.floor else None

    def __str__(self) -> str:
        floor = "" if self.floor is None else _number(self.floor)
        ratio = "" if self.ratio is None else f"{self.ratio:.2f}"
        return f"{self.what:64} {_number(self.value):>9} {self.unit:10} {floor:>9} {ratio:>8}"


@dataclass
class Report:
    """`notes` are sentences on what the figures are about, `curves` what the picture shows."""

    settings: dict[str, str]
    figures: list[Figure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    curves: dict[str, dict[int, float]] = field(default_factory=dict)

    def add(self, what: str, value: float, unit: str, floor: float | None = None) -> None:
        self.figures.append(Figure(what, value, unit, floor))

    def note(self, sentence: str) -> None:
        self.notes.append(sentence)

    def point(self, curve: str, x: int, y: float) -> None:
        self.curves.setdefault(curve, {})[x] = y

    def show(self) -> None:
        say(f"\n{'':64} {'':>9} {'':10} {'floor':>9} {'ratio':>8}")
        for line in [*self.figures, "", *self.notes]:
            say(str(line))

    def write(self, folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{datetime.now(UTC):%Y-%m-%dT%H%M%S}.json"
        path.write_text(json.dumps(_finite(self.as_json()), indent=1) + "\n")
        return path

    def as_json(self) -> dict[str, Any]:
        figures = [asdict(figure) | {"ratio": figure.ratio} for figure in self.figures]
        return {"machine": machine(), "took": monotonic() - BEGAN, **asdict(self), "figures": figures}


def machine() -> dict[str, Any]:
    """What it was measured on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())
    return {"cores": os.cpu_count(), "processor": model, "python": platform.python_version(), "load": os.getloadavg()}


def percentile(values: Sequence[float], percent: float) -> float:
    """The least of them that so many percent do not exceed; infinite if there is none."""
    ordered = sorted(values)
    return ordered[max(ceil(len(ordered) * percent / 100), 1) - 1] if ordered else inf


def say(line: str) -> None:
    print(line, flush=True)  # noqa: T201


def progress(what: str) -> None:
    say(f"[{monotonic() - BEGAN:4.0f} s] {what}")


def _number(value: float) -> str:
    if not isfinite(value):
        return "never"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _finite(value: Any) -> Any:
    """JSON has no infinity: null is never."""
    match value:
        case dict():
            return {key: _finite(each) for key, each in value.items()}
        case list() | tuple():
            return [_finite(each) for each in value]
        case float() if not isfinite(value):
            return None
    return value
