"""A detector on our encoders: the encoder's weights arrive, all of it trains, and what has no stages is refused."""

import copy

import pytest
import torch
from torch import nn

from sslrepro.parts.detectors import detector, require_weights, stages, still_statistics, widths
from sslrepro.parts.encoders import encoder

NORMALISE = ((0.4, 0.5, 0.6), (0.2, 0.3, 0.25))
BOXES = {"boxes": torch.tensor([[2.0, 3.0, 14.0, 15.0]]), "labels": torch.tensor([1])}


def net(name="conv-tiny", neck="c4", masks=False):
    torch.manual_seed(0)
    own = encoder(name)
    return detector(own, 3, NORMALISE, 32, (8.0, 12.0), neck, masks), own


@pytest.mark.parametrize("name", ["conv", "conv-tiny", "resnet8", "resnet18-cifar"])
def test_the_stages_one_after_another_are_the_encoder(name):
    own, x = encoder(name).eval(), torch.rand(2, 3, 32, 32)
    maps = [x]
    for stage in stages(own):
        maps.append(stage(maps[-1]))
    assert torch.equal(maps[-1].mean((2, 3)), own(x).flatten(1))
    assert [m.shape[1] for m in maps[1:]] == widths(stages(own))


@pytest.mark.parametrize("name", ["alexnet-cifar", "vit-small"])
def test_an_encoder_without_stages_is_refused(name):
    with pytest.raises(ValueError, match="parts.detectors: encoder must be one with stages"):
        stages(encoder(name))


@pytest.mark.parametrize("neck", ["c4", "fpn"])
@pytest.mark.parametrize("masks", [False, True])
def test_every_weight_of_the_encoder_arrives_and_gets_a_gradient(neck, masks):
    built, own = net(neck=neck, masks=masks)
    require_weights(built, own)
    target = BOXES | ({"masks": torch.ones(1, 32, 32, dtype=torch.uint8)} if masks else {})
    sum(built.train()([torch.rand(3, 32, 32)], [target]).values()).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in own.parameters() if p.ndim > 1)


@pytest.mark.parametrize("place", [0, -1])
def test_weights_that_did_not_arrive_are_noticed(place):
    built, own = net()
    other = copy.deepcopy(own)
    with torch.no_grad():
        [m for m in other.modules() if isinstance(m, nn.Conv2d)][place].weight[0, 0, 0, 0] += 1e-3
    with pytest.raises(ValueError, match="first layer" if place == 0 else "weights must be those of the encoder"):
        require_weights(built, other)


def test_images_are_normalised_as_the_encoder_was_trained():
    built, _ = net()
    assert built.transform.image_mean == list(NORMALISE[0]) and built.transform.image_std == list(NORMALISE[1])
    image = torch.rand(3, 32, 32)
    seen = built.transform([image])[0].tensors[0]
    assert torch.allclose(
        seen, (image - torch.tensor(NORMALISE[0])[:, None, None]) / torch.tensor(NORMALISE[1])[:, None, None]
    )


def test_masks_leave_the_running_statistics_to_the_boxes():
    norm = nn.BatchNorm2d(2)
    with still_statistics(norm):
        norm(torch.rand(4, 2, 3, 3))
    assert norm.running_mean.tolist() == [0, 0] and norm.momentum == 0.1
    norm(torch.rand(4, 2, 3, 3))
    assert norm.running_mean.abs().min() > 0
