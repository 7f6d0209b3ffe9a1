"""Which stored embeddings are near: one exact search, shared by training and evaluation."""

import torch
from torch import Tensor

from sslrepro.base.errors import require
from sslrepro.base.types import Bool, Float, Int
from sslrepro.parts.memory import cosines, precise


@torch.no_grad()
def nearest(
    query: Float[Tensor, "a d"],
    rows: Float[Tensor, "m d"],
    k: int = 1,
    query_index: Int[Tensor, " a"] | None = None,
    row_index: Int[Tensor, " m"] | None = None,
    chunk: int = 65_536,
) -> tuple[Float[Tensor, "a k"], Int[Tensor, "a k"]]:
    """The `k` rows of largest dot product with each query, best first: (similarity, position).

    Rows of unit norm make this the smallest L2 distance too (NNCLR, Eq. 4). With both indices given, rows whose
    index equals the query's are passed over (their similarity is -inf and comes last).

        chunk   queries x rows held at once is at most a x chunk floats

    Raises ValueError if k is not 1..m.
    """
    require(1 <= k <= len(rows), "nearest", "k", f"1..{len(rows)}, the stored rows", k)
    best: tuple[Tensor, Tensor] | None = None
    for start in range(0, len(rows), chunk):
        part = rows[start : start + chunk]
        similarity = cosines(query, part)
        if query_index is not None and row_index is not None:
            own = query_index[:, None] == row_index[None, start : start + chunk]
            similarity = similarity.masked_fill(own, float("-inf"))
        if k == 1:
            value, place = similarity.max(1, keepdim=True)
        else:
            value, place = similarity.topk(min(k, len(part)), dim=1)
        place = place + start
        if best is not None:
            value, place = torch.cat([best[0], value], 1), torch.cat([best[1], place], 1)
            value, order = value.topk(min(k, value.shape[1]), dim=1)
            place = place.gather(1, order)
        best = value, place
    return best


@torch.no_grad()
def similar_pairs(
    x: Float[Tensor, "n d"],
    low: float,
    high: float,
    max_partners: int | None = None,
    max_pairs: int | None = None,
    tile: int = 4096,
) -> tuple[Int[Tensor, "p 2"], Float[Tensor, " p"]]:
    """(pairs, cosines) of unit rows with low <= cosine <= high, each unordered pair once, first < second (SePP-ID).

    Both bounds are inclusive. Pairs come in order of their first row, then their second.

        max_partners   most pairs a row may be in; the most similar go first
        max_pairs      most pairs in all; the most similar go first
        tile           rows compared at once: at most tile^2 floats are held, whatever n

    Computed in fp32 or better: bf16 has three digits, too few for bounds of 0.97 and 0.99.
    """
    require(low <= high, "similar_pairs", "low", f"<= high, {high}", low)
    x = precise(x)
    pairs, cosines = [torch.empty(0, 2, dtype=torch.int64, device=x.device)], [x.new_empty(0)]
    # one mask for all tiles: fresh ones, with small results kept between them, leave the heap in pieces
    mask = torch.empty(min(tile, len(x)), min(tile, len(x)), dtype=torch.bool, device=x.device)
    for i in range(0, len(x), tile):
        for j in range(i, len(x), tile):
            similarity = x[i : i + tile] @ x[j : j + tile].T
            place = torch.ge(similarity, low, out=mask[: len(similarity), : similarity.shape[1]]).nonzero()
            value = similarity[place[:, 0], place[:, 1]].clamp_max(1)  # an exact copy may round to more
            place += torch.tensor([i, j], device=x.device)
            hit = (value <= high) & (place[:, 0] < place[:, 1])
            if hit.any():
                pairs.append(place[hit])
                cosines.append(value[hit])
    pair, cosine = torch.cat(pairs), torch.cat(cosines)
    if max_partners is not None or max_pairs is not None:
        order = cosine.sort(descending=True, stable=True).indices
        keep = torch.zeros(len(pair), dtype=torch.bool)
        degree = [0] * len(x)
        most = len(pair) if max_pairs is None else max_pairs
        for place, (a, b) in zip(order.tolist(), pair[order].tolist(), strict=True):
            if most == 0:
                break
            if max_partners is None or (degree[a] < max_partners and degree[b] < max_partners):
                keep[place] = True
                degree[a] += 1
                degree[b] += 1
                most -= 1
        pair, cosine = pair[keep.to(pair.device)], cosine[keep.to(pair.device)]
    order = (pair[:, 0] * len(x) + pair[:, 1]).argsort()
    return pair[order], cosine[order]


@torch.no_grad()
def window(
    x: Float[Tensor, "n d"], quantile: float, sample: int, generator: torch.Generator, high: float = 1.0
) -> float:
    """The cosine above which a share `quantile` of all pairs up to `high` lies, from `sample` random pairs of rows."""
    require(0 < quantile < 1, "mining.window", "quantile", "in (0, 1), a share of all pairs", quantile)
    x, parts = precise(x), []
    for n in [100_000] * (sample // 100_000) + ([sample % 100_000] if sample % 100_000 else []):
        first = torch.randint(len(x), (n,), generator=generator)
        second = (first + torch.randint(1, len(x), (n,), generator=generator)) % len(x)
        parts.append((x[first.to(x.device)] * x[second.to(x.device)]).sum(1))
    cosine = torch.cat(parts)
    cosine = cosine[cosine <= high].sort(descending=True).values
    return float(cosine[min(len(cosine) - 1, int(quantile * sample))]) if len(cosine) else high


@torch.no_grad()
def extreme(
    similarity: Float[Tensor, "a k"], among: Bool[Tensor, "a k"], n: int, largest: bool = True
) -> Bool[Tensor, "a k"]:
    """True for the `n` keys of largest (or smallest) similarity among the allowed ones; fewer where fewer are."""
    worst = float("-inf") if largest else float("inf")
    n = min(n, similarity.shape[1])
    place = similarity.masked_fill(~among, worst).topk(n, dim=1, largest=largest).indices
    return torch.zeros_like(among).scatter(1, place, True) & among


@torch.no_grad()
def list_pairs(
    anchor: Int[Tensor, " a"], chosen: Bool[Tensor, "a k"], key: Int[Tensor, " k"], n: int
) -> tuple[Int[Tensor, " p"], Int[Tensor, " p"]]:
    """(anchor, key) of what was found, as a list of a * n pairs whose length no value decides; key -1 where none is.

    n   most that are found for an anchor
    """
    n = min(n, chosen.shape[1])
    there, place = chosen.int().topk(n, dim=1)
    return anchor.repeat_interleave(n), torch.where(there > 0, key[place], -1).flatten()


@torch.no_grad()
def distinct_nearest(
    similarity: Float[Tensor, "a m"], row_index: Int[Tensor, " m"], among: Bool[Tensor, "a m"], k: int
) -> Int[Tensor, "a k"]:
    """The `k` distinct images whose rows are nearest, nearest first; -1 where there are fewer.

    row_index   data-set index of each row; several rows may show one image
    """
    order = similarity.masked_fill(~among, float("-inf")).sort(dim=1, descending=True, stable=True)
    image = torch.where(among.gather(1, order.indices), row_index[order.indices], -1)
    place = torch.arange(image.shape[1], device=image.device)
    by_image = image.sort(dim=1, stable=True)  # equal images side by side, the nearest first
    repeated = torch.zeros_like(among)
    repeated[:, 1:] = by_image.values[:, 1:] == by_image.values[:, :-1]
    fresh = ~repeated.gather(1, by_image.indices.argsort(dim=1)) & (image >= 0)
    first = torch.where(fresh, place, image.shape[1]).sort(dim=1).values[:, :k]
    distinct = torch.cat([image, torch.full_like(image[:, :1], -1)], 1).gather(1, first)
    return torch.nn.functional.pad(distinct, (0, k - distinct.shape[1]), value=-1)
