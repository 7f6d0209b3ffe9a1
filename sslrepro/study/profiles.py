"""Five scales of one experiment, and how a paper's settings map to each."""

import math
from dataclasses import dataclass, field, replace
from typing import Any

from sslrepro import methods
from sslrepro.base.errors import known_keys, one_of, require
from sslrepro.data import shapes
from sslrepro.data.dataset import DataConfig
from sslrepro.data.views import ViewConfig
from sslrepro.tables.definition import RUN
from sslrepro.training.config import RunConfig, TrainingConfig

PAPER_BATCH = 4096  # NNCLR's ablations; queues and batches are counted in it
PAPER_EPOCHS = 500  # that a profile's own epochs stand for: half of NNCLR's 1,000, so that tables over epochs fit
LEAST_BATCH = 4  # fewer images hold no negatives worth the name
PAIRS_PER_IMAGE = 18_109 / 1_281_167  # SePP-ID, Table 8, K = 10%


@dataclass(frozen=True)
class Profile:
    """One scale.

    seeds         default number of seeds
    heads         widths of the heads by setting: the paper's are wider than the whole small encoder
    evaluations   evaluation -> protocol settings that differ from its defaults
    judged        whether claims are judged at this scale
    n_images, n_classes   of the training set, where only reading it can tell; 0 = known from its name
    levels        level of the images' class tree -> its classes, coarse to fine, "leaf" last; filled in by plans for
                  sets of a data root, {} where there is no tree
    data_follows_seed   whether every seed draws its own images (embedded sets), so that intervals hold for new data
    """

    name: str
    where: str
    data: DataConfig
    encoder: str
    views: ViewConfig
    plan: TrainingConfig
    seeds: int
    heads: dict[str, int] = field(default_factory=dict)
    evaluations: dict[str, dict[str, Any]] = field(default_factory=dict)
    judged: bool = True
    data_follows_seed: bool = True
    runnable: bool = True
    n_images: int = 0
    n_classes: int = 0
    levels: dict[str, int] = field(default_factory=dict)

    @property
    def classes(self) -> int:
        """Classes of the images; 1,000 where nobody can tell (counts of clusters then stay as printed)."""
        return self.n_classes or self.data.classes or CLASSES.get(self.data.name, 1000)

    @property
    def n_train(self) -> int:
        """Training images, by which queues are capped."""
        asked = images_in(self.data)
        return min(asked or self.n_images, self.n_images) if self.n_images else asked

    def queue_size(self, printed: int) -> int:
        """A queue of the paper, in as many batches; at most an eighth of the training images (METHODS: own past)."""
        if self.name == "paper":
            return printed
        return max(1, min(round(printed / PAPER_BATCH * self.plan.batch_size), self.n_train // 8 or printed))

    def scaled(self, method: str, given: dict[str, Any] | None = None) -> dict[str, Any]:
        """A method's settings at this scale, by the names of its settings: the same rule for every method.

        NNCLR's queue is the one exception: its own tables count it in batches (`queue_size`).

        widths of heads              at most the profile's; those that a table sets keep their ratio to the default
        momentum of the teacher      at most 0.99 (MoCo's own for CIFAR): there are far fewer steps
        queue, rows, noise, top k    at most an eighth of the images; rows of the own image are passed over
        noise instead of a softmax   none: the released code takes the full softmax for small sets (InstDisc)
        passes of a mining net       at most twice the run's epochs, at least ten; its batches are the run's (ISL)
        gate and warm-up             at least an epoch, before which banks and graphs are random
        clusters and prototypes      as many per class as on ImageNet's 1,000 classes, at most a quarter of the images;
                                     those that a table sets are mapped alike
        step of the accepted share   where a table sets it: no earlier than after two epochs. Labels are first made
                                     after one, so an earlier step would be no step (IFND)
        other settings of a table    stand; widths of heads: see above
        sampler's training           the paper's share, an eighth of the epochs
        pairs                        the paper's share of the rows, 1.4%, whatever their cosine

        given   what a table sets: others depend on the base method of SePP-ID
        """
        if self.name == "paper":
            return {}
        inner = {name: value for name, value in (given or {}).items() if name in ("base", "sampler")}
        default = vars(methods.settings(method, inner))
        eighth, quarter = max(1, self.n_train // 8), max(2, self.n_train // 4)

        def per_class(printed: int) -> int:
            return min(max(2, round(printed / 1000 * self.classes)), quarter) if self.n_train else printed

        out: dict[str, Any] = {}
        for name, value in default.items():
            if name in self.heads and value:
                ratio = (given or {}).get(name, value) / value
                out[name] = round(ratio * min(value, self.heads[name]))
            elif name == "teacher_momentum" and value is not None:
                out[name] = min(value, 0.99)
            elif name in ("queue_size", "n_nearest", "n_negatives", "negatives", "top_k") and self.n_train and value:
                out[name] = min(value, eighth)
            elif name == "mining_batch":
                out[name] = self.plan.batch_size
            elif name in ("max_gan_epochs", "max_passes"):
                out[name] = min(value, max(10, 2 * self.plan.epochs))
            elif name == "noise":
                out[name] = 0
            elif name in ("gate", "warm"):
                out[name] = min(max(value, 1 / max(self.plan.epochs, 1)), 1.0)
            elif name == "step_at" and name in (given or {}):
                out[name] = min(max(given[name], 2 / max(self.plan.epochs, 1)), 1.0)
            elif name == "n_strangers" and self.n_train:
                out[name] = min(value, self.n_train)
            elif name == "exclude_self":
                out[name] = True
            elif name in ("clusters", "n_prototypes"):
                value = (given or {}).get(name, value)  # a table's own are mapped as the defaults are
                out[name] = tuple(map(per_class, value)) if isinstance(value, tuple) else per_class(value)
            elif name == "n_classes":
                out[name] = self.classes
            elif name == "sampler_epochs":
                out[name] = max(1, round(self.plan.epochs / 8))
            elif name == "quantile" and self.n_train:
                share = (given or {}).get("share", default["share"])
                among = max(2, round(share * self.n_train))
                out[name] = min(0.5, PAIRS_PER_IMAGE * self.n_train / (among * (among - 1) / 2))
            elif name in ("base", "sampler"):
                out[f"{name}_settings"] = self.scaled(value)
        return out

    def lacks(self, given: dict[str, Any]) -> str:
        """Why a run cannot be had at this scale; "" where it can."""
        if "classes" not in given or not self.runnable or self.data.name == "shapes" or self.level(given["classes"]):
            return ""
        if self.level(min(shapes.LEVELS)):
            return f"the class tree of {self.data.name} has no middle level"
        return (
            f"`classes` is a level of the tree of shapes, and the images of {self.name} are {self.data.name}, "
            f"for which no class tree is known: one in a data root may have it, <root>/{self.data.name}/tree.csv"
        )

    def level(self, classes: int) -> str:
        """The level of the images' own tree that stands for the level of `shapes` with so many classes; "" for none.

        The coarsest for the coarsest, the leaves ("leaf") for the leaves; between them the level whose number of
        classes is nearest, on a log scale, to the geometric mean of those two. Levels as fine as the leaves are none.
        """
        _, middle, leaves = sorted(shapes.LEVELS)
        one_of(classes, shapes.LEVELS, "profiles", "classes")
        above = {name: n for name, n in self.levels.items() if n < self.levels["leaf"]}
        if not above:
            return ""
        fewest = min(above.values())
        if classes == middle:
            aim = math.log(fewest * self.levels["leaf"]) / 2
            between = [name for name, n in above.items() if n > fewest]
            return min(between, key=lambda name: abs(math.log(above[name]) - aim), default="")
        return "leaf" if classes == leaves else min(above, key=above.__getitem__)

    def labels_in(self, data: DataConfig) -> int:
        """Classes of the labels of a run's images, whatever level of a tree they are; 0 where nobody can tell."""
        known = {name: n for n, name in shapes.LEVELS.items()}
        known |= {self.data.name if one == "leaf" else f"{self.data.name}-{one}": n for one, n in self.levels.items()}
        return known.get(data.name, data.classes)

    def at(self, given: dict[str, Any]) -> "Profile":
        """This scale with what a table sets of the run itself, in the paper's units; as printed at paper scale.

        epochs       printed / 500 times the profile's, rounded, at least one; 0 stays 0, the encoder as initialised
        batch_size   printed / 4,096 times the profile's, rounded, at least four; the learning rate in proportion
        recipe       the views of that name; the least crop stays the profile's
        classes      the level of the tree of `shapes` with so many classes: all have the same images, of 48 leaves;
                     on a set with a tree of its own the level that stands for it (`level`), and clusters stay as many
                     per leaf; on ImageNet the labels stay the leaves

        Raises ValueError where the profile's images have no such levels.
        """
        plan, data, paper, n_classes = self.plan, self.data, self.name == "paper", self.n_classes
        if "epochs" in given:
            printed = given["epochs"]
            mapped = printed if paper or printed == 0 else max(1, round(printed / PAPER_EPOCHS * plan.epochs))
            plan = replace(plan, epochs=mapped)
        if "batch_size" in given:
            printed = given["batch_size"]
            size = printed if paper else max(LEAST_BATCH, round(printed / PAPER_BATCH * plan.batch_size))
            plan = replace(plan, batch_size=size, lr=plan.lr * (size / plan.batch_size))
        if "classes" in given and not paper:
            require(not self.lacks(given), f"profiles.{self.name}", "classes", "set where the images have the level",
                    given["classes"], self.lacks(given))  # fmt: skip
            if data.name == "shapes":
                name = shapes.LEVELS[one_of(given["classes"], shapes.LEVELS, "profiles", "classes")]
                data = replace(data, name=name, classes=len(shapes.LEAVES))
            else:
                level, n_classes = self.level(given["classes"]), self.levels["leaf"]
                if level != "leaf":  # its name no longer tells how many images it has
                    data = replace(data, name=f"{data.name}-{level}", n_train=images_in(data))
        views = replace(self.views, recipe=given.get("recipe", self.views.recipe))
        return replace(self, plan=plan, data=data, views=views, n_classes=n_classes)

    def config(self, method: str, seed: int, paper: dict[str, Any] | None = None) -> RunConfig:
        """The run of a method at this scale; `paper` gives what a table sets, in the paper's units (`at`, `scaled`).

        Raises ValueError for a setting that has no mapping here.
        """
        given = {name: value for name, value in (paper or {}).items() if name not in RUN}
        known_keys(given, vars(methods.settings(method)), "profiles.config", "paper setting")
        here = self.at({name: value for name, value in (paper or {}).items() if name in RUN})
        settings = here.scaled(method, given)
        if method in ("nnclr", "nnclr_controlled"):  # in batches of the profile, whatever the row's own
            settings["queue_size"] = self.queue_size(given.pop("queue_size", 32_768))
        mapped = {"clusters", "n_prototypes", "step_at", *self.heads} & set(settings)
        settings |= {name: value for name, value in given.items() if name not in mapped}
        data = replace(here.data, seed=seed) if self.data_follows_seed else here.data
        return RunConfig(method, settings, self.encoder, data, here.views, here.plan, seed)


SIZES = {"digits": 1297, "cifar10": 50_000, "cifar100": 50_000, "stl10": 5_000, "tinyimagenet": 100_000,
         "imagenet": 1_281_167}  # fmt: skip


def images_in(data: DataConfig) -> int:
    """Training images a configuration asks for, as far as its name tells; 0 for a folder of unknown size."""
    known = SIZES.get(data.name, data.n_train)
    return min(data.n_train or known, known)


CLASSES = {"digits": 10, "cifar10": 10, "cifar100": 100, "stl10": 10, "tinyimagenet": 200, "imagenet": 1000}
_SMALL_HEADS = {"dim": 128, "hidden": 256, "hidden_predictor": 512}
_TINY_HEADS = {"dim": 32, "hidden": 64, "hidden_predictor": 64}

PROFILES = {
    "smoke": Profile(
        "smoke",
        "CPU, seconds per page: everything executes, nothing is concluded",
        DataConfig("shapes", n_train=768, n_test=256, side=16, classes=16),
        "conv-tiny",
        ViewConfig("moco2", crop_min=0.8),
        TrainingConfig(epochs=1, batch_size=4),
        seeds=1,
        heads=_TINY_HEADS,
        evaluations={"linear": {"iterations": 20}, "knn": {}, "few": {"draws": 2, "iterations": 10}},
        judged=False,
    ),
    "cpu": Profile(
        "cpu",
        "2 cores, minutes per table, nothing downloaded",
        DataConfig("shapes", n_train=4_608, n_test=4_096, side=16, classes=16),
        "conv",
        ViewConfig("moco2", crop_min=0.8),
        TrainingConfig(epochs=8, batch_size=24, lr=2e-3),
        seeds=5,
        heads=_SMALL_HEADS,
        evaluations={"linear": {}, "knn": {}, "few": {}},
    ),
    "night": Profile(
        "night",
        "2 cores, one table in one night, nothing downloaded: `cpu` with eight times the epochs",
        DataConfig("shapes", n_train=4_608, n_test=4_096, side=16, classes=16),
        "conv",
        ViewConfig("moco2", crop_min=0.8),
        TrainingConfig(epochs=64, batch_size=24, lr=2e-3),
        seeds=3,
        heads=_SMALL_HEADS,
        evaluations={"linear": {}, "knn": {}, "few": {}},
    ),
    "gpu": Profile(
        "gpu",
        "one GPU, hours per table, CIFAR-10 from a data root",
        DataConfig("cifar10"),
        "resnet18-cifar",
        ViewConfig("byol"),
        TrainingConfig(epochs=200, batch_size=256, optimizer="sgd", lr=0.06, weight_decay=5e-4, precision="bf16"),
        seeds=3,
        evaluations={"linear": {}, "knn": {"k": 200}, "few": {}},
        data_follows_seed=False,
    ),
    "paper": Profile(
        "paper",
        "many GPUs, ImageNet, NNCLR's settings as printed: planned here, run by those who have the machine",
        DataConfig("imagenet"),
        "resnet50",
        ViewConfig("byol"),
        TrainingConfig(epochs=1000, batch_size=4096, optimizer="lars", lr=0.15 * 4096 / 256, weight_decay=1e-6, warmup=0.01,
             precision="bf16"),
        seeds=3,
        evaluations={"linear_sgd": {}, "knn": {"k": 200}},
        data_follows_seed=False,
        runnable=False,
    ),
}  # fmt: skip


def profile(name: str) -> Profile:
    """A profile by name; raises ValueError with the nearest."""
    return PROFILES[one_of(name, PROFILES, "profiles", "profile")]


def on_dataset(base: Profile, dataset: str | None) -> Profile:
    """A profile on other images: side, epochs and encoder stay, twice the images, the classes of the set."""
    if dataset is None or dataset == base.data.name:
        return base
    data = replace(base.data, name=dataset, n_train=2 * base.data.n_train, classes=0)  # 30 CPU-minutes for a table
    return replace(base, name=f"{base.name}-{dataset}", data=data)
