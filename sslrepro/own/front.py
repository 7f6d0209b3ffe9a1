"""`sslrepro.fit`: a folder of one's own images, or a method object over batches."""

from pathlib import Path
from typing import Any

from sslrepro.methods.base import Method
from sslrepro.own.fit import fit_folder
from sslrepro.own.run import OwnRun
from sslrepro.training import loop


def fit(what: str | Path | Method, *words: Any, **named: Any) -> OwnRun | Method:
    """Train: `fit("~/photos")` on a folder of images, `fit(method, batches, plan)` a method object in place.

        fit("~/photos", out=None, *, method, epochs, encoder, side, batch_size, seed, labels, skip_bad, device,
        say)
            trains or goes on in `photos.ssl/` and returns an `OwnRun`: see `sslrepro.own.fit.fit_folder`
        fit(method, batches, plan, on_step=None, device=None, ...)
            returns the method: see `sslrepro.training.loop.fit`

    Raises ValueError for wrong input of either.

    >>> from sslrepro import TrainingConfig, batches_for, load
    >>> from sslrepro.methods.simclr import Config, SimCLR
    >>> from sslrepro.parts.encoders import encoder
    >>> images, _ = load("digits", n_train=64)
    >>> method = SimCLR(Config(dim=8, hidden=16), encoder("conv-tiny"), len(images))
    >>> plan = TrainingConfig(epochs=1, batch_size=16)
    >>> fit(method, batches_for(method, images, batch_size=16), plan) is method
    True
    """
    if isinstance(what, str | Path):
        return fit_folder(what, *words, **named)
    return loop.fit(what, *words, **named)
