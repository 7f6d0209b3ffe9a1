"""The stand-in for another processor rounds otherwise where rounding is free, and nowhere else."""

import pytest
import torch
from torch.nn import functional as F

from tests import processors
from tests.processors import BRIEFLY, EFFECT, SETTINGS, SHORT, OtherOrder


def random(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


IMAGES, ROWS = random(24, 16, 16), random(24, 3)
PRODUCTS = {
    "mm": lambda n: ROWS[:n] @ random(3, 64),
    "mv": lambda n: random(24, 300)[:n] @ random(300),
    "bmm": lambda n: IMAGES[:n] @ random(16, 16, 16)[:1].expand(n, 16, 16),
    "addmm": lambda n: F.linear(ROWS[:n], random(64, 3), random(64)),
    "baddbmm": lambda n: torch.baddbmm(IMAGES[:n], IMAGES[:n], IMAGES[:n]),
    "einsum": lambda n: torch.einsum("bt,tij->bij", ROWS[:n], random(3, 8, 8)),
    "convolution": lambda n: F.conv2d(random(24, 8, 6, 6)[:n], random(4, 8, 3, 3)),
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_products_round_by_the_rows_of_a_call(name):
    """What promises equal numbers for parts of a batch is seen to break it, on any processor."""
    work = PRODUCTS[name]
    here = work(24)
    with OtherOrder():
        whole, half = work(24), work(12)
    assert not torch.equal(half, whole[:12]), "rounded alike"
    assert torch.allclose(whole, here, rtol=1e-4, atol=1e-5) and torch.allclose(half, here[:12], rtol=1e-4, atol=1e-5)


def test_exact_sums_are_left_alone():
    a, b = torch.arange(48.0).view(4, 12), torch.arange(60.0).view(12, 5)
    with OtherOrder():
        assert torch.equal(a @ b, (a[:, :, None] * b).sum(1))


def test_gradients_go_through():
    weight = random(3, 5).requires_grad_()
    with OtherOrder():
        (ROWS @ weight).square().sum().backward()
    assert torch.allclose(weight.grad, 2 * ROWS.T @ (ROWS @ weight.detach()), rtol=1e-4)


def test_every_setting_is_read_back():
    """A setting whose effect nobody checks could be misspelt."""
    asked = {pair for setting in SETTINGS.values() for pair in setting.items()}
    assert asked - set(EFFECT) == {("SSLREPRO_OTHER_ORDER", "1")} and set(EFFECT) <= asked
    assert {pair for setting in SHORT.values() for pair in setting.items()} == asked, (
        "the suite's processes have them all"
    )


@pytest.mark.parametrize("name", SHORT)
def test_exact_numbers_are_exact_on_other_processors(name):
    failed, text = processors.run_under(name, BRIEFLY, SHORT)
    assert not failed, text


def test_every_setting_is_run_and_failures_are_counted(monkeypatch, capsys):
    monkeypatch.setattr(processors, "run_under", lambda name, words: (name in ("AVX2", "any x86"), name))
    assert processors.main([]) == 2
    assert capsys.readouterr().out.splitlines() == list(SETTINGS), "in their order, whichever ends first"
