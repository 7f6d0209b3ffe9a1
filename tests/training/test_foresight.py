"""What is said before a run starts."""

import pytest
import torch

from sslrepro.cli.main import main
from sslrepro.parts.encoders import ENCODERS, encoder
from sslrepro.study.profiles import PROFILES, images_in, profile
from sslrepro.training.foresight import doubts, in_words, least_seconds, operations


def test_operations_are_those_of_the_convolutions():
    """Counted by hooks, two for each multiplication and addition; nothing else of an encoder is counted."""
    net, counted = encoder("conv-tiny").eval(), []
    for module in net.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(lambda conv, _, out: counted.append(2 * out.numel() * conv.weight[0].numel()))
    with torch.no_grad():
        net(torch.zeros(1, 3, 16, 16))
    assert counted and operations("conv-tiny", 16) == sum(counted)


def test_the_scales_of_the_book_raise_no_doubt_and_the_papers_on_a_laptop_does():
    for name in PROFILES.keys() - {"paper"}:
        config = profile(name).config("swav", 0)
        assert doubts(config, images_in(config.data), "cuda" if name == "gpu" else "cpu") == [], name
    config = profile("paper").config("nnclr", 0)
    (line,) = doubts(config, images_in(config.data))
    assert "plan.epochs is 1,000: with resnet50 on 1,281,167 images this takes at least" in line
    assert "days on cpu" in line  # of one core, in bf16; in fp32 27 times as long
    assert "days" not in in_words(least_seconds(config, images_in(config.data), "cuda"))
    full = config.with_changes(**{"plan.precision": "fp32"})
    assert "years on cpu" in doubts(full, images_in(full.data))[0]


def test_time_grows_with_what_is_trained():
    config = profile("smoke").config("simclr", 0)
    once = least_seconds(config, 768)
    assert least_seconds(config.with_changes(**{"plan.epochs": 5}), 768) == pytest.approx(5 * once)
    half = config.with_changes(**{"plan.precision": "bf16", "encoder": "resnet50"})
    assert least_seconds(half, 768) < least_seconds(half.with_changes(**{"plan.precision": "fp32"}), 768)
    large = config.with_changes(encoder="resnet50" if "resnet50" in ENCODERS else "conv")
    assert least_seconds(large, 768) > once and least_seconds(large, 768, threads=2) == least_seconds(large, 768) / 2


def test_more_prototypes_than_images_are_noticed_before_the_start(capsys):
    words = ["train", "--method", "swav", "--profile", "smoke", "--dry-run", "--set", "settings.n_prototypes=1000"]
    assert main(words) == 0
    assert "note: train: settings.n_prototypes is 1,000, more than the 208 images" in capsys.readouterr().err


def test_endless_epochs_are_refused_and_long_ones_noticed(capsys):
    words = ["train", "--method", "simclr", "--profile", "smoke", "--dry-run", "--set"]
    assert main([*words, "plan.epochs=10000000000000"]) == 2
    assert "epochs must be in [0, 1e+06]" in capsys.readouterr().err
    assert main([*words, "plan.epochs=1000000", "--set", 'encoder="resnet50"', "--set", "data.n_train=768"]) == 0
    assert "plan.epochs is 1,000,000" in capsys.readouterr().err


@pytest.mark.parametrize(
    "seconds, words",
    [(5.0, "5.0 seconds"), (90.0, "1.5 minutes"), (3.2 * 365.25 * 86_400, "3.2 years"), (40 * 86_400.0, "40 days")],
)
def test_times_in_words(seconds, words):
    assert in_words(seconds) == words
