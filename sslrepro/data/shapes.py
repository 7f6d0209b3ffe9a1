"""`shapes`: a procedural colour set with a class tree, for profiles that must not download anything.

family -> shape -> variant: 4 x 4 x 3 = 48 leaf classes. What makes an image hard is drawn per image and carries no
class information: colours, position, size, rotation, mirror, aspect, background gradient, texture, noise.
Its difficulty was set by neutral criteria before any two methods were compared (docs/adr/0003).

`shapes-family` and `shapes-shape` are the same images with the labels of a coarser level of the tree.
"""

import functools
import math

import torch
from torch import Tensor

from sslrepro.base.errors import require
from sslrepro.data.dataset import DataConfig, Dataset, fingerprint

VERSION = 2  # raise when a change alters pixels: it is part of every run's identity

FAMILIES = {
    "round": ("disc", "ellipse", "half-disc", "crescent"),
    "polygon": ("triangle", "square", "bar", "chevron"),
    "junction": ("plus", "tee", "ell", "wye"),
    "group": ("two-discs", "three-discs", "two-bars", "disc-bar"),
}
VARIANTS = ("solid", "hollow", "bitten")
LEAVES = tuple(
    (family, shape, variant) for variant in VARIANTS for family, shapes in FAMILIES.items() for shape in shapes
)  # variant-major: the first 16 leaves are one variant of every shape
LEVELS = {4: "shapes-family", 16: "shapes-shape", 48: "shapes"}  # classes of a level of the tree -> the set's name


def _box(u: Tensor, v: Tensor, half_width: float, half_height: float) -> Tensor:
    """Signed distance-like field of an axis-aligned box: negative inside, object units."""
    return torch.maximum(u.abs() - half_width, v.abs() - half_height)


def _disc(u: Tensor, v: Tensor, radius: float) -> Tensor:
    return (u.square() + v.square()).sqrt() - radius


def _wedge(u: Tensor, v: Tensor, sides: int, radius: float) -> Tensor:
    """Regular polygon with `sides` sides and in-radius `radius`."""
    fields = [
        u * math.sin(2 * math.pi * side / sides) - v * math.cos(2 * math.pi * side / sides) - radius
        for side in range(sides)
    ]
    return torch.stack(fields).amax(0)


def _arm(u: Tensor, v: Tensor, degrees: float, half_width: float, length: float) -> Tensor:
    """Bar from the centre outwards in one direction."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    along, across = u * c + v * s, -u * s + v * c
    return torch.maximum((along - length / 2).abs() - length / 2 - half_width / 2, across.abs() - half_width)


def _union(*fields: Tensor) -> Tensor:
    return torch.stack(fields).amin(0)


def _field(shape: str, u: Tensor, v: Tensor) -> Tensor:
    """Signed field of a shape in object coordinates (about [-1, 1]); negative inside."""
    match shape:
        case "disc":
            return _disc(u, v, 0.8)
        case "ellipse":
            return _disc(u, v * 1.9, 0.95) / 1.4
        case "half-disc":
            return torch.maximum(_disc(u, v - 0.35, 0.95), v - 0.35)
        case "crescent":
            return torch.maximum(_disc(u, v, 0.9), -_disc(u - 0.5, v, 0.75))
        case "triangle":
            return _wedge(u, v - 0.15, 3, 0.5)
        case "square":
            return _box(u, v, 0.72, 0.72)
        case "bar":
            return _box(u, v, 0.95, 0.38)
        case "chevron":
            return torch.maximum((v + 0.25 - u.abs() * 0.9).abs() - 0.36, u.abs() - 0.9)
        case "plus":
            return _union(_box(u, v, 0.95, 0.24), _box(u, v, 0.24, 0.95))
        case "tee":
            return _union(_box(u, v + 0.68, 0.95, 0.24), _box(u, v, 0.24, 0.92))
        case "ell":
            return _union(_box(u, v - 0.65, 0.85, 0.26), _box(u + 0.6, v, 0.26, 0.9))
        case "wye":
            return _union(*(_arm(u, v, degrees, 0.22, 0.85) for degrees in (90, 210, 330)))
        case "two-discs":
            return _union(_disc(u - 0.52, v, 0.42), _disc(u + 0.52, v, 0.42))
        case "three-discs":
            return _union(*(_disc(u - x, v - y, 0.37) for x, y in ((0, -0.55), (0.52, 0.38), (-0.52, 0.38))))
        case "two-bars":
            return _union(_box(u, v - 0.48, 0.9, 0.22), _box(u, v + 0.48, 0.9, 0.22))
        case "disc-bar":
            return _union(_disc(u, v + 0.45, 0.42), _box(u, v - 0.6, 0.9, 0.22))
    raise AssertionError(shape)


def _variant(variant: str, field: Tensor, u: Tensor, v: Tensor) -> Tensor:
    match variant:
        case "solid":
            return field
        case "hollow":
            return torch.maximum(field, -(field + 0.2))
        case "bitten":  # a round bite at a place that every shape covers in part
            return torch.maximum(field, -_disc(u + 0.25, v - 0.35, 0.42))
    raise AssertionError(variant)


# Nuisance strengths, set by the calibration of docs/adr/0003.
SCALE = (0.34, 0.50)  # half size of the object as a share of half the image
ROTATION_DEGREES = 27.0  # uniform in +- this
ASPECT = 0.20  # log of the stretch, uniform in +- this
DARK = 0.15  # width of the range of background colours above black, and of object colours below white
TEXTURE = 0.2  # amplitude of the background waves and of the object's stripes
NOISE = 0.06  # standard deviation of the pixel noise


def _uniform(low: float, high: float, n: int, generator: torch.Generator) -> Tensor:
    return low + (high - low) * torch.rand(n, 1, 1, generator=generator)


def waves(u: Tensor, v: Tensor, low: float, high: float, generator: torch.Generator) -> Tensor:
    """One random plane wave per image, -1..1; frequencies in cycles per image half."""
    n = len(u)
    angle = _uniform(0, 2 * math.pi, n, generator)
    frequency, phase = _uniform(low, high, n, generator), _uniform(0, 2 * math.pi, n, generator)
    return torch.sin(math.pi * frequency * (u * angle.cos() + v * angle.sin()) + phase)


def place(
    labels: Tensor, x: Tensor, y: Tensor, scale: tuple[float, float], generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """One object per image at a place, size, rotation, stretch and mirror drawn from `generator`.

    labels  leaf classes [n]
    x, y    coordinates of the pixels in the image, -1..1, [n side side]
    scale   range of the object's half size, as a share of half the image

    Returns its signed field (negative inside), the coordinates u and v in the object, and its half size [n 1 1].
    """
    n = len(labels)
    size = _uniform(*scale, n, generator)
    shift_x, shift_y = (_uniform(-1, 1, n, generator) * (1 - size) for _ in range(2))
    angle = torch.deg2rad(_uniform(-ROTATION_DEGREES, ROTATION_DEGREES, n, generator))
    stretch = torch.exp(_uniform(-ASPECT, ASPECT, n, generator))
    mirror = torch.where(_uniform(0, 1, n, generator) < 0.5, -1.0, 1.0)
    dx, dy = (x - shift_x) / size * mirror, (y - shift_y) / size
    u = (dx * angle.cos() + dy * angle.sin()) * stretch
    v = (-dx * angle.sin() + dy * angle.cos()) / stretch
    field = torch.empty(x.shape)
    for leaf, (_, shape, variant) in enumerate(LEAVES):
        rows = labels == leaf
        if rows.any():
            field[rows] = _variant(variant, _field(shape, u[rows], v[rows]), u[rows], v[rows])
    return field, u, v, size


def cover(field: Tensor, size: Tensor) -> Tensor:
    """Share of each pixel that the object covers [n 1 side side], with a soft edge of one pixel."""
    return torch.sigmoid(-field * size / (2.0 / field.shape[-1]) * 4)[:, None]


def pixels(labels: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """x and y of the pixel centres, -1..1, [n side side]."""
    axis = (torch.arange(side) + 0.5) / side * 2 - 1
    y, x = (grid.expand(len(labels), side, side) for grid in torch.meshgrid(axis, axis, indexing="ij"))
    return x, y


def draw(labels: Tensor, side: int, generator: torch.Generator) -> Tensor:
    """Render one uint8 image [n 3 side side] per leaf label; every nuisance is drawn from `generator`."""
    n = len(labels)
    x, y = pixels(labels, side)

    def colour() -> Tensor:
        return torch.rand(n, 3, 1, 1, generator=generator)

    background = DARK * colour()
    foreground = 1 - DARK * colour()  # objects are brighter than their background, in any pair of hues

    gradient = waves(x, y, 0.2, 0.5, generator)[:, None] * (colour() - 0.5)
    canvas = background + TEXTURE * (gradient + waves(x, y, 1.0, 4.0, generator)[:, None] * (colour() - 0.5))

    field, u, v, size = place(labels, x, y, SCALE, generator)
    inside = cover(field, size)
    stripes = waves(u, v, 1.0, 3.0, generator)[:, None] * (colour() - 0.5)
    canvas = canvas * (1 - inside) + (foreground + TEXTURE * stripes) * inside
    canvas = canvas + NOISE * torch.randn(n, 3, side, side, generator=generator)
    return (canvas.clamp(0, 1) * 255).round().to(torch.uint8)


@functools.lru_cache(maxsize=4)
def make(config: DataConfig) -> tuple[Dataset, Dataset]:
    """Train and test split of `shapes`; both are fresh draws that share no random number.

    Defaults where the configuration says 0: 4,096 train and 2,048 test images, 16 px, all 48 leaves.
    Raises ValueError when `classes` is not 2..48, `side` < 8, or a split has fewer images than classes.
    """
    classes, side = config.classes or len(LEAVES), config.side or 16
    require(2 <= classes <= len(LEAVES), "data.shapes", "classes", f"2..{len(LEAVES)}, or 0 for all", classes)
    require(side >= 8, "data.shapes", "side", ">= 8 px", side)
    family_of = list(FAMILIES)
    shape_of = [shape for shapes in FAMILIES.values() for shape in shapes]
    leaves = LEAVES[:classes]
    tree = {
        "family": tuple(family_of.index(family) for family, _, _ in leaves),
        "shape": tuple(shape_of.index(shape) for _, shape, _ in leaves),
    }
    names = tuple(f"{variant} {shape}" for _, shape, variant in leaves)
    level = config.name.partition("-")[2]
    splits = []
    for part, n in enumerate((config.n_train or 4096, config.n_test or 2048)):
        require(n >= classes, "data.shapes", ("n_train", "n_test")[part], f">= the {classes} classes", n)
        generator = torch.Generator().manual_seed(2 * config.seed + part + 1_000_003)
        labels = (torch.arange(n) % classes)[torch.randperm(n, generator=generator)]
        images = torch.cat([draw(chunk, side, generator) for chunk in labels.split(4096)])
        if level:
            present = tuple(FAMILIES) if level == "family" else tuple(shape_of)
            labels = torch.tensor(tree[level])[labels]
            splits.append(Dataset(config.name, images, labels, present, {}, fingerprint(images, labels)))
            continue
        splits.append(Dataset("shapes", images, labels, names, tree, fingerprint(images, labels)))
    return tuple(splits)
