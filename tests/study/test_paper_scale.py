"""The paper's scale is planned from measured rates and from sets that are there; no image is decoded."""

import pytest
from PIL import Image

from sslrepro.cli.main import main
from sslrepro.data import sources
from sslrepro.study.paper_scale import hours_in_words
from sslrepro.study.plans import plan_table

RATES = {
    "cuda": {
        "step": {"images_per_second": 1000.0, "precision": "bf16"},
        "device": "one GPU",
        "real_images": 256,
        "extrapolated": {"store_bytes": 193e9, "decoding_core_hours": 1.2},
    }
}


@pytest.fixture
def root(tmp_path):
    for split in ("train", "val"):
        for name in "ab":
            (tmp_path / "imagenet" / split / name).mkdir(parents=True)
            Image.new("RGB", (4, 4)).save(tmp_path / "imagenet" / split / name / "0.png")
    return tmp_path


def test_a_dry_run_looks_for_its_sets_first_and_decodes_nothing(root, capsys, monkeypatch):
    monkeypatch.setattr(sources, "decode", lambda *_: pytest.fail("decoded"))
    words = ["reproduce", "nnclr_queue", "--profile", "paper", "--dry-run"]
    assert main(words) == 0
    out = capsys.readouterr().out
    assert "imagenet: not looked for" in out and "GPU" in out and "core" in out
    assert main([*words, "--root", str(root)]) == 0
    assert f"imagenet: 2 train, 2 test images under {root}; none decoded" in capsys.readouterr().out
    (root / "imagenet" / "val").rename(root / "imagenet" / "valid")
    assert main([*words, "--root", str(root)]) == 2
    assert "test split must be a folder named test or val" in capsys.readouterr().err


def test_hours_are_images_over_the_measured_rate():
    runs = [run for run in plan_table("nnclr_queue", "paper", 1).runs if run.config and run.config.method == "nnclr"][
        :1
    ]
    images = 1000 * (1_281_167 // 4096) * 4096
    time, pixels = hours_in_words(runs, RATES)
    assert f"{images / 1000 / 3600:,.0f} GPU-hours in all" in time and f"{images / 1000 / 3600 / 64:,.0f} on 64" in time
    assert "193 GB, decoded once in 1.2 core-hours (extrapolated from 256 images)" in pixels
    assert hours_in_words(runs, {})[0].startswith("GPUs      none was measured")
