"""View recipes by name: how each view of an image is made.

The recipes are those of the papers (augmentation tags of the field, at 224 px); blur widths scale with the image.
"""

import functools
from dataclasses import dataclass, replace

from sslrepro.base.errors import one_of, require
from sslrepro.base.values import NOT_NEGATIVE, PART, POSITIVE, SHARE, check_values, setting


@dataclass(frozen=True)
class View:
    """How one view is made; probabilities in [0, 1], jitter strengths as in torchvision's ColorJitter."""

    crop: tuple[float, float] = setting((0.2, 1.0), PART)  # share of the image's area, uniform
    ratio: tuple[float, float] = setting((3 / 4, 4 / 3), POSITIVE)  # aspect of the crop, log-uniform
    flip: float = setting(0.5, SHARE)  # probability of a horizontal mirror
    jitter: tuple[float, float, float, float] = setting((0.0,) * 4, NOT_NEGATIVE)  # of ColorJitter
    jitter_chance: float = setting(0.0, SHARE)
    gray: float = setting(0.0, SHARE)  # probability
    blur: float = setting(0.0, SHARE)  # probability
    blur_sigma: tuple[float, float] = setting((0.1, 2.0), POSITIVE)  # px at 224 px, uniform
    solarise: float = setting(0.0, SHARE)  # probability
    cubic: bool = False  # bicubic instead of bilinear
    size: float = setting(1.0, PART)  # output side as a share of the image's side

    def __post_init__(self) -> None:
        check_values(self, "View")
        for name in ("crop", "ratio", "blur_sigma"):
            low, high = getattr(self, name)
            require(low <= high, "View", name, "(least, most)", (low, high))

    def side(self, side: int) -> int:
        """Output side for images of `side` px."""
        return max(1, round(side * self.size))


_INST = View(jitter=(0.4, 0.4, 0.4, 0.4), jitter_chance=1.0, gray=0.2)
_MOCO = View(jitter=(0.4, 0.4, 0.4, 0.1), jitter_chance=0.8, gray=0.2, blur=0.5)
_SIMCLR = View(crop=(0.08, 1.0), jitter=(0.8, 0.8, 0.8, 0.2), jitter_chance=0.8, gray=0.2, blur=0.5)
_BYOL = View(crop=(0.08, 1.0), jitter=(0.4, 0.4, 0.2, 0.1), jitter_chance=0.8, gray=0.2, blur=1.0, cubic=True)
_BYOL_2 = replace(_BYOL, blur=0.1, solarise=0.2)
_SWAV = replace(_SIMCLR, crop=(0.14, 1.0))
_DINO = replace(_BYOL, crop=(0.4, 1.0))

RECIPES: dict[str, tuple[View, ...]] = {
    "inst": (_INST, _INST),  # InstDisc, MoCo v1, LA, ISL, InvP without blur
    "inst-cifar": (replace(_INST, flip=0.0),) * 2,  # their CIFAR code
    "moco2": (_MOCO, _MOCO),  # MoCo v2, PCL v2, SimSiam, IFND, SePP-ID
    "simclr": (_SIMCLR, _SIMCLR),
    "simclr-cifar": (replace(_SIMCLR, jitter=(0.4, 0.4, 0.4, 0.1), blur=0.0),) * 2,
    "byol": (_BYOL, _BYOL_2),  # BYOL, NNCLR, VICReg, Barlow Twins
    "byol-multicrop": (_BYOL, _BYOL_2, *(replace(_BYOL, crop=(0.05, 0.14), blur=0.5, size=3 / 7),) * 6),
    "swav": (_SWAV, _SWAV, *(replace(_SWAV, crop=(0.05, 0.14), size=3 / 7),) * 6),
    "dino": (_DINO, replace(_DINO, blur=0.1, solarise=0.2))
    + (replace(_DINO, crop=(0.05, 0.4), blur=0.5, size=3 / 7),) * 8,
    "supcon": (replace(_MOCO, blur=0.0),) * 2,
    "gray10-cifar": (replace(_MOCO, blur=0.0, gray=0.1),)
    * 2,  # dkobak/simclr-cifar10, gray after W-MSE: the acceptance run
    "moco-cifar": (replace(_MOCO, crop=(0.08, 1.0), blur=0.0),) * 2,
    "crop": (View(crop=(0.08, 1.0), cubic=True),) * 2,  # NNCLR Table 5: no colour, no blur; the flip stays
}


@dataclass(frozen=True)
class ViewConfig:
    """Which recipe, and how its crops are scaled; part of a run's identity."""

    recipe: str = "byol"
    crop_min: float = setting(0.0, SHARE)  # least share of the area of the large crops; 0 = the recipe's own

    def __post_init__(self) -> None:
        check_values(self, "data.views")
        one_of(self.recipe, RECIPES, "data.views", "recipe")


@functools.cache
def recipe(config: ViewConfig) -> tuple[View, ...]:
    """The views of a recipe; every configuration of a run asks whether they can be made."""
    views = RECIPES[config.recipe]
    if config.crop_min == 0:
        return views
    return tuple(replace(v, crop=(config.crop_min, v.crop[1])) if v.size == 1 else v for v in views)
