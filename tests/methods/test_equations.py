"""Every method against its plain-loop float64 oracle, in loss and in what `after_step` leaves behind."""

import importlib
import inspect
from dataclasses import asdict

import pytest
import torch
from torch import nn

from sslrepro import methods
from sslrepro.base.types import Batch, LabelledBatch
from sslrepro.methods.nnclr import NNCLR, Config
from sslrepro.parts.encoders import Conv
from sslrepro.parts.memory import unit
from sslrepro.parts.teacher import MomentumTeacher

N, DIM, QUEUE = 6, 5, 8
SIZES = {"nnclr": {"dim": DIM, "hidden": 7, "hidden_predictor": 9, "queue_size": QUEUE}}
HEADS = {"simclr": {"dim": DIM, "hidden": 7}, "supcon": {"dim": DIM, "hidden": 7}} | SIZES


def a_batch(n_views: int = 2, n_support: int = 0, seed: int = 0) -> LabelledBatch:
    g = torch.Generator().manual_seed(seed)
    views = tuple(torch.randn(N, 3, 8, 8, generator=g) for _ in range(n_views))
    support = torch.randn(n_support, 3, 8, 8, generator=g) if n_support else None
    return LabelledBatch(
        views=views,
        index=torch.tensor([4, 11, 2, 7, 9, 30]),
        seed=5,
        support=support,
        support_index=torch.arange(n_support) if n_support else None,
        label=torch.tensor([0, 1, 0, 2, 1, 0]),
    )


def built(name: str, **settings) -> methods.Method:
    torch.manual_seed(3)
    method = methods.build(name, methods.settings(name, HEADS.get(name, {}) | settings), Conv((4, 6), (2, 2)), 40)
    return method.double().train()


def doubled(batch: Batch) -> Batch:
    support = None if batch.support is None else batch.support.double()
    fields = {name: getattr(batch, name) for name in ("index", "seed", "support_index", "label")}
    return LabelledBatch(views=tuple(v.double() for v in batch.views), support=support, **fields)


def rows(x: torch.Tensor) -> list:
    return x.detach().double().tolist()


def oracle(name: str):
    try:
        return importlib.import_module(f"tests.equations.{name}")
    except ModuleNotFoundError:
        pytest.fail(f"{name} has no oracle: write tests/equations/{name}.py")


SPECIAL = {"simclr", "supcon", "nnclr", "seppid", "partners"}  # their oracles take other arguments; tests of their own
ORACLES = [name for name in methods.names() if name not in SPECIAL]
CASES = [
    (name, variant, n_views, progress)
    for name in ORACLES
    for variant in getattr(oracle(name), "VARIANTS", {"default": {}})
    for n_views in getattr(oracle(name), "VIEWS", [2])
    for progress in getattr(oracle(name), "PROGRESS", [0.5])
]
N_IMAGES = 40
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


def test_every_method_has_an_oracle():
    for name in methods.names():
        module = oracle(name)
        assert name in SPECIAL or (callable(module.loss) and callable(module.after) and module.OUTPUTS)


def perturbed(method: methods.Method) -> None:
    """Teachers that differ from their students, so that swapping the two shows."""
    for module in method.modules():
        if isinstance(module, MomentumTeacher):
            with torch.no_grad():
                for parameter in module.parameters():
                    parameter.mul_(1.1).add_(0.01)


def stirred(method: methods.Method, n_views: int, how: str) -> None:
    """The state after some steps and epochs on other images."""
    if how == "fresh":
        return
    g = torch.Generator().manual_seed(11)
    images = torch.randn(N_IMAGES, 3, 8, 8, generator=g).double()

    def encode(net):
        with torch.no_grad():
            return net(images).float()

    for number, progress in enumerate((0.3, 0.35, 0.4, 0.45)):
        if type(method).refresh is not methods.Method.refresh:
            method.refresh(encode, progress)
        # the later of these steps show images of the tested batch
        index = (
            torch.randperm(N_IMAGES, generator=g)[:N] if number < 2 else a_batch().index[torch.randperm(N, generator=g)]
        )
        views = tuple(torch.randn(N, 3, 8, 8, generator=g).double() for _ in range(n_views))
        batch = LabelledBatch(views=views, index=index, seed=number, label=index % 3)
        method.after_step(method.loss(batch, progress), progress)


def listed(method: methods.Method) -> dict:
    """Every entry of the state that is small enough to matter and is not a batch-norm statistic."""
    state = method.state_dict()
    return {name: t.tolist() for name, t in state.items() if not name.endswith(STATISTICS) and "teacher" not in name}


def through(method: methods.Method, path: str, view: torch.Tensor) -> list:
    x = view
    for word in path.split():
        x = unit(x) if word == "unit" else getattr(method, word)(x)
    return rows(x)


def left_behind(name: str, key: str, ours: torch.Tensor, theirs: torch.Tensor, in_oracle: bool) -> str:
    """A part of the state that `after_step` left other than the oracle says: which, where first, and both values."""
    place = (ours.double() - theirs.double()).abs().flatten().argmax().item()
    where = torch.unravel_index(torch.tensor(place), ours.shape) if ours.ndim else ()
    source = "after() of the oracle says" if in_oracle else "the oracle's after() does not name it, so it must stay"
    return (
        f"{name}: after_step leaves {key}{[int(i) for i in where]} = {ours.flatten()[place].item():.6g}, "
        f"{source} {theirs.flatten()[place].item():.6g}"
    )


NUDGE = 1e-3


def mismatch(name, method, batch, reference, out, inputs, state, settings, progress, expected) -> str:
    """Both losses, and for every part of the model and view how both change when its output is nudged.

    Where the slopes differ, one of the two reads that part of that view otherwise than the other.
    """
    lines = [f"{name}: the loss is {method.loss(batch, progress).loss.item():.9g}, the oracle's {expected:.9g}."]
    for part, path in reference.OUTPUTS.items():
        for view in range(len(batch.views)):
            nudged = {key: list(views) for key, views in out.items()}
            nudged[part][view] = [[x + NUDGE * (-1) ** place for place, x in enumerate(row)] for row in out[part][view]]
            theirs = (reference.loss(nudged, inputs, state, settings, progress) - expected) / NUDGE
            ours = slope(method, batch, progress, path, view, list(reference.OUTPUTS.values()))
            where = f"  part {part!r} ({path}), view {view}: "
            if ours is None:
                lines.append(where + f"does not pass through alone; slope of the oracle {theirs:+.4f}")
                continue
            same = abs(ours - theirs) <= 0.01 * max(abs(ours), abs(theirs)) + 1e-4
            lines.append(where + f"slope {ours:+.4f}, of the oracle {theirs:+.4f}: {'agree' if same else 'DIFFER'}")
    return "\n".join(lines)


def slope(method, batch, progress, path: str, view: int, paths: list[str]) -> float | None:
    """Change of the method's loss when the output of a path is nudged in one view, and nothing after it moves.

    None where no call of the path's last module has that view's output: the views pass through it together.
    """
    words = path.removesuffix(" unit").split()
    later = {
        other.removesuffix(" unit").split()[-1]
        for other in paths
        if other.startswith(" ".join(words) + " ") and other != path
    } - {words[-1], "unit"}
    outputs = {name: [] for name in later}
    with torch.no_grad():
        target = torch.tensor(through(method, " ".join(words), batch.views[view])).double()
        hooks = [
            getattr(method, name).register_forward_hook(lambda m, i, o, name=name: outputs[name].append(o))
            for name in later
        ]
        before = method.loss(batch, progress).loss.item()
        for hook in hooks:
            hook.remove()
        seen, signs = [], torch.tensor([(-1.0) ** place for place in range(target.shape[1])]).double()

        def nudge(module, inputs, output):
            if output.shape == target.shape and output.double().allclose(target, atol=1e-9):
                seen.append(True)
                return output + NUDGE * signs
            return output

        hooks = [
            getattr(method, name).register_forward_hook(lambda m, i, o, name=name: outputs[name].pop(0))
            for name in later
        ]
        hooks.append(getattr(method, words[-1]).register_forward_hook(nudge))
        after = method.loss(batch, progress).loss.item()
        for hook in hooks:
            hook.remove()
    return (after - before) / NUDGE if seen else None


@pytest.mark.parametrize("kind", ["plain", "pairs"])
@pytest.mark.parametrize("how", ["fresh", "stirred"])
@pytest.mark.parametrize(("name", "variant", "n_views", "progress"), CASES)
def test_against_the_oracle(name, variant, n_views, progress, how, kind):
    """Loss at 1e-9 of the plain loops, and every entry that `after_step` writes or leaves alone."""
    reference = oracle(name)
    if kind == "pairs" and name not in ("mocov2", "simsiam", "vicreg", "dino"):
        return
    torch.manual_seed(3)
    settings = methods.settings(name, reference.SETTINGS | reference.VARIANTS[variant])
    method = methods.build(name, settings, Conv((4, 6), (2, 2)), N_IMAGES).double().train()
    perturbed(method)
    stirred(method, n_views, how)
    batch = doubled(a_batch(n_views))
    if kind == "pairs":
        fields = {key: getattr(batch, key) for key in ("views", "index", "seed", "label")}
        partner = batch.index.clone()
        partner[[1, 4]] = torch.tensor([2, 31])
        weight = torch.tensor([1.1, 0.3, 1.1, 1.1, 0.3, 1.1]).double()
        batch = LabelledBatch(**fields, partner=partner, weight=weight)
    state = listed(method)
    out = {key: [through(method, path, view) for view in batch.views] for key, path in reference.OUTPUTS.items()}
    inputs = {
        "index": batch.index.tolist(),
        "partner": batch.image(1).tolist(),
        "label": batch.label.tolist(),
        "weight": [1.0] * N if batch.weight is None else batch.weight.tolist(),
        "n_images": N_IMAGES,
    }
    if hasattr(reference, "draws"):
        inputs |= reference.draws(batch.generator(), inputs, asdict(settings))
    assert method.needs_labels or 'batch["label"]' not in inspect.getsource(reference)

    step = method.loss(batch, progress)
    expected = reference.loss(out, inputs, state, asdict(settings), progress)
    if step.loss.item() != pytest.approx(expected, rel=1e-9, abs=1e-9):
        pytest.fail(mismatch(name, method, batch, reference, out, inputs, state, asdict(settings), progress, expected))

    teachers = {key: t.clone() for key, t in method.state_dict().items() if "teacher" in key}
    method.after_step(step, progress)
    written = reference.after(out, inputs, state, asdict(settings), progress)
    now = listed(method)
    unknown = sorted(written.keys() - state.keys())
    assert not unknown, f"tests/equations/{name}.py: after() writes {unknown}; the state has {sorted(state)}"
    for key, before in state.items():
        ours, theirs = torch.tensor(now[key]), torch.tensor(written.get(key, before))
        assert ours.allclose(theirs, atol=1e-6), left_behind(name, key, ours, theirs, key in written)
    if teachers:
        student = (
            nn.Sequential(method.encoder, method.projector) if not hasattr(method, "student") else method.student()
        )
        momentum = reference.teacher_momentum(asdict(settings), progress)
        for (key, new), own in zip(method.teacher.net.named_parameters(), student.parameters(), strict=True):
            old = teachers[f"teacher.net.{key}"]
            assert new.allclose(momentum * old + (1 - momentum) * own, atol=1e-9), key


def test_a_mismatch_names_the_part_and_the_view(monkeypatch):
    """An oracle of SimSiam that forgets the prediction of view 1: its slopes there are 0, the others as the method's."""
    reference = oracle("simsiam")

    def half(out, batch, state, settings, progress):
        pairs = zip(out["p"][0], out["z"][1], strict=True)
        return sum(-reference.cosine(p, z) / 2 for p, z in pairs) / len(batch["index"])

    monkeypatch.setattr(reference, "loss", half)
    with pytest.raises(pytest.fail.Exception) as failure:
        test_against_the_oracle("simsiam", "default", 2, 0.5, "fresh", "plain")
    head, *lines = str(failure.value).splitlines()
    assert head.startswith("simsiam: the loss is") and "the oracle's" in head
    verdict = {line.split(":")[0].strip(): line.rsplit(" ", 1)[1] for line in lines}
    assert verdict == {
        "part 'z' (encoder projector), view 0": "DIFFER",
        "part 'z' (encoder projector), view 1": "agree",
        "part 'p' (encoder projector predictor), view 0": "agree",
        "part 'p' (encoder projector predictor), view 1": "DIFFER",
    }


def test_state_that_is_left_otherwise_is_named(monkeypatch):
    reference = oracle("msf")
    monkeypatch.setattr(reference, "after", lambda *arguments: {})
    with pytest.raises(AssertionError, match=r"msf: after_step leaves queue\.\w+\[.*does not name it, so it must stay"):
        test_against_the_oracle("msf", "default", 2, 0.5, "fresh", "plain")
    monkeypatch.setattr(reference, "after", lambda *arguments: {"queue.entires": []})
    with pytest.raises(AssertionError, match=r"after\(\) writes \['queue.entires'\]; the state has .*queue.entries"):
        test_against_the_oracle("msf", "default", 2, 0.5, "fresh", "plain")


@pytest.mark.parametrize("n_views", [2, 3])
def test_simclr(n_views):
    method, batch = built("simclr", temperature=0.3), doubled(a_batch(n_views))
    z = [rows(method.projector(method.encoder(view))) for view in batch.views]
    expected = oracle("simclr").loss(z, batch.index.tolist(), 0.3)
    assert method.loss(batch, 0.0).loss.item() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("base", [None, 0.07])
def test_supcon(base):
    method, batch = built("supcon", temperature=0.3, base_temperature=base), doubled(a_batch())
    z = [rows(method.projector(method.encoder(view))) for view in batch.views]
    expected = oracle("supcon").loss(z, batch.label.tolist(), 0.3, base)
    assert method.loss(batch, 0.0).loss.item() == pytest.approx(expected, rel=1e-9)


def state_of(method: NNCLR) -> dict | None:
    if method.config.support == "encoder":
        return None
    queue = method.queue
    state = {name: getattr(queue, name).tolist() for name in ("index", "label", "born")}
    return state | {"entries": rows(queue.entries), "cursor": int(queue.cursor), "pushes": int(queue.pushes)}


def filled(method: NNCLR, kind: str) -> None:
    """A queue that is fresh, half filled, or full and about to wrap, with some rows of the batch's own images."""
    pushes = {"fresh": 0, "half": 1, "full": 3}[kind]
    g = torch.Generator().manual_seed(9)
    for _ in range(pushes):
        index = torch.randint(0, 40, (5,), generator=g)
        index[0] = 11  # an image of the batch: self-exclusion has something to pass over
        method.queue.push(torch.randn(5, DIM, generator=g), index, index % 3)


VARIANTS = {
    "default": {},
    "raw input of the predictor": {"predictor_input": "raw"},
    "raw input, no predictor": {"predictor_input": "raw", "predictor": False},
    "text": {"symmetry": "text"},
    "both": {"symmetry": "both"},
    "one direction": {"symmetry": "none"},
    "no predictor": {"predictor": False},
    "soft": {"positive": "soft", "soft_temperature": 0.4},
    "soft without self": {"positive": "soft", "soft_temperature": 0.4, "exclude_self": True},
    "view 1": {"positive": "view"},
    "view 1, no gradient": {"positive": "detached"},
    "oracle": {"positive": "oracle"},
    "oracle without self": {"positive": "oracle", "exclude_self": True},
    "without self": {"exclude_self": True},
    "both views pushed": {"push_both_views": True},
    "teacher": {"teacher_momentum": 0.9},
    "teacher, view 1": {"teacher_momentum": 0.9, "positive": "view"},
    "current encoder": {"support": "encoder"},
    "top 3": {"top_k": 3},
    "only near neighbours accepted": {"accepted": 0.5, "exclude_self": True},
    "only near neighbours accepted, teacher, one direction": {
        "accepted": 0.3,
        "teacher_momentum": 0.9,
        "symmetry": "none",
    },
    "random eviction": {"eviction": "random"},
}


@pytest.mark.parametrize("n_views", [2, 4])
@pytest.mark.parametrize("fill", ["fresh", "half", "full"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_nnclr(variant, fill, n_views):
    chosen = VARIANTS[variant]
    if fill == "full" and variant == "random eviction":
        return  # which rows go is drawn; see test_memory
    method = built("nnclr", temperature=0.3, **chosen)
    batch = doubled(a_batch(n_views, method.n_support))
    if method.config.support == "queue":
        filled(method, fill)
    if method.config.teacher_momentum is not None:  # a teacher that differs from its student
        with torch.no_grad():
            for parameter in method.teacher.parameters():
                parameter.mul_(1.1).add_(0.01)
    before = state_of(method)
    z = [method.projector(method.encoder(view)) for view in batch.views]
    inputs = z if method.config.predictor_input == "raw" else [unit(rows) for rows in z]
    p = [method.predictor(rows) for rows in inputs]
    query = z if method.config.teacher_momentum is None else [method.teacher(view) for view in batch.views]
    settings = asdict(method.config)
    common = dict(index=batch.index.tolist(), state=before, settings=settings, label=batch.label.tolist())
    query = [rows(q) for q in query[:2]]
    if method.config.top_k > 1:  # both directions replay the batch's own generator
        draw = torch.randint(method.config.top_k, (N, 1), generator=batch.generator())[:, 0].tolist()
        common["chosen"] = [draw, draw]
    if method.config.support == "encoder":
        common["support"] = rows(method.projector(method.encoder(batch.support)))
        common["support_index"] = batch.support_index.tolist()

    step = method.loss(batch, 0.0)
    reference = oracle("nnclr")
    expected = reference.loss([rows(x) for x in z], [rows(x) for x in p], query, **common)
    assert step.loss.item() == pytest.approx(expected, rel=1e-9)
    images = reference.mined(query, **common)
    assert (step.mined[1].tolist() if step.mined else None) == images

    method.after_step(step, 0.0)
    label = common["label"] if method.needs_labels else None
    left = reference.after(query, common["index"], before, settings, label)
    now = state_of(method)
    if left is None:
        assert now is None
        return
    assert torch.tensor(now.pop("entries")).allclose(torch.tensor(left.pop("entries")), atol=1e-6)
    assert now == left


def test_the_teacher_moves_by_its_momentum():
    method = built("nnclr", teacher_momentum=0.75)
    student = torch.nn.Sequential(method.encoder, method.projector)
    old = [p.clone() for p in method.teacher.parameters()]
    with torch.no_grad():
        for parameter in student.parameters():
            parameter.add_(1.0)
    method.after_step(method.loss(doubled(a_batch()), 0.0), 0.0)
    for before, now, new in zip(old, method.teacher.parameters(), student.parameters(), strict=True):
        assert now.allclose(0.75 * before + 0.25 * new)


def test_nn_of_a_queue_that_holds_the_batch_is_view_1():
    batch = doubled(a_batch())
    view, nearest = built("nnclr", positive="view", queue_size=N), built("nnclr", queue_size=N)
    z = nearest.embed(batch.views[0])
    nearest.queue.push(z, batch.index)
    other = nearest.embed(batch.views[1])
    # one direction only: the queue holds view 1's rows, so view 2 would find view 1
    one_way = Config(**asdict(nearest.config) | {"symmetry": "none"})
    nearest.config = one_way
    view.config = Config(**asdict(one_way) | {"positive": "view"})
    assert other.shape == z.shape
    assert nearest.loss(batch, 0.0).loss.item() == pytest.approx(view.loss(batch, 0.0).loss.item(), rel=1e-6)


def test_view_1_without_gradient_moves_only_the_predictions():
    """The same value as with gradient; its gradient is that of a neighbour which happens to be view 1."""
    batch = doubled(a_batch())
    same = {"predictor": False, "symmetry": "none"}
    free, fixed, nearest = (
        built("nnclr", positive=positive, queue_size=N, **same) for positive in ("view", "detached", "nearest")
    )
    nearest.queue.push(nearest.embed(batch.views[0]), batch.index)
    losses = [method.loss(batch, 0.0).loss for method in (free, fixed, nearest)]
    gradients = []
    for method, loss in zip((free, fixed, nearest), losses, strict=True):
        loss.backward()
        gradients.append(method.projector[0].weight.grad)
    assert losses[1].item() == losses[0].item() == pytest.approx(losses[2].item(), rel=1e-6)
    torch.testing.assert_close(gradients[1], gradients[2])
    assert not torch.allclose(gradients[1], gradients[0], rtol=1e-2)


def test_soft_neighbour_becomes_hard_as_its_temperature_falls():
    batch = doubled(a_batch())
    soft, hard = built("nnclr", positive="soft", soft_temperature=1e-4), built("nnclr")
    assert soft.loss(batch, 0.0).loss.item() == pytest.approx(hard.loss(batch, 0.0).loss.item(), rel=1e-4)
    warm = built("nnclr", positive="soft", soft_temperature=1.0).loss(batch, 0.0).loss.item()
    assert warm != pytest.approx(hard.loss(batch, 0.0).loss.item(), rel=1e-2)


def test_supcon_with_index_labels_is_simclr():
    batch = doubled(a_batch())
    simclr, supcon = built("simclr", temperature=0.3), built("supcon", temperature=0.3)
    supcon.encoder, supcon.projector = simclr.encoder, simclr.projector
    unlabelled = LabelledBatch(views=batch.views, index=batch.index, seed=0, label=batch.index)
    assert supcon.loss(unlabelled, 0.0).loss.item() == pytest.approx(simclr.loss(batch, 0.0).loss.item(), rel=1e-9)
    labelled = supcon.loss(batch, 0.0).loss.item()
    assert labelled != pytest.approx(simclr.loss(batch, 0.0).loss.item(), rel=1e-3)
