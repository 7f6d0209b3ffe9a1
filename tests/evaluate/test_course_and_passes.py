"""Course of training: a log's lines in equal parts, against plain arithmetic; passes: images that an encoder sees."""

import pytest

from sslrepro import evaluate
from sslrepro.data import load
from sslrepro.study.profiles import profile


def log(**series):
    steps = len(next(iter(series.values())))
    lines = [{"step": 10 * (place + 1), "loss": 1.0} for place in range(steps)]
    for name, values in series.items():
        for line, value in zip(lines, values, strict=True):
            if value is not None:
                line[name] = value
    return lines


def test_parts_are_means_of_their_lines():
    shares = [0.0, 0.1, 0.2, 0.3, 0.1, 0.3, 0.4, 0.6]
    scores = evaluate.of_course("course", log(relation_match=shares), {"parts": 4, "target": 0.3})
    assert [scores[f"alike_{part}"] for part in (1, 2, 3, 4)] == pytest.approx([0.05, 0.25, 0.2, 0.5])
    assert scores["falls"] == pytest.approx(0.05)
    assert scores["to_target"] == pytest.approx((3 + (0.3 - 0.2) / (0.5 - 0.2)) / 4)
    assert scores["right_4"] == scores["alike_4"]


def test_a_target_that_is_never_reached_takes_the_whole_training():
    scores = evaluate.of_course("course", log(relation_match=[0.1] * 8), {"parts": 4, "target": 0.3})
    assert scores["to_target"] == 1.0 and scores["falls"] == 0.0


def test_what_steps_attract_stands_before_what_is_kept_as_alike():
    lines = log(relation_match=[0.1] * 4, neighbour_match_without_self=[None, None, 0.5, 0.7], mined_share=[0.0] * 4)
    scores = evaluate.of_course("course", lines, {"parts": 2})
    assert (scores["right_1"], scores["right_2"], scores["alike_2"]) == pytest.approx((0.0, 0.6, 0.1))


def test_neighbours_count_from_the_first_part_that_could_keep_any():
    scores = evaluate.of_course("course", log(neighbours_kept=[0.0, 0.0, 0.2, 0.8]), {"parts": 4})
    assert (scores["kept_early"], scores["kept_late"]) == (0.2, 0.8)


def test_a_log_without_mined_images_says_nothing_of_them():
    assert evaluate.of_course("course", log(embedding_std=[1.0] * 4)) == {"log_lines": 4.0}
    assert evaluate.of_course("course", []) == {"log_lines": 0.0}
    with pytest.raises(ValueError, match="parts must be >= 2"):
        evaluate.of_course("course", [], {"parts": 1})


@pytest.mark.parametrize("method, forward, trained", [("invp", 1, 1), ("invp_moco", 2, 1), ("simclr", 2, 2)])
def test_passes_are_counted(method, forward, trained):
    config = profile("smoke").config(method, 0).with_changes(**{"data.n_train": 64})
    scores = evaluate.measure("passes", config, load(config.data)[0], "cpu", {"steps": 1, "warm": 1})
    assert (scores["forward_passes"], scores["gradient_passes"]) == (forward, trained)
    assert scores["step_milliseconds"] > 0
