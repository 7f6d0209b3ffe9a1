"""Who may be whose partner, by each rule, in plain loops; the loss is the framework's own, whose oracle is its file's."""

from tests.equations.plain import dot


def nearest(x, i, among):
    """The images of `among`, the most similar to image i first."""
    return sorted(among, key=lambda j: -dot(x[i], x[j]))


def relation(rule, x, group, settings):
    """Image -> the set of images that a rule names for it; `group` holds the classes, or the clusters."""
    n = len(x)
    others = [[j for j in range(n) if j != i] for i in range(n)]
    if rule == "same":
        return [set() for _ in range(n)]
    if rule == "random":
        return [set(others[i]) for i in range(n)]
    if rule in ("labels", "clusters"):
        return [{j for j in others[i] if group[j] == group[i]} for i in range(n)]
    if rule == "nearest":
        return [set(nearest(x, i, others[i])[:1]) for i in range(n)]
    if rule == "window":
        cosines = {(i, j): dot(x[i], x[j]) for i in range(n) for j in range(i + 1, n)}
        allowed = sorted((pair for pair in cosines if cosines[pair] <= settings["high"]), key=lambda p: -cosines[p])
        return [{a + b - i for a, b in allowed[: n // 2] if i in (a, b)} for i in range(n)]
    edges = [nearest(x, i, others[i])[: settings["n_neighbours"]] for i in range(n)]
    named = []
    for i in range(n):
        reached, level = {i}, {i}
        for _ in range(settings["hops"]):
            level = {j for node in level for j in edges[node]} - reached
            reached |= level
        named.append(set(nearest(x, i, reached - {i})[::-1][: settings["n_positives"]]))
    return named
