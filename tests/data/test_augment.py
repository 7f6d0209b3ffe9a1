"""Augmentation against torchvision v2: every operation on its own, the crop boxes, and whole recipes.

Tolerances are constants with the number that was measured (float32, CPU) beside them.
"""

import colorsys
import math
from dataclasses import replace

import pytest
import torch
from torchvision.transforms import InterpolationMode, v2
from torchvision.transforms.v2 import functional as reference

from sslrepro.data import augment, load
from sslrepro.data.dataset import DataConfig
from sslrepro.data.recipes import View, ViewConfig, recipe
from sslrepro.data.views import augment_images

SIDE, N = 32, 16

RESIZE = 1e-5  # largest pixel error of crop + resize (measured: 1.5e-6)
BLUR = 1e-5  # largest pixel error of a blur (measured: 1.3e-6)
COLOUR = 1e-6  # largest pixel error of one colour change, full-range images included (measured: 3e-7)
CHAIN = 5e-5  # the same for several in a row, unclamped; the luma weights add up to 0.9999 (measured: 3e-5)
# Mean pixel error of brightness, contrast, saturation in a row when values leave [0, 1] in between, for the factors of
# ROWS (measured: shapes 0.0045; white noise, where half of the pixels leave it, 0.034).
CHAIN_CLAMPED = {"shapes": 0.01, "noise": 0.04}
HUE = 1e-5  # largest pixel error of a hue turn; both are the HSV turn, computed in another order
BOX = 0.03  # means and quantiles of area share, log aspect and relative place of crop boxes (measured: 0.022)
# Pixel mean, spread, chroma and slope of whole recipes: their means over images, and their quantiles (measured over four
# seeds, mostly the noise of 600 draws of torchvision's: 0.016 and 0.054).
STATISTIC, STATISTIC_QUANTILE = 0.025, 0.06

BICUBIC = {False: InterpolationMode.BILINEAR, True: InterpolationMode.BICUBIC}
WHOLE = {"crop": (1.0, 1.0), "ratio": (1.0, 1.0)}  # the crop that changes nothing


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def shapes(n: int = N, side: int = SIDE) -> torch.Tensor:
    return load(DataConfig("shapes", n_train=max(n, 48), n_test=48, side=side))[0].images[:n].float() / 255


def noise(n: int = N, side: int = SIDE) -> torch.Tensor:
    """In 8 bits, as the images of data sets are: `spatial` rounds what lies between."""
    return torch.randint(256, (n, 3, side, side), generator=generator(7)) / 255


def mid(images: torch.Tensor) -> torch.Tensor:
    """So far inside [0, 1] that the changes below cannot leave it."""
    return 0.4 + 0.2 * images


@pytest.fixture(params=["shapes", "noise"])
def kind(request):
    return request.param


@pytest.fixture
def images(kind):
    return {"shapes": shapes, "noise": noise}[kind]()


def worst(a: torch.Tensor, b: torch.Tensor) -> float:
    assert a.shape == b.shape
    return (a - b).abs().max().item()


def mean_error(a: torch.Tensor, b: torch.Tensor) -> float:
    assert a.shape == b.shape
    return (a - b).abs().mean().item()


# ---- crop, resize, flip --------------------------------------------------------------------------------------------


def random_boxes(n: int, seed: int = 0, side: int = SIDE) -> list[torch.Tensor]:
    """Any box inside the image, from 1 px to all of it; the last two are those extremes."""
    g = generator(seed)
    height, width = torch.randint(1, side + 1, (2, n), generator=g)
    height[-1] = width[-1] = 1
    height[-2] = width[-2] = side
    top, left = ((torch.rand(n, generator=g) * (side - length + 1)).long() for length in (height, width))
    return [top, left, height, width]


def cropped_by_torchvision(images: torch.Tensor, boxes: list[torch.Tensor], out: int, cubic: bool) -> torch.Tensor:
    crops = []
    for image, *box in zip(images, *(values.tolist() for values in boxes), strict=True):
        cut = reference.resized_crop(image, *box, [out, out], interpolation=BICUBIC[cubic], antialias=True)
        crops.append(cut)
    return torch.stack(crops)


@pytest.mark.parametrize("cubic", [False, True], ids=["bilinear", "bicubic"])
@pytest.mark.parametrize("out", [5, 14, 31, 32, 48])
def test_crop_and_resize(images, out, cubic):
    for seed in range(3):
        top, left, height, width = boxes = random_boxes(N, seed)
        rows = augment.resample(top, height, SIDE, out, cubic)
        columns = augment.resample(left, width, SIDE, out, cubic)
        mine = augment.spatial(images, rows, columns)
        assert worst(mine, cropped_by_torchvision(images, boxes, out, cubic)) < RESIZE


def test_a_crop_reads_nothing_outside_its_box(images):
    top, left, height, width = (torch.full((N,), value) for value in (5, 9, 12, 10))
    changed = torch.full_like(images, 0.123)
    changed[:, :, 5:17, 9:19] = images[:, :, 5:17, 9:19]
    for cubic in (False, True):
        rows, columns = (augment.resample(s, n, SIDE, 20, cubic) for s, n in ((top, height), (left, width)))
        assert torch.equal(augment.spatial(images, rows, columns), augment.spatial(changed, rows, columns))
        assert rows.sum(-1).sub(1).abs().max() < 1e-6


@pytest.mark.parametrize("cubic", [False, True], ids=["bilinear", "bicubic"])
@pytest.mark.parametrize("size", [1.0, 3 / 7])
def test_a_view_is_that_crop(images, size, cubic, monkeypatch):
    """The wiring of `augmented`: top goes with height, rows with rows; bicubic overshoot is clamped."""
    boxes = random_boxes(N, 5)
    monkeypatch.setattr(augment, "crop_boxes", lambda *arguments: boxes)
    out = round(SIDE * size)
    mine = augment_images(images, View(flip=0.0, size=size, cubic=cubic), generator())
    assert worst(mine, cropped_by_torchvision(images, boxes, out, cubic).clamp(0, 1)) < RESIZE


def test_horizontal_flip(images):
    assert torch.equal(augment_images(images, View(**WHOLE, flip=0.0), generator()), images)
    assert torch.equal(augment_images(images, View(**WHOLE, flip=1.0), generator()), reference.horizontal_flip(images))


def test_levels_of_8_bits_are_not_rounded():
    levels = torch.arange(256).view(1, 1, 16, 16).expand(1, 3, 16, 16).float().div(255)
    eye = torch.eye(16)[None]
    assert torch.equal(augment.spatial(levels, eye, eye, eye), levels)


def test_products_are_exact():
    """In any order of summation, and as near as float32 can tell; up to rows of absolute values that sum to 4."""
    g = generator(3)
    a, b = torch.randn(7, 20, 33, generator=g), torch.rand(7, 33, 20, generator=g)
    a = a / a.abs().sum(2, keepdim=True) * 4
    wholes = augment.whole(a), augment.whole(b)
    mine, order = augment.product(*wholes), torch.randperm(33, generator=g)
    assert torch.equal(mine, augment.product(wholes[0][:, :, order], wholes[1][:, order]))
    for alone in range(7):
        assert torch.equal(mine[alone], augment.product(*(each[alone, None] for each in wholes))[0])
    assert (mine / augment.WHOLE - a.double() @ b.double()).abs().max() < 4 / augment.WHOLE
    at_most = torch.full((1, 1, 16), 0.25), torch.ones(1, 16, 1)
    assert augment.product(*map(augment.whole, at_most)).item() == 4 * augment.WHOLE


def test_flip_comes_after_the_crop(images):
    plain = View(flip=0.0, jitter=(0.4, 0.4, 0.4, 0.1), jitter_chance=0.8, gray=0.2, blur=0.5)
    flipped = reference.horizontal_flip(augment_images(images, plain, generator(3)))
    assert worst(augment_images(images, replace(plain, flip=1.0), generator(3)), flipped) < RESIZE


# ---- blur ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kernel", [3, 5, 23])
@pytest.mark.parametrize("sigma", [0.1, 0.3, 0.7, 1.0, 2.0, 5.0])
def test_gaussian_blur(images, sigma, kernel):
    matrix = augment.blur(augment.gaussian(torch.full((N,), sigma), kernel), SIDE)
    mine = augment.spatial(images, matrix, matrix)
    assert worst(mine, reference.gaussian_blur(images, [kernel, kernel], [sigma, sigma])) < BLUR


def test_each_image_has_its_own_blur_and_0_is_none(images):
    sigma = torch.linspace(0, 2, N)
    matrix = augment.blur(augment.gaussian(sigma, 5), SIDE)
    mine = augment.spatial(images, matrix, matrix)
    assert torch.equal(mine[0], images[0])
    for row in range(1, N):
        width = [sigma[row].item()] * 2
        assert worst(mine[row], reference.gaussian_blur(images[row], [5, 5], width)) < BLUR


@pytest.mark.parametrize("side, kernel", [(16, 3), (32, 5), (96, 11), (224, 23)])
def test_blur_of_a_view_scales_with_the_image(side, kernel):
    """Widths are px at 224 px; the kernel is about a tenth of the side, as in SimCLR."""
    images = noise(2, side)
    mine = augment_images(images, View(**WHOLE, flip=0.0, blur=1.0, blur_sigma=(1.5, 1.5)), generator())
    width = [1.5 * side / 224] * 2
    assert worst(mine, reference.gaussian_blur(images, [kernel, kernel], width)) < BLUR


def test_blur_of_a_small_crop_scales_with_the_crop():
    images = noise(2, 224)
    mine = augment_images(images, View(**WHOLE, flip=0.0, blur=1.0, blur_sigma=(1.5, 1.5), size=3 / 7), generator())
    small = reference.resize(images, [96, 96], antialias=True)
    width = [1.5 * 96 / 224] * 2
    assert worst(mine, reference.gaussian_blur(small, [11, 11], width)) < BLUR


# ---- colour --------------------------------------------------------------------------------------------------------


def coloured(images, brightness=1.0, contrast=1.0, saturation=1.0, hue=0.0, gray=False) -> torch.Tensor:
    n = len(images)
    factors = [torch.as_tensor(value).expand(n).float() for value in (brightness, contrast, saturation, hue)]
    images = augment.recolour(images, *augment.colour_matrix(*factors[:3]))
    return augment.to_gray(augment.turn_hue(images, factors[3]), torch.arange(n if gray else 0))


def test_no_change_is_no_change(images):
    assert worst(coloured(images), images) < COLOUR


def test_grayscale(images):
    assert worst(coloured(images, gray=True), reference.rgb_to_grayscale(images, 3)) < COLOUR


ADJUST = {
    "brightness": reference.adjust_brightness,
    "contrast": reference.adjust_contrast,
    "saturation": reference.adjust_saturation,
}


@pytest.mark.parametrize("factor", [0.0, 0.2, 0.6, 1.0, 1.4, 1.8])
@pytest.mark.parametrize("name", ADJUST)
def test_brightness_contrast_saturation(images, name, factor):
    """One change alone is clamped once on both sides, so full-range images agree as well as mid-range ones."""
    for batch in (images, mid(images)):
        assert worst(coloured(batch, **{name: factor}), ADJUST[name](batch, factor)) < COLOUR


def in_a_row(images: torch.Tensor, factors: tuple[float, float, float]) -> torch.Tensor:
    for adjust, factor in zip(ADJUST.values(), factors, strict=True):
        images = adjust(images, factor)
    return images


ROWS = [(0.7, 1.3, 0.6), (1.2, 0.6, 1.4), (1.3, 0.7, 0.4), (0.6, 1.4, 1.4)]


@pytest.mark.parametrize("factors", ROWS)
def test_jitter_is_brightness_then_contrast_then_saturation_then_gray(images, factors):
    batch = mid(images)
    expected = in_a_row(batch, factors)
    assert 0 < expected.min() and expected.max() < 1, "nothing may be clamped here"
    assert worst(coloured(batch, *factors), expected) < CHAIN
    assert worst(coloured(batch, *factors, gray=True), reference.rgb_to_grayscale(expected, 3)) < CHAIN


def test_one_clamp_at_the_end_costs_little(images, kind):
    errors = [mean_error(coloured(images, *factors), in_a_row(images, factors)) for factors in ROWS]
    assert max(errors) < CHAIN_CLAMPED[kind]


def test_each_image_has_its_own_colours(images):
    factors = torch.linspace(0.5, 1.5, N)
    batch = mid(images)
    mine = coloured(batch, factors, factors.flip(0))
    for row in range(N):
        first = reference.adjust_brightness(batch[row], factors[row].item())
        assert worst(mine[row], reference.adjust_contrast(first, factors.flip(0)[row].item())) < CHAIN


@pytest.mark.parametrize("turn", [-0.5, -0.2, -0.1, -0.05, 0.05, 0.1, 0.2, 0.4])
def test_hue(images, turn):
    expected = reference.adjust_hue(images, turn)
    assert mean_error(images, expected) > 0.001
    assert worst(coloured(images, hue=turn), expected) < HUE


def test_hue_of_each_image_is_its_own(images):
    turns = torch.linspace(-0.4, 0.4, N)
    expected = torch.stack([reference.adjust_hue(x, t) for x, t in zip(images, turns.tolist(), strict=True)])
    assert worst(coloured(images, hue=turns), expected) < HUE


def test_hue_leaves_gray_alone(images):
    gray = reference.rgb_to_grayscale(images, 3)
    for turn in (-0.5, -0.1, 0.0, 0.1, 0.25, 0.5):
        assert worst(coloured(gray, hue=turn), gray) < COLOUR


def test_hue_0_is_exact(images):
    assert worst(coloured(images, hue=0.0), images) < COLOUR


def test_colours_stay_in_range(images):
    for factors in ({"brightness": 1.8}, {"contrast": 1.8}, {"saturation": 1.8}, {"hue": 0.3, "saturation": 1.8}):
        out = coloured(images, **factors)
        assert out.min() >= 0 and out.max() <= 1
    assert coloured(images, brightness=1.8).max() == 1


def test_solarise(images):
    chosen = torch.arange(N) % 3 == 0
    images[:, :, 0, 0], images[:, :, 0, 1] = 0.5, 0.499  # at the threshold, and just below
    mine = augment.solarise(images, chosen)
    assert torch.equal(mine[chosen], reference.solarize(images[chosen], 0.5))
    assert torch.equal(mine[~chosen], images[~chosen])
    assert not torch.equal(mine[chosen], images[chosen])


# ---- in distribution -----------------------------------------------------------------------------------------------

QUANTILES = torch.tensor([0.05, 0.25, 0.5, 0.75, 0.95])


def summary(values: torch.Tensor) -> torch.Tensor:
    """Mean, then quantiles, along the last axis."""
    return torch.cat([values.mean(-1)[None], torch.quantile(values, QUANTILES, -1)])


def box_summaries(boxes: torch.Tensor, side: int) -> torch.Tensor:
    top, left, height, width = boxes.float().unbind(1)
    described = [height * width / side**2, (width / height).log()]
    for start, length in ((top, height), (left, width)):
        free = side - length
        described.append(start[free > 0] / free[free > 0])
    return torch.stack([summary(values) for values in described])


@pytest.mark.parametrize("side, scale", [(64, (0.08, 1.0)), (64, (0.2, 1.0)), (64, (0.05, 0.14)), (224, (0.4, 1.0))])
def test_crop_boxes_follow_torchvision(side, scale):
    draws = 4000
    crop, blank = v2.RandomResizedCrop(side, scale=scale), [torch.zeros(3, side, side)]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        params = [crop.make_params(blank) for _ in range(draws)]
    expected = torch.tensor([[p["top"], p["left"], p["height"], p["width"]] for p in params])
    mine = torch.stack(augment.crop_boxes(4 * draws, side, scale, (3 / 4, 4 / 3), generator()), 1)
    assert (box_summaries(mine, side) - box_summaries(expected, side)).abs().max() < BOX


@pytest.mark.parametrize("side", [8, 16, 33])
def test_crop_boxes_lie_inside_the_image(side):
    top, left, height, width = augment.crop_boxes(20_000, side, (0.05, 1.0), (3 / 4, 4 / 3), generator())
    for start, length in ((top, height), (left, width)):
        assert start.min() == 0 and length.min() > 0 and (start + length).max() == side
    assert len(set(zip(height.tolist(), width.tolist(), strict=True))) > side


def test_crop_boxes_that_never_fit_are_the_whole_image():
    top, left, height, width = augment.crop_boxes(50, 16, (1.0, 1.0), (3.0, 4.0), generator())
    assert (top == 0).all() and (left == 0).all() and (height == 16).all() and (width == 16).all()


def composed(view: View, side: int) -> v2.Compose:
    """torchvision's own version of a view, in the order of the papers' code."""
    kernel = 2 * max(1, round(side / 20)) + 1
    sigma = tuple(value * side / 224 for value in view.blur_sigma)
    return v2.Compose(
        [
            v2.RandomResizedCrop(side, scale=view.crop, ratio=view.ratio, interpolation=BICUBIC[view.cubic]),
            v2.Lambda(lambda x: x.clamp(0, 1)),  # as on 8-bit images; without it hue of a bicubic overshoot can be nan
            v2.RandomHorizontalFlip(view.flip),
            v2.RandomApply([v2.ColorJitter(*view.jitter)], p=view.jitter_chance),
            v2.RandomGrayscale(view.gray),
            v2.RandomApply([v2.GaussianBlur(kernel, sigma)], p=view.blur),
            v2.RandomSolarize(0.5, view.solarise),
        ]
    )


def statistics(images: torch.Tensor) -> torch.Tensor:
    """Per image: mean and spread of the pixels, chroma, slope along the rows and along the columns."""
    return torch.stack(
        [
            images.mean((1, 2, 3)),
            images.std((1, 2, 3)),
            (images.amax(1) - images.amin(1)).mean((1, 2)),
            images.diff(dim=3).abs().mean((1, 2, 3)),
            images.diff(dim=2).abs().mean((1, 2, 3)),
        ]
    )


@pytest.mark.parametrize(
    "name, number",
    [
        ("inst", 0),
        ("moco2", 0),
        ("simclr", 0),
        ("byol", 0),
        ("byol", 1),
        ("crop", 0),
    ],
)
def test_a_whole_recipe_is_torchvisions_in_distribution(name, number):
    view = recipe(ViewConfig(name))[number]
    batch = shapes(200)
    compose = composed(view, SIDE)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        expected = [statistics(torch.stack([compose(image) for image in batch])) for _ in range(3)]
    g = generator()
    mine = [statistics(augment_images(batch, view, g)) for _ in range(10)]
    difference = summary(torch.cat(mine, 1)) - summary(torch.cat(expected, 1))
    assert difference[0].abs().max() < STATISTIC, difference
    assert difference[1:].abs().max() < STATISTIC_QUANTILE, difference


# ---- one draw per image --------------------------------------------------------------------------------------------


def test_equal_images_in_a_batch_get_different_views():
    twins = shapes(1).expand(64, -1, -1, -1).contiguous()
    alone = {
        "crop": View(flip=0.0),
        "brightness": View(**WHOLE, flip=0.0, jitter=(0.4, 0, 0, 0), jitter_chance=1.0),
        "contrast": View(**WHOLE, flip=0.0, jitter=(0, 0.4, 0, 0), jitter_chance=1.0),
        "saturation": View(**WHOLE, flip=0.0, jitter=(0, 0, 0.4, 0), jitter_chance=1.0),
        "hue": View(**WHOLE, flip=0.0, jitter=(0, 0, 0, 0.1), jitter_chance=1.0),
        "blur": View(**WHOLE, flip=0.0, blur=1.0, blur_sigma=(2.0, 9.0)),
    }
    for name, view in alone.items():
        out = augment_images(twins, view, generator()).flatten(1)
        assert len(torch.unique(out, dim=0)) >= 60, name
    coins = {
        "flip": View(**WHOLE, flip=0.5),
        "gray": View(**WHOLE, flip=0.0, gray=0.5),
        "solarise": View(**WHOLE, flip=0.0, solarise=0.5),
    }
    for name, view in coins.items():
        out = augment_images(twins, view, generator()).flatten(1)
        assert len(torch.unique((out * 1e4).round(), dim=0)) == 2, name


def within(share: float, chance: float, n: int, message: str = "") -> None:
    """A share of n draws is within 4.5 standard deviations of its probability."""
    assert abs(share - chance) < 4.5 * math.sqrt(chance * (1 - chance) / n), (message, share, chance)


def test_flip_gray_and_solarise_have_their_chances_and_are_independent():
    n, side = 6000, 8
    image = torch.zeros(3, side, side)
    image[0, :, : side // 2], image[0, :, side // 2 :] = 0.1, 0.4  # the mirror shows in red, and in luma
    image[1], image[2] = 0.2, 0.3
    image[:, -1] = 0.9  # a bright row shows solarisation, gray or not
    view = View(**WHOLE, flip=0.5, gray=0.2, solarise=0.3)
    out = augment_images(image.expand(n, -1, -1, -1).contiguous(), view, generator())
    flipped = out[:, 0, 0, 0] > out[:, 0, 0, -1]
    gray = (out[:, 0] - out[:, 2]).abs().amax((1, 2)) < 1e-4
    solarised = out[:, 0, -1, 0] < 0.5
    for a in (False, True):
        for b in (False, True):
            for c in (False, True):
                share = ((flipped == a) & (gray == b) & (solarised == c)).float().mean().item()
                chance = 0.5 * (0.2 if b else 0.8) * (0.3 if c else 0.7)
                within(share, chance, n, f"flip {a} gray {b} solarise {c}")


def test_jitter_and_blur_have_their_chances_and_are_independent():
    n, side = 3000, 16
    image = torch.full((3, side, side), 0.2)
    image[:, :, side // 2 :] = 0.4
    view = View(**WHOLE, flip=0.0, jitter=(0.5, 0, 0, 0), jitter_chance=0.8, blur=0.4, blur_sigma=(7.0, 14.0))
    out = augment_images(image.expand(n, -1, -1, -1).contiguous(), view, generator())
    jittered = (out[:, 0, 0, 0] - 0.2).abs() > 1e-5
    blurred = (out[:, 0, 0, side // 2 - 1] / out[:, 0, 0, 0] - 1) > 1e-3
    for a in (False, True):
        for b in (False, True):
            chance = (0.8 if a else 0.2) * (0.4 if b else 0.6)
            within(((jittered == a) & (blurred == b)).float().mean().item(), chance, n, f"jitter {a} blur {b}")


def uniform(values: torch.Tensor, low: float, high: float) -> None:
    """The quartiles, mean and ends are those of a uniform draw (4.5 standard deviations)."""
    share = (values - low) / (high - low)
    assert share.min() > -1e-4 and share.max() < 1 + 1e-4
    for quantile in (0.25, 0.5, 0.75):
        within((share < quantile).float().mean().item(), quantile, len(values))


def test_jitter_strengths_go_to_their_own_change():
    """Factors are uniform in 1 +- strength, read back from what they do to an image that shows them."""
    n = 3000
    flat = torch.full((n, 3, 8, 8), 0.3)
    half = flat.clone()
    half[:, :, :4] = 0.4
    red = flat.clone()
    red[:, 0] = 0.5

    def jittered(batch: torch.Tensor, *jitter: float) -> torch.Tensor:
        return augment_images(batch, View(**WHOLE, flip=0.0, jitter=jitter, jitter_chance=1.0), generator())

    uniform(jittered(flat, 0.4, 0, 0, 0)[:, 0, 0, 0] / 0.3, 0.6, 1.4)
    out = jittered(half, 0, 0.5, 0, 0)
    uniform((out[:, 0, 0, 0] - out[:, 0, -1, 0]) / 0.1, 0.5, 1.5)
    out = jittered(red, 0, 0, 0.6, 0)
    uniform((out[:, 0, 0, 0] - out[:, 1, 0, 0]) / 0.2, 0.4, 1.6)
    out = jittered(red, 0, 0, 0, 0.2)
    start = colorsys.rgb_to_hsv(*red[0, :, 0, 0].tolist())[0]
    hue = torch.tensor([colorsys.rgb_to_hsv(*pixel)[0] for pixel in out[:, :, 0, 0].tolist()])
    uniform((hue - start + 0.5).remainder(1) - 0.5, -0.2, 0.2)


def test_a_strength_above_1_never_gives_a_negative_factor():
    flat = torch.full((500, 3, 8, 8), 0.2)
    view = View(**WHOLE, flip=0.0, jitter=(2.0, 0, 0, 0), jitter_chance=1.0)
    out = augment_images(flat, view, generator())[:, 0, 0, 0]
    within((out == 0).float().mean().item(), 0.25, 500)
    half = flat.clone()
    half[:, :, :4] = 0.3
    out = augment_images(half, View(**WHOLE, flip=0.0, jitter=(0, 2.0, 0, 0), jitter_chance=1.0), generator())
    assert (out[:, 0, 0, 0] - out[:, 0, -1, 0]).min() > -1e-5


def test_blur_widths_are_uniform():
    n, side = 2000, 20
    impulse = torch.zeros(n, 3, side, side)
    impulse[:, :, 10, 10] = 1
    low, high = 0.5, 1.5  # px in this image
    scaled = tuple(value * 224 / side for value in (low, high))
    out = augment_images(impulse, View(**WHOLE, flip=0.0, blur=1.0, blur_sigma=scaled), generator())[:, 0, 10, 10]
    for quantile in (0.0, 0.25, 0.5, 0.75, 1.0):
        width = low + quantile * (high - low)
        peak = reference.gaussian_blur(impulse[:1], [3, 3], [width, width])[0, 0, 10, 10].item()
        share = (out > peak).float().mean().item()  # a narrower blur leaves a higher peak
        assert abs(share - quantile) < 4.5 * math.sqrt(max(quantile * (1 - quantile), 1e-4) / n)


def test_views_are_drawn_from_the_generator_alone(images):
    view = recipe(ViewConfig("byol"))[1]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        first = augment_images(images, view, generator(1))
        torch.manual_seed(1)
        assert torch.equal(augment_images(images, view, generator(1)), first)
    assert not torch.equal(augment_images(images, view, generator(2)), first)


def test_images_are_not_written_to(images):
    before = images.clone()
    for view in recipe(ViewConfig("byol")):
        augment_images(images, view, generator())
    assert torch.equal(images, before)
