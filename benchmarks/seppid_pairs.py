"""What SePP-ID's sampler sees and finds at `cpu` scale: python -m benchmarks.seppid_pairs [folder of runs]

Written to benchmarks/results/seppid_pairs.json, for the pages of Figures 2 and 5. *Pairs*: those of the tables' own
samplers, untrained, after one epoch and after a run's full length. *Looks*: Figure 2's question, which of five images
an encoder finds nearest to an anchor, two of its class and three of others, by augmented views and by the images as
they are. Samplers that the tables of the paper left in the folder of runs (default: runs/) are not trained again.
"""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sslrepro.base.paths import RUNS
from sslrepro.base.store import environment, write_json
from sslrepro.data.datasets import load, resolve
from sslrepro.study.profiles import profile
from sslrepro.training.config import RunConfig
from sslrepro.training.loop import batches_of, initial_method, threads, train
from sslrepro.training.pairs import sampler_eyes

RESULTS = Path(__file__).parent / "results" / "seppid_pairs.json"
SEEDS, ANCHORS = (0, 1, 2), 1000
SAMPLERS = {"untrained": 0, "one epoch": 12, "full length": 100}  # epochs as printed
EDGES = torch.linspace(-1, 1, 41)


def of_sampler(config: RunConfig, place: Path) -> dict[str, Any]:
    """Pairs of one sampler, cosines of all that it compared, and what it finds nearest."""
    data, _ = load(config.data)
    method = initial_method(config, len(data))
    sampler = train(config.sampler, place / config.sampler.name, data)
    batches = batches_of(config, data, method)
    seen: list[tuple[Tensor, Tensor]] = []
    clean, distorted = (sampler_eyes(sampler, batches, augmented) for augmented in (False, True))

    def encode(index: Tensor) -> Tensor:
        seen.append((index, clean(index)))
        return seen[0][1]

    pairs, cosine = method.pairs(encode, len(data))
    index, x = seen[0]
    upper = torch.triu_indices(len(x), len(x), 1)
    same = data.labels[index[upper[0]]] == data.labels[index[upper[1]]]
    every = (x @ x.T)[upper[0], upper[1]]
    right = data.labels[pairs[:, 0]] == data.labels[pairs[:, 1]]
    degree = torch.bincount(pairs.flatten(), minlength=len(data))
    order = cosine.argsort(descending=True)
    return {
        "seed": config.seed,
        "looked_at": len(x),
        "pairs": len(pairs),
        "right": right.float().mean().item(),
        "degree": torch.bincount(degree)[1:].tolist(),
        "lowest": cosine.min().item(),
        "in_printed_window": int(((every >= 0.97) & (every <= 0.99)).sum()),
        "cosines_same": counts(every[same]),
        "cosines_other": counts(every[~same]),
        "cosines_pairs": counts(cosine),
        "by_cosine": [[*pairs[n].tolist(), round(cosine[n].item(), 4)] for n in order.tolist()],
        "looks": {
            "as they are": looks(clean, data.labels, config.seed),
            "augmented": looks(distorted, data.labels, config.seed),
        },
    }


def counts(values: Tensor) -> list[int]:
    """How many lie in each of 40 bins from -1 to 1."""
    return torch.histogram(values.double().clamp(-1, 1), EDGES.double()).hist.int().tolist()


def looks(encode: Any, labels: Tensor, seed: int) -> dict[str, Any]:
    """Of many anchors with five images each: how often another class is nearest, and how often as in the sentence.

    As in the sentence: two images of other classes above both of the anchor's, and the third above one of those.
    """
    draw = torch.Generator().manual_seed(seed)
    rows = []
    while len(rows) < ANCHORS:
        anchor = int(torch.randint(len(labels), (), generator=draw))
        order = torch.randperm(len(labels), generator=draw)
        same = labels[order] == labels[anchor]
        rows.append([anchor, *order[same & (order != anchor)][:2].tolist(), *order[~same][:3].tolist()])
    index = torch.tensor(rows)
    x = encode(index.flatten()).view(ANCHORS, 6, -1)
    cosine = (x[:, :1] * x[:, 1:]).sum(2)
    cars, horse_and_deer, train_image = cosine[:, :2], cosine[:, 2:4], cosine[:, 4]
    sentence = (horse_and_deer.min(1).values > cars.max(1).values) & (train_image > cars[:, 1])
    other_first = cosine.argmax(1) >= 2
    return {
        "other_nearest": other_first.float().mean().item(),
        "as_in_the_sentence": sentence.float().mean().item(),
        "first": {"index": rows[0], "cosine": [round(value, 4) for value in cosine[0].tolist()]},
    }


if __name__ == "__main__":
    record: dict[str, Any] = {"anchors": ANCHORS, "samplers": {}, "environment": environment("cpu")}
    runs = Path(sys.argv[1]) if len(sys.argv) > 1 else RUNS
    with threads(1):
        for name, epochs in SAMPLERS.items():
            record["samplers"][name] = []
            for seed in SEEDS:
                sets = {"sampler_epochs": epochs} | ({"high": 1.0} if epochs == 0 else {})
                config = profile("cpu").config("seppid", seed, sets)
                entry = of_sampler(replace(config, data=resolve(config.data, None)), runs)
                record["samplers"][name].append(entry)
                print(
                    name,
                    seed,
                    {key: entry[key] for key in ("pairs", "right", "lowest", "in_printed_window")},
                    {how: look["other_nearest"] for how, look in entry["looks"].items()},
                    flush=True,
                )
    write_json(RESULTS, record)
