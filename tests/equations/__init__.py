"""Oracles: each method's loss a second time, from its paper, in plain Python on lists of floats, in float64.

`tests/methods/test_equations.py` finds `tests/equations/<method>.py` by name and compares loss (to 1e-9) and state. An oracle
of a method whose views attract each other, all of it:

    \"""Attract (an example): minus the cosine of two views.\"""

    from tests.equations.plain import dot, unit

    SETTINGS = {"dim": 5, "hidden": 7}  # of the method's Config, small: the method is built with these
    VARIANTS = {"default": {}, "wider": {"dim": 6}}  # name -> settings on top; each is a case
    OUTPUTS = {"z": "encoder projector"}  # part of the model -> the modules a view passes, by attribute; "unit" divides
    VIEWS = [2]  # numbers of views to test with (default [2])
    PROGRESS = [0.5]  # shares of training done to test at (default [0.5])

    def loss(out, batch, state, settings, progress) -> float:
        cosines = [dot(unit(a), unit(b)) for a, b in zip(out["z"][0], out["z"][1])]
        return -sum(cosines) / len(cosines)

    def after(out, batch, state, settings, progress) -> dict:
        return {}

What they are told
    out        part -> view -> row -> list of floats: what `OUTPUTS` names, before any `loss`
    batch      {"index", "partner", "label", "weight": a list, a value a row; "n_images": of the training set}
               "label" only for methods that declare `needs_labels`; "weight" and "partner" are 1 and the index itself
               except where rows are pairs of images (SePP-ID)
    state      the method's state before the step, by name ("queue.entries": list of rows), teachers left out
    settings   of the method, every default filled in
    progress   share of training done

What they return
    loss       the number
    after      name -> new value, of what `after_step` writes into the state; what is not named must stay as it was
    teacher_momentum(settings, progress)   of methods with a teacher: the weight of its old value
    draws(generator, batch, settings)      of methods that draw: {name: what is drawn}, added to `batch`

Shared pieces (unit, dot, log_sum_exp, mean, pushed: a queue after a push, moved_bank) are in plain.py. Write the oracle
from the paper, not from the code: a loop a sum. Where they differ, the test names the part of the model and the view.
"""
