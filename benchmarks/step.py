"""Speed beside peers, measured in one run: interleaved, one thread on the CPU, medians of paired ratios.

    python -m sslrepro bench            prints the table and saves benchmarks/results/<device>.json

Augmentation against torchvision v2, image by image (what the usual loaders do); the queue lookup against faiss; kNN and
linear evaluation against scikit-learn; the steps of our methods with the share that augmentation takes.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from sslrepro.data import load
from sslrepro.data.views import View, augmented, recipe
from sslrepro.evaluate import linear
from sslrepro.methods import names
from sslrepro.parts.memory import unit
from sslrepro.parts.mining import nearest
from sslrepro.parts.optim import optimizer
from sslrepro.profiles import profile
from sslrepro.store import environment, write_json
from sslrepro.train import batches, initialised, threads
from sslrepro.types import Features

REPEATS = 7


def seconds(work: Callable[[], object], device: str) -> float:
    """Wall time of one call, the device's queue drained."""
    if device != "cpu":
        torch.cuda.synchronize()
    begun = time.perf_counter()
    work()
    if device != "cpu":
        torch.cuda.synchronize()
    return time.perf_counter() - begun


def compared(
    name: str, unit_: str, amount: int, ours: Callable, peer: Callable | None, peer_name: str, device: str
) -> dict:
    """Rates of both, interleaved, and the median, least and greatest paired ratio."""
    ours(), peer() if peer else None
    times = [(seconds(ours, device), seconds(peer, device) if peer else None) for _ in range(REPEATS)]
    row = {"what": name, "unit": unit_, "ours": amount / statistics.median(t for t, _ in times), "peer": peer_name}
    if peer:
        ratios = [other / mine for mine, other in times]
        row |= {"peer_rate": amount / statistics.median(t for _, t in times), "ratio": statistics.median(ratios),
                "least": min(ratios), "greatest": max(ratios)}  # fmt: skip
    return row


def torchvision_pipeline(view: View, side: int) -> Callable:
    """The same recipe as torchvision v2 transforms, for one image."""
    from torchvision.transforms import v2

    jitter = v2.RandomApply([v2.ColorJitter(*view.jitter)], view.jitter_chance)
    steps = [v2.RandomResizedCrop(side, view.crop, view.ratio, antialias=True), v2.RandomHorizontalFlip(view.flip),
             jitter, v2.RandomGrayscale(view.gray)]  # fmt: skip
    if view.solarise:
        steps.append(v2.RandomSolarize(128, view.solarise))
    return v2.Compose(steps)


def rows(device: str) -> list[dict]:
    """Every line of the table."""
    cpu = profile("cpu")
    base = cpu.config("nnclr", 0)
    train = load(base.data)[0].to(device)
    index = torch.arange(512, device=device)
    # blur off on both sides: at this size it is nearly the identity, and torchvision's would only cost time
    view = replace(recipe(base.views)[0], blur=0.0, cubic=False)
    generator = torch.Generator().manual_seed(0)
    pipeline = torchvision_pipeline(view, train.images.shape[-1])
    pictures = list(train.images[:64].cpu())

    def ours() -> None:
        for _ in range(2):
            augmented(train.take(index).float().div_(255), view, generator)

    def theirs() -> None:
        for picture in pictures:
            pipeline(picture), pipeline(picture)

    made = compared("two views, 16 px", "images/s", 512, ours, theirs, "torchvision v2, per image", device)
    scale = 512 / len(pictures)
    for key in ("ratio", "least", "greatest"):
        made[key] *= scale  # the peer did fewer images
    made["peer_rate"] /= scale
    out = [made]

    for method in names():
        config = cpu.config(method, 0)
        net = initialised(config, None, device)
        source = batches(config, train, net)
        solver = optimizer("adamw", net, 1e-3, 0.0, 0.9)
        places = iter(range(10**9))

        def step(net=net, source=source, solver=solver, places=places) -> None:
            for _ in range(10):
                result = net.loss(source.at(next(places)), 0.5)
                result.loss.backward()
                solver.step()
                solver.zero_grad()
                net.after_step(result, 0.5)

        def views_only(source=source, places=places) -> None:
            for _ in range(10):
                source.at(next(places))

        row = compared(f"step of {method}", "images/s", 10 * config.plan.batch_size, step, None, "", device)
        share = statistics.median(seconds(views_only, device) / seconds(step, device) for _ in range(REPEATS))
        out.append(row | {"views_share": share})

    for size in (8_192, 32_768, 98_304):
        queue = unit(torch.randn(size, 256, device=device))
        query = unit(torch.randn(256, 256, device=device))
        peer = None
        if device == "cpu":
            import faiss

            flat = faiss.IndexFlatIP(256)
            flat.add(queue.numpy())

            def peer(flat=flat, query=query) -> None:
                flat.search(query.numpy(), 1)

        def look(query=query, queue=queue) -> None:
            nearest(query, queue)

        out.append(compared(f"nearest of {size:,} x 256", "queries/s", 256, look, peer, "faiss flat", device))

    x, y = torch.randn(4096, 128), torch.randint(16, (4096,))
    x += torch.nn.functional.one_hot(y, 128) * 2.0
    split = Features(x.to(device), y.to(device))

    def probe() -> None:
        linear.fit(split.x, split.y, 16, 1e-3, 100)

    def sklearn_probe() -> None:
        from sklearn.linear_model import LogisticRegression

        LogisticRegression(C=1 / (1e-3 * 4096), max_iter=100).fit(x.numpy(), y.numpy())

    out.append(compared("linear probe, 4,096 x 128", "fits/s", 1, probe, sklearn_probe, "scikit-learn", device))
    return out


def main(device: str = "cpu") -> None:
    """Print and save the table."""
    with threads(1):
        found = rows(device)
        where = environment(device)
    print(f"{'what':28} {'ours':>12} {'peer':>12} {'unit':10} {'ratio [least, greatest]':26} peer")
    for row in found:
        ratio = f"{row['ratio']:.1f} [{row['least']:.1f}, {row['greatest']:.1f}]" if "ratio" in row else ""
        share = f"views are {100 * row['views_share']:.0f}% of the step" if "views_share" in row else row["peer"]
        other = f"{row['peer_rate']:,.1f}" if "peer_rate" in row else ""
        print(f"{row['what']:28} {row['ours']:12,.1f} {other:>12} {row['unit']:10} {ratio:26} {share}")
    path = Path(__file__).parent / "results" / f"{torch.device(device).type}.json"
    write_json(path, {"environment": where, "repeats": REPEATS, "rows": found})
    print(f"saved {path}")
