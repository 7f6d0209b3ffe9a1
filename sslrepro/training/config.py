"""What a run is: one frozen record whose hash is its identity, seed included."""

import hashlib
import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from sslrepro import methods
from sslrepro.base.errors import one_of, require
from sslrepro.base.values import (
    COUNT,
    LESS_THAN_ALL,
    NOT_NEGATIVE,
    POSITIVE,
    Range,
    check_values,
    from_mapping,
    identity_values,
    setting,
    stored_values,
)
from sslrepro.data.dataset import DataConfig
from sslrepro.data.recipes import ViewConfig, recipe
from sslrepro.parts.encoders import require_name


@dataclass(frozen=True)
class TrainingConfig:
    """How a run is trained."""

    epochs: int = setting(4, Range(0, 1e6))  # passes over the training images; 0: the encoder as initialised
    batch_size: int = setting(64, COUNT)  # images (not views) per step, over all processes
    optimizer: str = setting("adamw", ("adamw", "lars", "sgd"))
    lr: float = setting(2e-3, POSITIVE)  # peak learning rate, absolute
    weight_decay: float = setting(1e-4, NOT_NEGATIVE)  # on weights only
    momentum: float = setting(0.9, LESS_THAN_ALL)  # of SGD and LARS
    warmup: float = setting(0.05, LESS_THAN_ALL)  # share of the steps with a rising rate; then a half cosine to 0
    precision: str = setting("fp32", ("fp32", "bf16"))  # bf16: autocast
    accumulate: int = setting(1, COUNT, before=1)  # parts of a batch whose gradients make a step (training/micro.py)

    def __post_init__(self) -> None:
        check_values(self, "TrainingConfig")


@dataclass(frozen=True)
class RunConfig:
    """Everything that decides the weights a run ends with, every default filled in.

    Device, thread count, versions and code are recorded beside a run, not hashed (docs/adr/0002).
    Raises ValueError for a value of another type, or outside what its field or the method's setting allows.
    """

    method: str
    settings: dict[str, Any]
    encoder: str = "conv"
    data: DataConfig = field(default_factory=DataConfig)
    views: ViewConfig = field(default_factory=ViewConfig)
    plan: TrainingConfig = field(default_factory=TrainingConfig)
    seed: int = setting(0, Range(0))
    first_weights: str = setting("", before="")  # mark of the tensors that the encoder starts from; "": drawn

    def __post_init__(self) -> None:
        check_values(self, "RunConfig")
        require_name(self.encoder, "RunConfig")
        recipe(self.views)
        object.__setattr__(self, "settings", asdict(methods.settings(self.method, self.settings)))

    @property
    def identity(self) -> str:
        """12 hex digits: SHA-256 of the canonical JSON, without younger fields that change nothing (docs/adr/0002)."""
        values = identity_values(self) | {"settings": methods.identity_values(self.method, self.settings)}
        canonical = json.dumps(values, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:12]

    @property
    def name(self) -> str:
        """The run's folder name: method-data-s<seed>-<identity>."""
        return f"{self.method}-{self.data.name}-s{self.seed}-{self.identity}"

    @property
    def sampler(self) -> "RunConfig | None":
        """The run that is trained to mine this run's pairs, where its method wants one (SePP-ID); else None.

        A sampler with a batch of its own has the learning rate in proportion.
        """
        settings = self.settings
        if "sampler" not in settings or settings.get("sampler_run") is not None:
            return None
        batch = settings.get("sampler_batch") or self.plan.batch_size
        lr = self.plan.lr * (batch / self.plan.batch_size) * settings.get("sampler_rate", 1.0)
        plan = replace(self.plan, epochs=settings["sampler_epochs"], batch_size=batch, lr=lr)
        return replace(self, method=settings["sampler"], settings=settings["sampler_settings"], plan=plan)

    def with_changes(self, **changes: Any) -> "RunConfig":
        """A copy; dotted names reach inside: `with_changes(**{"plan.epochs": 8})`. Unknown names raise."""
        values = asdict(self)
        for name, value in changes.items():
            inner, owner = values, "RunConfig"
            *path, last = name.split(".")
            for part in path:
                inner, owner = inner[one_of(part, inner, owner, "setting")], f"{owner}.{part}"
                require(isinstance(inner, dict), owner, "setting", "named without more names behind it", name)
            one_of(last, inner, owner, "setting")
            inner[last] = value
        return from_values(values)


PARTS = {"data": DataConfig, "views": ViewConfig, "plan": TrainingConfig}


def from_values(values: dict[str, Any]) -> RunConfig:
    """The inverse of `asdict`; what is left out stands at its default. Raises ValueError for unknown keys."""
    for name in PARTS.keys() & values.keys():
        values = values | {name: from_mapping(PARTS[name], values[name], f"RunConfig.{name}")}
    return from_mapping(RunConfig, values, "RunConfig")


def from_record(values: dict[str, Any], file: Path | None = None) -> RunConfig:
    """A run from its stored JSON: settings that are younger than the file stand at what was done before them.

        file   where it was read, for the error

    Raises ValueError for what is no configuration of a run.
    """
    try:
        return _from_record(values)
    except ValueError as error:
        raise error if file is None else ValueError(f"{error} It stands in {file}.") from None


def _from_record(values: dict[str, Any]) -> RunConfig:
    require(isinstance(values, dict), "RunConfig", "configuration", "a mapping of names to values", values)
    for name in ("method", "settings"):
        require(name in values, "RunConfig", "configuration", f"complete: it lacks {name}", sorted(values))
    values = stored_values(RunConfig, values)
    for name, kind in PARTS.items():
        if isinstance(values.get(name), dict):
            values[name] = stored_values(kind, values[name])
    if isinstance(values["method"], str) and isinstance(values["settings"], dict):
        values["settings"] = methods.stored_settings(values["method"], values["settings"])
    return from_values(values)


def flat(config: RunConfig | dict[str, Any]) -> dict[str, Any]:
    """Dotted name -> value, for tables of what differs between runs; also of a configuration's nested values."""
    out: dict[str, Any] = {}

    def walk(prefix: str, value: Any) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                walk(f"{prefix}.{key}" if prefix else key, inner)
        else:
            out[prefix] = value

    walk("", config if isinstance(config, dict) else asdict(config))
    return out
