"""The bank of running averages against a dict of lists."""

import math

import pytest
import torch

from sslrepro.parts.memory import Bank


@pytest.fixture(autouse=True)
def same_numbers():
    torch.manual_seed(1)


def plain_unit(row: list[float]) -> list[float]:
    norm = math.sqrt(sum(x * x for x in row))
    return [x / norm for x in row]


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
def test_updates_against_a_dict_of_lists(momentum):
    g = torch.Generator().manual_seed(0)
    bank = Bank(12, 3, momentum).double()
    plain = dict(enumerate(bank.entries.tolist()))
    for _ in range(15):
        index = torch.randint(12, (7,), generator=g)  # repeats are frequent
        rows = 3 * torch.randn(7, 3, generator=g, dtype=torch.float64)
        bank.update(rows, index)
        for i, row in dict(zip(index.tolist(), rows.tolist(), strict=True)).items():  # the last of an image stays
            new = plain_unit(row)
            plain[i] = plain_unit([momentum * a + (1 - momentum) * b for a, b in zip(plain[i], new, strict=True)])
        assert bank.entries.allclose(torch.tensor([plain[i] for i in range(12)], dtype=torch.float64), atol=1e-12)


def test_of_a_repeated_image_the_last_row_counts_from_the_old_value():
    bank = Bank(4, 2, 0.5)
    bank.entries[2] = torch.tensor([1.0, 0.0])
    bank.update(torch.tensor([[-5.0, 0.0], [0.0, 1.0], [0.0, 7.0]]), torch.tensor([2, 1, 2]))
    assert bank.entries[2].tolist() == pytest.approx([0.5**0.5, 0.5**0.5])


def test_momentum_zero_keeps_only_the_new_row():
    bank = Bank(3, 2, 0.0)
    others = bank.entries[:2].clone()
    bank.update(torch.tensor([[3.0, 4.0]]), torch.tensor([2]))
    assert bank.entries[2].tolist() == pytest.approx([0.6, 0.8]) and torch.equal(bank.entries[:2], others)


def test_a_new_bank_holds_distinct_unit_rows():
    bank = Bank(50, 8)
    assert bank.entries.norm(dim=1).allclose(torch.ones(50)) and bank.momentum == 0.5
    assert len(bank.entries.unique(dim=0)) == 50 and bank.entries.mean().abs() < 0.1


def test_half_precision_rows_are_averaged_in_full():
    banks = [Bank(3, 4) for _ in range(2)]
    banks[1].entries.copy_(banks[0].entries)
    rows = torch.randn(2, 4, generator=torch.Generator().manual_seed(0)).bfloat16()
    for bank, kind in zip(banks, (torch.bfloat16, torch.float32), strict=True):
        bank.update(rows.to(kind), torch.tensor([0, 2]))
    assert banks[0].entries.dtype == torch.float32 and torch.equal(banks[0].entries, banks[1].entries)


def test_updates_leave_no_graph_and_are_saved():
    bank = Bank(3, 2)
    bank.update(torch.ones(1, 2, requires_grad=True), torch.tensor([1]))
    assert not bank.entries.requires_grad and list(bank.state_dict()) == ["entries"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_images": 0}, r"n_images must be >= 1, the training images, got 0"),
        ({"momentum": 1.0}, r"momentum must be in \[0, 1\), got 1\.0"),
    ],
)
def test_wrong_settings_say_so(settings, message):
    with pytest.raises(ValueError, match=f"Bank: {message}"):
        Bank(**({"n_images": 3, "dim": 2} | settings))
