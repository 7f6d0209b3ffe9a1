"""sslrepro: when does a contrastive learner gain from positives that are other images?

A table of a paper, beside our numbers

    reproduce("nnclr_queue")                                  read from the ledger, or trained where it holds nothing
    compare("nnclr", "settings.queue_size", [8, 32])          one setting at several values, with intervals

A folder of your own images: no labels, no splits

    run = fit("~/photos", epochs=100)                         an `OwnRun` in photos.ssl/; the same call resumes it
    run.encoder; run.embed(paths); run.nearest("a.jpg", 10)   again later: OwnRun("photos.ssl")

Any method on any images

    train_set, test_set = load("digits")                      an embedded set, or a folder of your own images
    fit(method, batches_for(method, train_set), TrainingConfig())   the loop, over a `Method` of the package or yours
    train(config, folder, train_set)                          the same as a stored run: resumed, logged, checkpointed
    evaluate(method, (train_set, test_set), "knn")            scores of the frozen encoder
    embed(method, test_set)                                   its features

>>> import sslrepro
>>> results = sslrepro.reproduce("nnclr_queue", profile="cpu")
>>> type(results) is sslrepro.Results, list(results.rows)
(True, ['q8192', 'q16384', 'q32768', 'q65536', 'q98304'])
>>> cell = results.at("q98304", "top1")
>>> cell.n >= 3, 0 < cell.mean < 100, cell.half_width > 0
(True, True, True)

Every name is imported when it is first used: `import sslrepro` alone loads nothing. The rooms of the package
(`sslrepro.methods`, `sslrepro.parts`, `sslrepro.data`, ...) are imported as usual.
"""

import importlib
from typing import Any

__version__ = "0.1.0"
__all__ = ["Method", "OwnRun", "Results", "TrainingConfig", "batches_for", "compare", "embed", "evaluate", "fit",
           "load", "reproduce", "train"]  # fmt: skip

# name -> (module, attribute); "" is the module itself: the room `evaluate` can be called
_HOMES = {
    "Method": ("methods.base", "Method"),
    "Results": ("study.results", "Results"),
    "TrainingConfig": ("training.config", "TrainingConfig"),
    "batches_for": ("training.loop", "batches_for"),
    "compare": ("explore.compare", "compare"),
    "embed": ("explore.own_images", "embed"),
    "evaluate": ("evaluate", ""),
    "fit": ("own.front", "fit"),
    "OwnRun": ("own.run", "OwnRun"),
    "load": ("explore.own_images", "load"),
    "reproduce": ("study.reproduce", "reproduce"),
    "train": ("training.loop", "train"),
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'sslrepro' has no attribute {name!r}; it has {', '.join(__all__)}")
    home, attribute = _HOMES[name]
    module = importlib.import_module(f"sslrepro.{home}")
    return getattr(module, attribute) if attribute else module


def __dir__() -> list[str]:
    return sorted({*__all__, "__version__", "__doc__", "__file__", "__name__", "__path__"})
