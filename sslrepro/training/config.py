"""What a run is: one frozen record whose hash is its identity, seed included."""

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from sslrepro import methods
from sslrepro.base.errors import known_keys, one_of, require
from sslrepro.data.dataset import DataConfig
from sslrepro.data.views import ViewConfig, recipe
from sslrepro.parts.encoders import ENCODERS


@dataclass(frozen=True)
class TrainingConfig:
    """How a run is trained."""

    epochs: int = 4  # passes over the training images
    batch_size: int = 64  # images (not views) per step, over all processes
    optimizer: str = "adamw"  # or "sgd", "lars"
    lr: float = 2e-3  # peak learning rate, absolute
    weight_decay: float = 1e-4  # on weights only
    momentum: float = 0.9  # of SGD and LARS
    warmup: float = 0.05  # share of the steps with a rising learning rate; then a half cosine to 0
    precision: str = "fp32"  # or "bf16" autocast

    def __post_init__(self) -> None:
        require(self.epochs >= 0, "Plan", "epochs", ">= 0 (0: the encoder as initialised)", self.epochs)
        require(self.lr > 0, "Plan", "lr", "> 0", self.lr)
        require(0 <= self.warmup < 1, "Plan", "warmup", "in [0, 1), a share of the steps", self.warmup)
        one_of(self.precision, ("fp32", "bf16"), "Plan", "precision")
        one_of(self.optimizer, ("adamw", "lars", "sgd"), "Plan", "optimizer")


@dataclass(frozen=True)
class RunConfig:
    """Everything that decides the weights a run ends with, every default filled in.

    Device, thread count, versions and code are recorded beside a run, not hashed (docs/adr/0002).
    """

    method: str
    settings: dict[str, Any]
    encoder: str = "conv"
    data: DataConfig = field(default_factory=DataConfig)
    views: ViewConfig = field(default_factory=ViewConfig)
    plan: TrainingConfig = field(default_factory=TrainingConfig)
    seed: int = 0

    def __post_init__(self) -> None:
        one_of(self.encoder, ENCODERS, "RunConfig", "encoder")
        recipe(self.views)
        require(self.seed >= 0, "RunConfig", "seed", ">= 0", self.seed)
        object.__setattr__(self, "settings", asdict(methods.settings(self.method, self.settings)))

    @property
    def identity(self) -> str:
        """12 hex digits: SHA-256 of the canonical JSON."""
        canonical = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:12]

    @property
    def name(self) -> str:
        """The run's folder name: method-data-s<seed>-<identity>."""
        return f"{self.method}-{self.data.name}-s{self.seed}-{self.identity}"

    @property
    def sampler(self) -> "RunConfig | None":
        """The run whose encoder and head mine this run's pairs, where its method wants one (SePP-ID)."""
        given = self.settings
        if "sampler" not in given:
            return None
        plan = replace(self.plan, epochs=given["sampler_epochs"])
        return replace(self, method=given["sampler"], settings=given["sampler_settings"], plan=plan)

    def with_changes(self, **changes: Any) -> "RunConfig":
        """A copy; dotted names reach inside: `with_changes(**{"plan.epochs": 8})`. Unknown names raise."""
        record = asdict(self)
        for name, value in changes.items():
            inner, owner = record, "RunConfig"
            *path, last = name.split(".")
            for part in path:
                inner, owner = inner[one_of(part, inner, owner, "setting")], f"{owner}.{part}"
            one_of(last, inner, owner, "setting")
            inner[last] = value
        return from_record(record)


def from_record(record: dict[str, Any]) -> RunConfig:
    """The inverse of `asdict`, for a run's stored JSON; unknown keys raise."""
    known_keys(record, [f.name for f in fields(RunConfig)], "RunConfig")
    parts = {"data": DataConfig, "views": ViewConfig, "plan": TrainingConfig}
    made = {key: parts[key](**value) if key in parts else value for key, value in record.items()}
    return RunConfig(**made)


def flat(config: RunConfig) -> dict[str, Any]:
    """Dotted name -> value, for tables of what differs between runs."""
    out: dict[str, Any] = {}

    def walk(prefix: str, value: Any) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                walk(f"{prefix}.{key}" if prefix else key, inner)
        else:
            out[prefix] = value

    walk("", asdict(config))
    return out
