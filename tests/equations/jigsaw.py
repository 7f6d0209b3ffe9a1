"""Jigsaw loss (Noroozi and Favaro, "Unsupervised Learning of Visual Representations by Solving Jigsaw Puzzles", 2016)."""

from tests.equations.plain import dot, log_sum_exp, mean

SETTINGS = {"permutations": 5, "hidden": 3, "grid": 2}
VARIANTS = {"default": {}, "all orders": {"permutations": 24, "tile": 1.0}, "nine tiles": {"grid": 3, "tile": 0.5}}
OUTPUTS = {"tiles": "versions encoder tile_projector"}  # the first cell of all images, then the second
VIEWS = [1]


def question(index, state, settings):
    """Which permutation an image gets: the first number of its draw, modulo how many permutations there are."""
    import torch

    from sslrepro.parts.pretext import drawn_numbers

    mark = torch.tensor(state["seed"] + 2 * state["steps"] + 1)
    return drawn_numbers(torch.tensor([index]), 1, mark)[0, 0].item() % settings["permutations"]


def loss(out, batch, state, settings, progress):
    """Mean over images of -log p(S | tiles in the order S): one linear layer on all tiles, and a softmax."""
    n, terms = len(batch["index"]), []
    for i, index in enumerate(batch["index"]):
        label = question(index, state, settings)
        flat = [x for cell in state["permutations"][label] for x in out["tiles"][0][cell * n + i]]
        rows = zip(state["classifier.weight"], state["classifier.bias"], strict=True)
        scores = [dot(row, flat) + bias for row, bias in rows]
        terms.append(log_sum_exp(scores) - scores[label])
    return mean(terms)


def after(out, batch, state, settings, progress):
    """The step is counted."""
    return {"steps": state["steps"] + 1}
