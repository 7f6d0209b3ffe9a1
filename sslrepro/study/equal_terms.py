"""Runs on equal terms: as many encoded views for every method, with the setting and learning rate its trials chose.

What trials chose is read from book/trials/<scale>.json (written by study/trials.py). A method that is not
in it, and every method at a scale without that file, keeps its defaults and the scale's learning rate.
"""

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from sslrepro import methods
from sslrepro.base.errors import require
from sslrepro.base.paths import PROJECT
from sslrepro.base.store import read_json
from sslrepro.study.profiles import Profile
from sslrepro.training.config import RunConfig

FROZEN = PROJECT / "book" / "trials"


@dataclass(frozen=True)
class Trial:
    """One way to run a method at a scale, on equal terms (`Profile.fair`).

    settings   over the method's own, in the paper's units; {} = its defaults
    rate       times the scale's learning rate
    """

    method: str
    settings: dict[str, Any]
    rate: float

    def config(self, scale: Profile, seed: int, sets: dict[str, Any] | None = None) -> RunConfig:
        """Its run; `sets` is what a table sets beside, and over, the trial's own settings."""
        sets = sets or {}
        method = sets.get("method", self.method)
        of_table = {name: value for name, value in sets.items() if name != "method"}
        config = scale.fair().config(method, seed, self._settings_of(method, sets.get("base")) | of_table)
        return replace(config, plan=replace(config.plan, lr=config.plan.lr * self.rate))

    def _settings_of(self, method: str, base: str | None) -> dict[str, Any]:
        """As settings of a method: of its base where the trial is the base's, else those that both methods have."""
        if base == self.method != method:
            return {"base_settings": self.settings}
        known = {field.name for field in fields(methods.settings(method))}
        return {name: value for name, value in self.settings.items() if name in known}


def frozen_entries(scale: str, folder: Path | None = None) -> dict[str, Any]:
    """Method -> its chosen setting and all its trials at a scale; {} where none were frozen."""
    path = (folder or FROZEN) / f"{scale}.json"
    return read_json(path)["methods"] if path.exists() else {}


def frozen_trial(method: str, scale: str, folder: Path | None = None) -> Trial:
    """The trial that was chosen for a method; raises ValueError where none was frozen."""
    entries = frozen_entries(scale, folder)
    require(
        method in entries,
        "trials",
        "method",
        f"one with frozen trials at {scale} scale",
        method,
        f"`python -m sslrepro trials --profile {scale}` makes them.",
    )
    return Trial(method, **entries[method]["chosen"])


def terms_of(method: str, scale: str) -> Trial:
    """What a method is run with on equal terms: its frozen trial, or its defaults where it has none."""
    return frozen_trial(method, scale) if method in frozen_entries(scale) else Trial(method, {}, 1.0)


def config_of_row(scale: Profile, method: str, seed: int, sets: dict[str, Any]) -> RunConfig:
    """The run of a table's row: its method's terms, or those of the method that `trial` names.

    A sampler whose learning rate is a setting of its own (`sampler_rate`) is run on its own terms.
    """
    of_row = {name: value for name, value in sets.items() if name != "trial"}
    terms, settings = terms_of(sets.get("trial", method), scale.name), methods.settings(method)
    if hasattr(settings, "sampler_rate"):
        own = terms_of(of_row.get("sampler", settings.sampler), scale.name)
        of_row = {"sampler_settings": own.settings, "sampler_rate": own.rate / terms.rate} | of_row
    return terms.config(scale, seed, {"method": method} | of_row)
