"""How time and memory grow with what a method's definition multiplies; run as `python -m benchmarks.growth`.

Every line fits time = c * size^p over the larger half of its sizes, where fixed costs no longer count; `expected` is
what the definition says. Saves benchmarks/results/growth-<device>.json.
"""

import math
import statistics
import sys
from collections.abc import Callable
from pathlib import Path

import torch

from benchmarks.suite import seconds
from sslrepro.base.store import environment, write_json
from sslrepro.parts.cluster import kmeans
from sslrepro.parts.graph import NeighbourGraph
from sslrepro.parts.losses import nce
from sslrepro.parts.masks import same_image
from sslrepro.parts.memory import Queue, unit
from sslrepro.parts.mining import nearest, similar_pairs
from sslrepro.training.loop import threads

REPEATS = 5


def measure(work: Callable[[int], Callable[[], object]], sizes: list[int], device: str) -> list[float]:
    """Median seconds of one call at each size; what is prepared for a size is not timed."""
    out = []
    for size in sizes:
        call = work(size)
        call()
        out.append(statistics.median(seconds(call, device) for _ in range(REPEATS)))
    return out


def exponent(sizes: list[int], values: list[float]) -> float:
    """Slope of log time over log size, least squares over the larger half."""
    half = len(sizes) // 2
    x, y = ([math.log(v) for v in row[half:]] for row in (sizes, values))
    mx, my = statistics.fmean(x), statistics.fmean(y)
    return sum((a - mx) * (b - my) for a, b in zip(x, y, strict=True)) / sum((a - mx) ** 2 for a in x)


def lines(device: str) -> list[dict]:
    """Every line: what grows, over what, the sizes, and the exponent that its definition allows."""

    def rows(n: int, d: int = 128) -> torch.Tensor:
        return unit(torch.randn(n, d, device=device))

    def lookup(size: int) -> Callable[[], object]:
        query, queue = rows(256, 256), rows(size, 256)
        return lambda: nearest(query, queue)

    def push(size: int) -> Callable[[], object]:
        queue, new, index = Queue(size, 256).to(device), rows(256, 256), torch.arange(256, device=device)
        return lambda: queue.push(new, index)

    def contrast(size: int) -> Callable[[], object]:
        z, row = rows(2 * size), torch.arange(size, device=device).repeat(2)
        own = torch.arange(2 * size, device=device)
        return lambda: nce(z, z, *same_image(row, row, own), 0.1)

    def clusters(k: int) -> Callable[[], object]:
        x = rows(16_384, 64)
        return lambda: kmeans(x, k, 0, iterations=5)

    def images(n: int) -> Callable[[], object]:
        x = rows(n, 64)
        return lambda: kmeans(x, 64, 0, iterations=5)

    def pairs(n: int) -> Callable[[], object]:
        x = rows(n)
        return lambda: similar_pairs(x, 0.97, 0.99)

    def walk(edges: int) -> Callable[[], object]:
        graph, index = NeighbourGraph(8192, 4).to(device), torch.arange(128, device=device)
        graph.neighbours.copy_(torch.randint(8192, graph.neighbours.shape, device=device))
        hops = {4: 1, 20: 2, 84: 3, 340: 4, 1364: 5, 5460: 6}[edges]
        return lambda: graph.walks(index, hops)

    queue_sizes = [8_192, 16_384, 32_768, 65_536, 98_304]
    plan = [
        ("queue lookup", "rows of the queue", lookup, queue_sizes, 1.0),
        ("queue push", "rows of the queue", push, queue_sizes, 0.0),
        ("contrast of a batch", "images of a batch", contrast, [64, 128, 256, 512, 1024], 2.0),
        ("k-means", "clusters", clusters, [16, 32, 64, 128, 256, 512], 1.0),
        ("k-means", "images", images, [4_096, 8_192, 16_384, 32_768, 65_536], 1.0),
        ("pair mining", "vectors", pairs, [2_048, 4_096, 8_192, 16_384], 2.0),
        ("walk over the graph", "walks of 1 to 6 hops", walk, [4, 20, 84, 340, 1364, 5460], 1.0),
    ]
    out = []
    for what, over, work, sizes, expected in plan:
        values = measure(work, sizes, device)
        out.append(
            {
                "what": what,
                "over": over,
                "sizes": sizes,
                "seconds": values,
                "expected": expected,
                "exponent": exponent(sizes, values),
            }
        )
    return out


def main(device: str = "cpu") -> None:
    """Print and save every line."""
    with threads(1):
        rows, where = lines(device), environment(device)
    for line in rows:
        times = "  ".join(f"{1000 * value:.2f}" for value in line["seconds"])
        fit = f"exponent {line['exponent']:5.2f} (allowed {line['expected']})"
        print(f"{line['what']:22} over {line['over']:22} {fit}  ms: {times}")
    memory = {str(m): sum(t.nbytes for t in Queue(m, 256).state_dict().values()) for m in (8_192, 32_768, 98_304)}
    path = Path(__file__).parent / "results" / f"growth-{torch.device(device).type}.json"
    write_json(path, {"environment": where, "lines": rows, "queue_bytes": memory})
    print(f"bytes of a queue of 256 numbers a row: {memory}\nsaved {path}")


if __name__ == "__main__":
    main(*sys.argv[1:])
