"""What every oracle is written in: plain Python on lists of floats."""

import math


def unit(vector):
    """The vector divided by its L2 norm."""
    norm = math.sqrt(sum(x * x for x in vector))
    return [x / norm for x in vector]


def dot(a, b):
    """Inner product; the cosine of unit vectors."""
    return sum(x * y for x, y in zip(a, b, strict=True))


def log_sum_exp(values):
    """log of the sum of exp, from the largest down."""
    top = max(values)
    return top + math.log(sum(math.exp(v - top) for v in values))


def mean(values):
    """Arithmetic mean."""
    values = list(values)
    return sum(values) / len(values)


def pushed(state, rows, index, name="queue"):
    """A queue after a push: first in, first out, unit rows; of a batch longer than the queue only the last rows stay."""
    entries, images = [list(row) for row in state[f"{name}.entries"]], list(state[f"{name}.index"])
    labels, born = list(state[f"{name}.label"]), list(state[f"{name}.born"])
    cursor, pushes = state[f"{name}.cursor"], state[f"{name}.pushes"] + 1
    for i in range(max(0, len(rows) - len(entries)), len(rows)):
        entries[cursor], images[cursor], labels[cursor], born[cursor] = unit(rows[i]), index[i], -1, pushes
        cursor = (cursor + 1) % len(entries)
    values = {"entries": entries, "index": images, "label": labels, "born": born, "cursor": cursor, "pushes": pushes}
    return {f"{name}.{field}": value for field, value in values.items()}


def moved_bank(bank, rows, index, momentum):
    """B_i <- norm(momentum * B_i + (1 - momentum) * unit(row)); of two rows of one image the last one counts."""
    new = [list(row) for row in bank]
    for i, vector in zip(index, rows, strict=True):
        new[i] = unit([momentum * b + (1 - momentum) * x for b, x in zip(bank[i], unit(vector), strict=True)])
    return new
