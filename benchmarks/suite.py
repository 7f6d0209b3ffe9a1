"""Speed beside peers, measured in one run: interleaved, one thread on the CPU, medians of paired ratios.

    python -m sslrepro bench            prints the table and saves benchmarks/results/<device>.json

A processor that multiplies bf16 saves under the name of its kind: cpu-avx512_bf16.json or cpu-amx_bf16.json.

Each row has our rate, the peer's rate measured in turn with it, the ratio with its spread, and, where the work is a
known number of multiplications, the share of the measured peak that ours reaches. lightly is measured where it
is installed (`pip install -e .[peers]`).
"""

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import torch
from threadpoolctl import threadpool_limits
from torch.utils.flop_counter import FlopCounterMode
from tqdm import tqdm

from benchmarks.peers import HAS_LIGHTLY, LightlyStep, endless, lightly_transform, torchvision_pipeline
from sslrepro.base.device import bf16_units
from sslrepro.base.store import environment, write_json
from sslrepro.base.types import Batch, Features
from sslrepro.data import load
from sslrepro.data.recipes import recipe
from sslrepro.data.views import augment_images
from sslrepro.evaluate import knn, linear
from sslrepro.parts.cluster import HAS_FAISS, kmeans
from sslrepro.parts.encoders import encoder
from sslrepro.parts.extract import encode_images
from sslrepro.parts.memory import unit
from sslrepro.parts.mining import nearest, similar_pairs
from sslrepro.parts.optim import optimizer
from sslrepro.study.profiles import Profile, on_dataset, profile
from sslrepro.training.loop import COMPILING, batches_of, compile_encoders, initial_method, threads

REPEATS = 5
BATCH = 256
METHODS = ("simclr", "nnclr", "mocov2", "ifnd", "invp")


def seconds(work: Callable[[], object], device: str) -> float:
    """Wall time of one call, the device's queue drained."""
    if device != "cpu":
        torch.cuda.synchronize()
    begun = time.perf_counter()
    work()
    if device != "cpu":
        torch.cuda.synchronize()
    return time.perf_counter() - begun


def count_flops(work: Callable[[], object]) -> int:
    """Multiplications and additions of one call's matrix products and convolutions, each counted."""
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops()


def comparison(
    name: str,
    unit_: str,
    amount: float,
    ours: Callable,
    device: str,
    peer: Callable | None = None,
    peer_name: str = "",
    peer_amount: float | None = None,
    flops: float | None = None,
    repeats: int = REPEATS,
) -> dict:
    """Rates of both, interleaved after one warm-up each; median, least and greatest paired ratio.

    amount, peer_amount   of work done by one call, in `unit_`
    flops                 multiplications and additions of ours; counted where not given
    """
    peer_amount = amount if peer_amount is None else peer_amount
    flops = count_flops(ours) if flops is None else flops
    if peer:
        peer()
    times = [(seconds(ours, device), seconds(peer, device) if peer else None) for _ in range(repeats)]
    mine = statistics.median(t for t, _ in times)
    row = {"what": name, "unit": unit_, "ours": amount / mine, "peer": peer_name, "repeats": repeats}
    if flops:
        row["flops_per_second"] = flops / mine
    if peer:
        ratios = [(other / peer_amount) / (t / amount) for t, other in times]
        row |= {
            "peer_rate": peer_amount / statistics.median(t for _, t in times),
            "ratio": statistics.median(ratios),
            "least": min(ratios),
            "greatest": max(ratios),
        }
    return row


def peaks(device: str) -> dict[str, float]:
    """The machine's measured limits: multiply-adds a second, each counted as two, and bytes copied."""
    a = torch.randn(2048, 2048, device=device)
    copied = min(seconds(lambda: a.clone(), device) for _ in range(5))
    limits = {"flops_per_second": fastest(torch.float32, device), "bytes_per_second": 2 * a.nbytes / copied}
    if bf16_units(device):  # what autocast multiplies in
        limits["bf16_flops_per_second"] = fastest(torch.bfloat16, device)
    return limits


def fastest(kind: torch.dtype, device: str) -> float:
    """The most multiplications and additions a second that any of four calls reaches, five times each.

    A matrix product and 3x3 convolutions: on a processor they come from different libraries (MKL, oneDNN), and on AMD's
    the product is the slower one.
    """
    n, rates = 2048 if device == "cpu" else 8192, []
    with torch.no_grad():
        a = torch.randn(n, n, device=device, dtype=kind)
        rates.append(2 * n**3 / min(seconds(lambda: a @ a, device) for _ in range(5)))
        for channels, side, images in ((64, 16, 256), (256, 28, 16), (512, 14, 16)):
            form = dict(device=device, dtype=kind)
            x = torch.randn(images, channels, side, side, **form).to(memory_format=torch.channels_last)
            weight = torch.randn(channels, channels, 3, 3, **form).to(memory_format=torch.channels_last)

            def convolve(x=x, weight=weight) -> None:
                torch.nn.functional.conv2d(x, weight, padding=1)

            convolve()
            rates.append(count_flops(convolve) / min(seconds(convolve, device) for _ in range(5)))
    return max(rates)


def views(cpu: Profile, device: str) -> Iterator[dict]:
    """Two views of a batch, without blur on either side: at 16 px it is nearly the identity."""
    for side in (16, 32):
        data = replace(cpu.data, side=side, n_train=1024, n_test=64)
        train = load(data)[0].to(device)
        view = replace(recipe(cpu.views)[0], blur=0.0, cubic=False)
        generator, index = torch.Generator().manual_seed(0), torch.arange(512, device=device)

        def ours(train=train, view=view, generator=generator, index=index) -> None:
            for _ in range(2):
                augment_images(train.take(index).float().div_(255), view, generator)

        pipeline, pictures = torchvision_pipeline(view, side), list(train.images[:64].cpu())

        def torchvision(pipeline=pipeline, pictures=pictures) -> None:
            for picture in pictures:
                pipeline(picture), pipeline(picture)

        yield comparison(f"two views, {side} px", "images/s", 512, ours, device, torchvision, "torchvision v2", 64)
        if HAS_LIGHTLY:
            loader = endless(train.images[:256].cpu(), lightly_transform(view, side), 128)

            def lightly(loader=loader) -> None:
                next(loader)

            yield comparison(f"two views, {side} px", "images/s", 512, ours, device, lightly, "lightly", 128)


def steps(cpu: Profile, device: str) -> Iterator[dict]:
    """A whole training step at batch 256: views, forward, loss, backward, optimizer, memories."""
    cpu = replace(cpu, plan=replace(cpu.plan, batch_size=BATCH))
    for method in METHODS:
        config = cpu.config(method, 0)
        train = load(config.data)[0].to(device)
        net = initial_method(config, len(train), device)
        source = batches_of(config, train, net)
        solver = optimizer("adamw", net, 1e-3, 0.0, 0.9)
        places = iter(range(10**9))

        def step(net=net, source=source, solver=solver, places=places) -> None:
            result = net.loss(source.at(next(places)), 0.5)
            result.loss.backward()
            solver.step()
            solver.zero_grad()
            net.after_step(result, 0.5)

        def views_only(source=source, places=places) -> None:
            source.at(next(places))

        peer = None
        if HAS_LIGHTLY and device == "cpu" and method in ("simclr", "nnclr", "mocov2"):
            view = replace(recipe(cpu.views)[0], blur=0.0, cubic=False)
            loader = endless(train.images[:1024], lightly_transform(view, config.data.side), BATCH)
            size = config.settings.get("queue_size", 0)
            peer = LightlyStep(method, encoder(config.encoder).train(), loader, size)
        row = comparison(f"step of {method}", "images/s", BATCH, step, device, peer, "lightly" if peer else "")
        share = statistics.median(seconds(views_only, device) / seconds(step, device) for _ in range(REPEATS))
        yield row | {"views_share": share}


def photo_steps(cpu: Profile, device: str) -> Iterator[dict]:
    """On a processor: SimCLR with ResNet-18 at 64 px, and at batch 256 `night` with ResNet-8 at 32 px and `cpu` at 16.

    In fp32 and, where the processor multiplies it, in bf16; lightly takes the same step in fp32, as it is shipped, and
    under the same autocast. Steps of 16 px in fp32 are those of `steps`. `alone_share` is the part of a step that
    remains with the views made beforehand.
    """
    if device != "cpu":
        return
    night = on_dataset(profile("night"), "cifar10")
    of_drawn = replace(cpu.data, n_train=2 * BATCH, n_test=64)
    large = replace(cpu, data=replace(of_drawn, side=64), encoder="resnet18", plan=replace(cpu.plan, batch_size=32))
    small = replace(cpu, data=of_drawn, plan=replace(cpu.plan, batch_size=BATCH))
    scales = {
        "ResNet-18, 64 px": large,
        "ResNet-8, 32 px": replace(night, data=replace(of_drawn, side=32), data_follows_seed=True),
    }
    pairs = [("fp32", "fp32"), ("bf16", "fp32"), ("bf16", "bf16")]  # ours, lightly's
    wanted = [(name, scale, *pair) for name, scale in scales.items() for pair in pairs]
    wanted += [("16 px", small, *pair) for pair in pairs if "bf16" in pair]
    for name, scale, mine, others in wanted:
        measurable = bf16_units(device) or mine == "fp32"
        if measurable and (HAS_LIGHTLY or others == "fp32"):  # without lightly once per precision of ours
            yield photo_step(name, scale, mine, others)


def photo_step(name: str, scale: Profile, mine: str, others: str) -> dict:
    """One row: a step of SimCLR at a scale in a precision, beside lightly's in its own."""
    config = scale.config("simclr", 0)
    size, side, train = config.plan.batch_size, config.data.side, load(config.data)[0]
    view = replace(recipe(config.views)[0], blur=0.0, cubic=False)
    net = initial_method(config, len(train), "cpu")
    source, places = batches_of(config, train, net), iter(range(10**9))
    solver = optimizer("adamw", net, 1e-3, 0.0, 0.9)
    ready = source.at(next(places))

    def step(batch: Batch | None = None) -> None:
        batch = source.at(next(places)) if batch is None else batch
        with torch.autocast("cpu", torch.bfloat16, enabled=mine == "bf16"):
            result = net.loss(batch, 0.5)
        result.loss.backward()
        solver.step()
        solver.zero_grad()

    peer = None
    if HAS_LIGHTLY:
        loader = endless(train.images, lightly_transform(view, side), size)
        lightly = LightlyStep("simclr", encoder(config.encoder).train(), loader, 0)

        def peer() -> None:
            lightly(bf16=others == "bf16")

    words = f"step of simclr, {name}, {mine}"
    row = comparison(words, "images/s", size, step, "cpu", peer, f"lightly, {others}" if peer else "")
    shares = [
        (seconds(lambda: source.at(next(places)), "cpu") / whole, seconds(lambda: step(ready), "cpu") / whole)
        for whole in (seconds(step, "cpu") for _ in range(REPEATS))
    ]
    of_views, alone = (statistics.median(column) for column in zip(*shares, strict=True))
    peak = "bf16_flops_per_second" if mine == "bf16" else "flops_per_second"
    return row | {"views_share": of_views, "alone_share": alone, "peak": peak}


def renewals(cpu: Profile, device: str) -> Iterator[dict]:
    """IFND's pass over all images and its clusterings, as a share of the training it interrupts."""
    config = cpu.config("ifnd", 0)
    train = load(config.data)[0].to(device)
    net = initial_method(config, len(train), device)
    source = batches_of(config, train, net)
    solver, places = optimizer("adamw", net, 1e-3, 0.0, 0.9), iter(range(10**9))

    def step() -> None:
        result = net.loss(source.at(next(places)), 0.5)
        result.loss.backward()
        solver.step()
        solver.zero_grad()

    def renew() -> None:
        net.pseudo.at.zero_()  # or it would not be due again
        net.refresh(lambda part: encode_images(part, train, source.normalise), 0.5)

    clusterings = len(config.settings["clusters"])
    row = comparison(f"pseudo-labels of {len(train):,} images, {clusterings} clusterings", "passes/s", 1, renew, device)
    each = statistics.median(seconds(step, device) for _ in range(20))
    every = max(1, round(config.settings["every"] * config.plan.epochs)) * source.per_epoch
    yield row | {"training_share": 1 / row["ours"] / (1 / row["ours"] + every * each)}


def large_steps(device: str) -> Iterator[dict]:
    """On a GPU: whole steps of ResNet-18 with the CIFAR stem in bf16, plain, compiled and as CUDA graphs."""
    gpu = profile("gpu")
    data = replace(profile("cpu").data, side=32, n_train=16_384, n_test=64)
    for size in (512, 1024):
        at = replace(gpu, data=data, plan=replace(gpu.plan, batch_size=size), data_follows_seed=True)
        for method in METHODS:
            config = at.config(method, 0)
            train = load(config.data)[0].to(device)
            flops = None
            for how in COMPILING:
                torch.compiler.reset()
                net = compile_encoders(initial_method(config, len(train), device), how)
                source = batches_of(config, train, net)
                solver = optimizer("sgd", net, 0.06, 5e-4, 0.9)
                places = iter(range(10**9))

                def step(net=net, source=source, solver=solver, places=places) -> None:
                    torch.compiler.cudagraph_mark_step_begin()
                    batch = source.at(next(places))
                    with torch.autocast(torch.device(device).type, torch.bfloat16):
                        result = net.loss(batch, 0.5)
                    result.loss.backward()
                    solver.step()
                    solver.zero_grad(set_to_none=True)
                    net.after_step(result, 0.5)

                for _ in range(3):
                    step()  # compiles

                def some(step=step) -> None:
                    for _ in range(20):
                        step()

                def some_views(source=source, places=places) -> None:
                    for _ in range(20):
                        source.at(next(places))

                name = f"step of {method}, ResNet-18, batch {size}" + (f", {how}" if how != "no" else "")
                flops = count_flops(some) if flops is None else flops  # of the plain step, which is counted exactly
                row = comparison(name, "images/s", 20 * size, some, device, flops=flops)
                share = seconds(some_views, device) / (20 * size / row["ours"])
                yield row | {"views_share": share, "peak": "bf16_flops_per_second"}


def searches(device: str) -> Iterator[dict]:
    """Queue lookup, kNN graph, pair mining."""
    for size in (8_192, 32_768, 98_304):
        queue, query = unit(torch.randn(size, 256, device=device)), unit(torch.randn(BATCH, 256, device=device))
        peer = None
        if device == "cpu" and HAS_FAISS:
            import faiss

            flat = faiss.IndexFlatIP(256)
            flat.add(queue.numpy())

            def peer(flat=flat, query=query) -> None:
                flat.search(query.numpy(), 1)

        def look(queue=queue, query=query) -> None:
            nearest(query, queue)

        yield comparison(
            f"nearest of {size:,} x 256",
            "queries/s",
            BATCH,
            look,
            device,
            peer,
            "faiss flat" if peer else "",
            flops=2 * BATCH * size * 256,
        )
    rows = unit(torch.randn(8_192, 128, device=device))
    index = torch.arange(len(rows), device=device)

    def graph() -> None:
        for part in index.split(1024):
            nearest(rows[part], rows, 4, part, index)

    def sklearn_graph() -> None:
        from sklearn.neighbors import NearestNeighbors

        NearestNeighbors(n_neighbors=5, algorithm="brute", n_jobs=1).fit(rows.cpu().numpy()).kneighbors()

    yield comparison(
        "4-NN graph of 8,192 x 128",
        "images/s",
        8_192,
        graph,
        device,
        sklearn_graph,
        "scikit-learn",
        flops=2 * 8_192**2 * 128,
    )
    for size, repeats in ((10_000, REPEATS), (32_000, 2), (128_000, 1)):
        x = unit(torch.randn(size, 256, device=device))
        peer = None
        if device == "cpu" and HAS_FAISS and size <= 32_000:
            import faiss

            def peer(x=x) -> None:
                flat = faiss.IndexFlatIP(256)
                flat.add(x.numpy())
                flat.range_search(x.numpy(), 0.97)

        def mine(x=x) -> None:
            similar_pairs(x, 0.97, 0.99)

        yield comparison(
            f"pairs among {size:,} x 256",
            "vectors/s",
            size,
            mine,
            device,
            peer,
            "faiss range search" if peer else "",
            flops=size * size * 256,
            repeats=repeats,
        )


def clusterings(device: str) -> Iterator[dict]:
    """k-means, at most 20 iterations, from the same kind of start; all three stop when nothing moves."""
    x = unit(torch.randn(20_000, 128, device=device))
    for k in (100, 1000):
        peers: dict[str, Callable] = {}

        def sklearn_kmeans(k=k) -> None:
            from sklearn.cluster import KMeans

            KMeans(k, init="random", n_init=1, max_iter=20, tol=0, algorithm="lloyd").fit(x.cpu().numpy())

        peers["scikit-learn"] = sklearn_kmeans
        if HAS_FAISS and device == "cpu":
            import faiss

            def faiss_kmeans(k=k) -> None:
                faiss.Kmeans(128, k, niter=20, max_points_per_centroid=10**9, seed=1).train(x.numpy())

            peers["faiss"] = faiss_kmeans

        def ours(k=k) -> None:
            kmeans(x, k, 0)

        for name, peer in peers.items():
            yield comparison(f"k-means {k:,} of 20,000 x 128", "runs/s", 1, ours, device, peer, name, repeats=3)


def evaluations(device: str) -> Iterator[dict]:
    """kNN evaluation and linear probe on well separated features."""
    y = torch.randint(16, (4096,))
    x = torch.randn(4096, 128) + torch.nn.functional.one_hot(y, 128) * 2.0
    split = Features(x.to(device), y.to(device))

    def sklearn_knn() -> None:
        from sklearn.neighbors import KNeighborsClassifier

        classifier = KNeighborsClassifier(20, algorithm="brute", n_jobs=1).fit(unit(x).numpy(), y.numpy())
        classifier.predict_proba(unit(x).numpy())

    def ours_knn() -> None:
        knn.scores(split, split, knn.Protocol(), 0)

    yield comparison(
        "20-NN evaluation, 4,096 x 128",
        "images/s",
        4096,
        ours_knn,
        device,
        sklearn_knn,
        "scikit-learn",
        flops=2 * 4096**2 * 128,
    )

    def sklearn_probe() -> None:
        from sklearn.linear_model import LogisticRegression

        LogisticRegression(C=1 / (1e-3 * 4096), max_iter=100).fit(x.numpy(), y.numpy())

    def ours_probe() -> None:
        linear.fit(split.x, split.y, 16, 1e-3, 100)

    yield comparison("linear probe, 4,096 x 128", "fits/s", 1, ours_probe, device, sklearn_probe, "scikit-learn")


def name_of_kind(device: str) -> str:
    """Results of one kind of machine replace each other, not those of another: its name, of the best bf16 it has."""
    kind = torch.device(device).type
    units = bf16_units(device) if kind == "cpu" else ()
    return "-".join((kind, *units[-1:]))


def main(device: str = "cpu") -> None:
    """Print and save the table."""
    cpu = profile("cpu")
    if HAS_FAISS:
        import faiss

        faiss.omp_set_num_threads(1)
    with threads(1), threadpool_limits(1):  # the second is numpy's and scikit-learn's
        limits = peaks(device)
        of_steps = [steps(cpu, device), photo_steps(cpu, device), renewals(cpu, device)]
        parts = [views(cpu, device), *of_steps, searches(device), clusterings(device), evaluations(device)]
        if device != "cpu":
            parts.append(large_steps(device))
        rows = [row for part in parts for row in tqdm(part, desc="rows", leave=False)]
        where = environment(device)
    giga = limits["flops_per_second"] / 1e9
    copied = limits["bytes_per_second"] / 1e9
    print(f"peak measured here, one thread: {giga:.0f} GFLOP/s in fp32, {copied:.1f} GB/s copied")
    head = ("what", "ours", "peer's", "unit", "ratio [least, greatest]", "of peak", "views", "peer")
    form = "{:42} {:>12} {:>12} {:10} {:24} {:>8} {:>6}  {}"
    print(form.format(*head))
    for row in rows:
        ratio = f"{row['ratio']:.1f} [{row['least']:.1f}, {row['greatest']:.1f}]" if "ratio" in row else ""
        share = f"{100 * row['views_share']:.0f}%" if "views_share" in row else ""
        if "training_share" in row:
            share = f"{100 * row['training_share']:.1f}% of training"
        has_peak = "flops_per_second" in row
        peak = limits[row.get("peak", "flops_per_second")]
        reached = f"{100 * row['flops_per_second'] / peak:.0f}%" if has_peak else ""
        other = f"{row['peer_rate']:,.1f}" if "peer_rate" in row else ""
        cells = (row["what"], f"{row['ours']:,.1f}", other, row["unit"], ratio, reached, share, row["peer"])
        print(form.format(*cells).rstrip())
    path = Path(__file__).parent / "results" / f"{name_of_kind(device)}.json"
    write_json(path, {"environment": where, "peaks": limits, "rows": rows})
    print(f"saved {path}")
