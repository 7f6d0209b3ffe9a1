"""NNCLR loss and queue (Dwibedi et al., "With a Little Help from My Friends", ICCV 2021, Eq. 3-4, Alg. 1)."""

import math

from tests.equations.plain import dot, log_sum_exp, unit


def distance(a, b):
    return math.sqrt(sum((x - y) ** 2 for x, y in zip(a, b, strict=True)))


def sources(settings):
    """The large views whose neighbours are looked up: both, or the first only for the one-way forms."""
    return [0] if settings["symmetry"] in ("none", "text") else [0, 1]


def stand_in(anchor, own, own_label, rank, rows, settings):
    """The vector that replaces the unit vector `anchor` of image `own`, and the image it comes from."""
    entries, images, labels = rows
    allowed = [r for r in range(len(entries)) if not (settings["exclude_self"] and images[r] == own)]
    if not allowed:
        raise ValueError("every row belongs to the anchor's image")
    # Eq. 4: NN(z, Q) = argmin_{q in Q} || z - q ||_2.
    nearest_first = sorted(allowed, key=lambda r: distance(anchor, entries[r]))
    if settings["positive"] == "soft":
        # Softmax over the rows of the cosine; weighted mean; back to unit norm.
        scores = [dot(anchor, entries[r]) / settings["soft_temperature"] for r in allowed]
        total = [0.0] * len(anchor)
        for score, r in zip(scores, allowed, strict=True):
            weight = math.exp(score - log_sum_exp(scores))
            total = [t + weight * x for t, x in zip(total, entries[r], strict=True)]
        return unit(total), images[nearest_first[0]]
    best = nearest_first[0]
    if settings["positive"] == "oracle" and own_label not in (None, -1):
        same_class = [r for r in nearest_first if labels[r] == own_label]
        best = (same_class or nearest_first)[0]
    elif settings["positive"] == "nearest":
        best = nearest_first[rank]  # rank 0 unless one of the top k was drawn
    return entries[best], images[best]


def stand_ins(v, query, index, state, settings, label, chosen, support, support_index):
    """The (vector, image) pair that stands in for each row of large view v."""
    if settings["support"] == "encoder":
        rows = [unit(row) for row in support], support_index, [-1] * len(support)
    else:
        rows = state["entries"], state["index"], state["label"]
    drawn = settings["positive"] == "nearest" and settings["top_k"] > 1
    pairs = []
    for i, vector in enumerate(query[v]):
        rank = chosen[v][i] if drawn else 0
        pairs.append(stand_in(unit(vector), index[i], label[i] if label else None, rank, rows, settings))
    nearest_first = sorted(range(len(pairs)), key=lambda i: -dot(unit(query[v][i]), pairs[i][0]))
    for i in nearest_first[round(settings.get("accepted", 1) * len(pairs)) :]:
        pairs[i] = unit(query[v][i]), -1  # not accepted: the view
    return pairs


def loss(z, p, query, index, state, settings, label=None, chosen=None, support=None, support_index=None):
    """Eq. 3 with p+ in place of z+, averaged over the directions and views of the chosen form."""
    terms = []
    for v in sources(settings):
        if settings["positive"] in ("view", "detached"):
            nn = [unit(vector) for vector in query[v]]
        else:
            pairs = stand_ins(v, query, index, state, settings, label, chosen, support, support_index)
            nn = [vector for vector, _ in pairs]
        for w in [w for w in range(len(p)) if w != v]:
            # Algorithm 1: logits = nn @ p.T / temperature, labels = range(n).
            logits = [[dot(a, unit(k)) / settings["temperature"] for k in p[w]] for a in nn]
            n = len(logits)
            terms.append(sum(log_sum_exp(logits[i]) - logits[i][i] for i in range(n)) / n)
            if settings["symmetry"] in ("text", "both"):
                # Text after Eq. 3: the denominator runs over NN(z_k), the prediction i stays.
                columns = [[logits[k][i] for k in range(n)] for i in range(n)]
                terms.append(sum(log_sum_exp(columns[i]) - logits[i][i] for i in range(n)) / n)
    return sum(terms) / len(terms)


def mined(query, index, state, settings, label=None, chosen=None, support=None, support_index=None):
    """Image of every row that stands in, view after view; None when no neighbour is used."""
    if settings["positive"] in ("view", "detached"):
        return None
    out = []
    for v in sources(settings):
        pairs = stand_ins(v, query, index, state, settings, label, chosen, support, support_index)
        out += [image for _, image in pairs]
    return out


def after(query, index, state, settings, label=None):
    """The queue after the step: first in, first out, view 0 and then view 1 if both are pushed."""
    if settings["support"] == "encoder":
        return None
    new = {key: list(value) if isinstance(value, list) else value for key, value in state.items()}
    size = len(new["entries"])
    for view in query[:2] if settings["push_both_views"] else query[:1]:
        if settings["eviction"] == "random" and -1 not in new["index"]:
            raise ValueError("random eviction from a full queue cannot be predicted")
        new["pushes"] += 1
        for i in range(max(0, len(view) - size), len(view)):  # the last `size` rows of a large batch
            row = new["cursor"]
            new["entries"][row] = unit(view[i])
            new["index"][row] = index[i]
            new["label"][row] = -1 if label is None else label[i]
            new["born"][row] = new["pushes"]
            new["cursor"] = (row + 1) % size
    return new
