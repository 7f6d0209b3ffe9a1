"""MoCo's batch norm on one device: split into parts, or shuffled so that the teacher's parts hold other images."""

import pytest
import torch

from sslrepro import methods
from sslrepro.parts.encoders import Conv
from sslrepro.parts.norm import SplitBatchNorm
from tests.methods.test_equations import a_batch, doubled

GIVEN = {"dim": 5, "hidden": 7, "queue_size": 8, "norm_groups": 2}


def built(norm: str) -> methods.Method:
    torch.manual_seed(3)
    settings = methods.settings("mocov2", GIVEN | {"norm": norm})
    return methods.build("mocov2", settings, Conv((4, 6), (2, 2)), 40).double().train()


def test_state_is_that_of_a_plain_norm():
    assert built("split").state_dict().keys() == built("plain").state_dict().keys()
    assert any(isinstance(m, SplitBatchNorm) for m in built("shuffled").teacher.modules())


def test_parts_change_what_is_normalised_together():
    batch = doubled(a_batch())
    values = {norm: built(norm).loss(batch, 0.5).loss.item() for norm in ("plain", "split", "shuffled")}
    assert len({round(value, 6) for value in values.values()}) == 3


def test_shuffling_gives_every_image_its_own_key_back():
    """With fixed statistics the parts cannot matter, so the order must be restored exactly."""
    batch, shuffled, split = doubled(a_batch()), built("shuffled"), built("split")
    for method in (shuffled, split):
        for module in method.modules():
            if isinstance(module, SplitBatchNorm):
                module.eval()
    assert shuffled.key(batch.views[1], batch).allclose(split.key(batch.views[1], batch), atol=1e-12)


def test_the_teachers_parts_hold_other_images_than_the_students():
    batch, method = doubled(a_batch()), built("shuffled")
    order = torch.randperm(len(batch.index), generator=batch.generator())
    assert order.tolist() != sorted(order.tolist())
    with torch.no_grad():
        by_hand = method.teacher(batch.views[1][order])[order.argsort()]
    assert method.key(batch.views[1], batch).allclose(torch.nn.functional.normalize(by_hand), atol=1e-12)


def test_a_batch_that_does_not_split_is_one_clear_error():
    method = built("split")
    with pytest.raises(ValueError, match=r"SplitBatchNorm: groups must be .* got 2"):
        method.encoder(torch.randn(5, 3, 8, 8).double())
