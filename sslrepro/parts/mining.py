"""Which stored embeddings are near: one exact search, shared by training and evaluation."""

import torch
from torch import Tensor

from sslrepro.check import require
from sslrepro.types import Float, Int


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
        similarity = query @ part.T
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
