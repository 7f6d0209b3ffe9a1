"""SupCon loss (Khosla et al., "Supervised Contrastive Learning", NeurIPS 2020, Eq. 2, "out" form)."""

from tests.equations.plain import dot, log_sum_exp, unit


def loss(z, label: list[int], temperature, base_temperature=None, **settings) -> float:
    """Mean over anchors of -1/|P(i)| sum_{p in P(i)} log softmax, times temperature / base_temperature."""
    # The multiviewed batch I: every view of every image, with its class.
    keys, classes = [], []
    for view in z:
        for row, vector in enumerate(view):
            keys.append(unit(vector))
            classes.append(label[row])

    total = 0.0
    for i in range(len(keys)):
        # A(i) = I \ {i}.
        others = [a for a in range(len(keys)) if a != i]
        denominator = log_sum_exp([dot(keys[i], keys[a]) / temperature for a in others])
        # P(i) = { p in A(i) : y_p = y_i }.
        positives = [p for p in others if classes[p] == classes[i]]
        # Eq. 2: the sum over positives stands outside the logarithm.
        inner = 0.0
        for p in positives:
            inner += dot(keys[i], keys[p]) / temperature - denominator
        total += -inner / len(positives)
    mean = total / len(keys)

    # The official code multiplies by temperature / base_temperature (base 0.07).
    if base_temperature is None:
        return mean
    return mean * temperature / base_temperature


def after(state: dict, **arguments) -> dict:
    """SupCon keeps no memory."""
    return {}
