"""Five scales of one experiment, and how a paper's settings map to each."""

import math
from dataclasses import dataclass, field, replace
from typing import Any

from sslrepro import methods
from sslrepro.base.errors import known_keys, one_of, require
from sslrepro.data import shapes
from sslrepro.data.dataset import DataConfig
from sslrepro.data.recipes import ViewConfig
from sslrepro.methods.kinds import Scale
from sslrepro.tables.definition import RUN
from sslrepro.training.config import RunConfig, TrainingConfig

PAPER_BATCH = 4096  # NNCLR's ablations; queues and batches are counted in it
PAPER_EPOCHS = 500  # that a profile's own epochs stand for: half of NNCLR's 1,000, so that tables over epochs fit
LEAST_BATCH = 4  # fewer images hold no negatives worth the name


@dataclass(frozen=True)
class Profile:
    """One scale.

    base, dataset   cpu and cifar10 of cpu-cifar10; without a data set (None) the scale's own images
    seeds         default number of seeds
    heads         widths of the heads by setting: the paper's are wider than the whole small encoder
    evaluations   evaluation -> protocol settings that differ from its defaults
    shortened     evaluation that tables ask for -> protocol settings of this scale, over the table's own
    judged        whether claims are judged at this scale
    n_images, n_classes   of the training set, where only reading it can tell; 0 = known from its name
    levels        level of the images' class tree -> its classes, coarse to fine, "leaf" last; filled in by plans for
                  sets of a data root, {} where there is no tree
    data_follows_seed   whether every seed draws its own images (embedded sets), so that intervals hold for new data
    equal_views   whether methods that encode one view of an image per epoch, not two, train for twice the epochs
    sampler_share   epochs of a sampler's training in one of the run's (SePP-ID); 1/8 as a paper's 100 in 800
    queue_share   of the training images that a queue has rows for, at most
    """

    base: str
    where: str
    data: DataConfig
    encoder: str
    views: ViewConfig
    plan: TrainingConfig
    seeds: int
    heads: dict[str, int] = field(default_factory=dict)
    evaluations: dict[str, dict[str, Any]] = field(default_factory=dict)
    shortened: dict[str, dict[str, Any]] = field(default_factory=dict)
    judged: bool = True
    data_follows_seed: bool = True
    equal_views: bool = False
    sampler_share: float = 1 / 8
    queue_share: float = 1 / 8
    runnable: bool = True
    n_images: int = 0
    n_classes: int = 0
    levels: dict[str, int] = field(default_factory=dict)
    dataset: str | None = None

    @property
    def name(self) -> str:
        """Of its folder in the ledger: cpu, or cpu-cifar10 on other images."""
        return self.base if self.dataset is None else f"{self.base}-{self.dataset}"

    @property
    def classes(self) -> int:
        """Classes of the images; 1,000 where nobody can tell (counts of clusters then stay as printed)."""
        return self.n_classes or self.data.classes or CLASSES.get(self.data.name, 1000)

    @property
    def n_train(self) -> int:
        """Training images, by which queues are capped."""
        asked = images_in(self.data)
        return min(asked or self.n_images, self.n_images) if self.n_images else asked

    def fair(self) -> "Profile":
        """This scale on equal terms: as many encoded views for every method, and samplers trained as long as runs."""
        return replace(self, equal_views=True, sampler_share=1.0)

    def settings_at(
        self, method: str, of_table: dict[str, Any] | None = None, usual: TrainingConfig | None = None
    ) -> dict[str, Any]:
        """A method's settings at this scale, each by its field's own rule (methods/kinds.py); none at paper scale.

        of_table      what a table sets, in the paper's units
        usual         how the profile trains, where a table sets the run's own batch or epochs: NNCLR's tables count
                      queues in its batches, and SePP-ID's samplers train for its epochs
        """
        if self.name == "paper":
            return dict(of_table or {})
        plan, usual = self.plan, usual or self.plan
        scale = Scale(
            self.n_train,
            self.classes,
            plan.epochs,
            plan.batch_size,
            usual.batch_size,
            self.heads,
            self.sampler_share,
            usual.epochs,
            self.queue_share,
        )
        return methods.settings_at(method, scale, of_table or {})

    def lacks(self, of_run: dict[str, Any]) -> str:
        """Why a run cannot be had at this scale; "" where it can."""
        if "classes" not in of_run or not self.runnable or self.data.name == "shapes" or self.level(of_run["classes"]):
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
        levels = {name: n for n, name in shapes.LEVELS.items()}
        levels |= {
            self.data.name if level == "leaf" else f"{self.data.name}-{level}": n for level, n in self.levels.items()
        }
        return levels.get(data.name, data.classes)

    def at(self, of_run: dict[str, Any]) -> "Profile":
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
        if "epochs" in of_run:
            printed = of_run["epochs"]
            mapped = printed if paper or printed == 0 else max(1, round(printed / PAPER_EPOCHS * plan.epochs))
            plan = replace(plan, epochs=mapped)
        if "batch_size" in of_run:
            printed = of_run["batch_size"]
            size = printed if paper else max(LEAST_BATCH, round(printed / PAPER_BATCH * plan.batch_size))
            plan = replace(plan, batch_size=size, lr=plan.lr * (size / plan.batch_size))
        if "classes" in of_run and not paper:
            require(
                not self.lacks(of_run),
                f"profiles.{self.name}",
                "classes",
                "set where the images have the level",
                of_run["classes"],
                self.lacks(of_run),
            )
            if data.name == "shapes":
                name = shapes.LEVELS[one_of(of_run["classes"], shapes.LEVELS, "profiles", "classes")]
                data = replace(data, name=name, classes=len(shapes.LEAVES))
            else:
                level, n_classes = self.level(of_run["classes"]), self.levels["leaf"]
                if level != "leaf":  # its name no longer tells how many images it has
                    data = replace(data, name=f"{data.name}-{level}", n_train=images_in(data))
        views = replace(self.views, recipe=of_run.get("recipe", self.views.recipe))
        return replace(self, plan=plan, data=data, views=views, n_classes=n_classes)

    def config(self, method: str, seed: int, paper: dict[str, Any] | None = None) -> RunConfig:
        """The run of a method at this scale; `paper` gives what a table sets, in the paper's units (`at`).

        Raises ValueError for a setting that has no mapping here.
        """
        paper = paper or {}
        of_method = {name: value for name, value in paper.items() if name not in RUN}
        known_keys(of_method, vars(methods.settings(method)), "profiles.config", "paper setting")
        here = self.at({name: value for name, value in paper.items() if name in RUN})
        if self.equal_views and methods.encodes_one_view(method):
            here = replace(here, plan=replace(here.plan, epochs=2 * here.plan.epochs))
        settings = here.settings_at(method, of_method, self.plan)
        data = replace(here.data, seed=seed) if self.data_follows_seed else here.data
        return RunConfig(method, settings, self.encoder, data, here.views, here.plan, seed)


SIZES = {
    "digits": 1297,
    "cifar10": 50_000,
    "cifar100": 50_000,
    "stl10": 5_000,
    "tinyimagenet": 100_000,
    "imagenet": 1_281_167,
}


def images_in(data: DataConfig) -> int:
    """Training images a configuration asks for, as far as its name tells; 0 for a folder of unknown size."""
    available = SIZES.get(data.name, data.n_train)
    asked = min(data.n_train or available, available)
    return asked - int(data.held_out * asked)


SIDES = {"digits": 8, "cifar10": 32, "cifar100": 32, "stl10": 96, "tinyimagenet": 64}  # px, as stored


def side_of(data: DataConfig) -> int | str:
    """Pixels on a side of a configuration's images; "native" where they keep sizes that its name does not tell."""
    return data.side or SIDES.get(data.name.partition("-")[0], "native")  # a set at a level of its tree: set-level


CLASSES = {"digits": 10, "cifar10": 10, "cifar100": 100, "stl10": 10, "tinyimagenet": 200, "imagenet": 1000}
_SMALL_HEADS = {"dim": 128, "hidden": 256, "hidden_predictor": 512}
_TINY_HEADS = {"dim": 32, "hidden": 64, "hidden_predictor": 64}
_SMALL_TUNING = {"rates": (0.05, 0.2, 0.8), "batch_size": 32, "length": 0.5, "crop_min": 0.8}
_SMALL_EVALUATIONS = {
    "finetune_simclr": _SMALL_TUNING,
    "finetune_byol": _SMALL_TUNING,
    "finetune_ifnd": _SMALL_TUNING | {"rates": (0.005, 0.02, 0.08), "length": 1.0},  # the classifier's are far higher
}
_TINY_TUNING = {"rates": (0.1,), "batch_size": 16, "length": 0.1, "crop_min": 0.8}
_TINY_EVALUATIONS = {f"finetune_{recipe}": _TINY_TUNING for recipe in ("simclr", "byol", "ifnd")} | {
    "transfer": {"n_train": 96, "n_test": 64, "iterations": 1},
    "overhead": {"repeats": 2},
    "faster_rcnn": {"n_train": 32, "n_test": 16, "steps": 4},
    "mask_rcnn": {"n_train": 32, "n_test": 16, "steps": 4},
}

PROFILES = {
    "smoke": Profile(
        "smoke",
        "CPU, seconds per page: everything executes, nothing is concluded",
        DataConfig("shapes", n_train=208, n_test=208, side=16, classes=16),
        "conv-tiny",
        ViewConfig("moco2", crop_min=0.8),
        TrainingConfig(epochs=1, batch_size=8),
        seeds=1,
        heads=_TINY_HEADS,
        evaluations={
            "linear": {"penalties": (1e-2, 1e-4), "iterations": 10},
            "knn": {},
            "few": {"draws": 2, "iterations": 10},
        },
        shortened=_TINY_EVALUATIONS,
        judged=False,
        queue_share=1,  # the papers' longest queue has 24 batches, and there are 26
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
        shortened=_SMALL_EVALUATIONS,
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
        shortened=_SMALL_EVALUATIONS,
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
        TrainingConfig(
            epochs=1000,
            batch_size=4096,
            optimizer="lars",
            lr=0.15 * 4096 / 256,
            weight_decay=1e-6,
            warmup=0.01,
            precision="bf16",
        ),
        seeds=3,
        evaluations={"linear_sgd": {}, "knn": {"k": 200}},
        data_follows_seed=False,
        runnable=False,
    ),
}


def profile(name: str) -> Profile:
    """A profile by name; raises ValueError with the nearest."""
    return PROFILES[one_of(name, PROFILES, "profiles", "profile")]


# Night on photographs: every image at its own 32 px, and an encoder chosen by SimCLR alone (docs/adr/0012).
_PHOTOGRAPHS = {
    "where": "2 cores, a night per row, CIFAR from a data root: all 50,000 images at 32 px, ResNet-8, bf16",
    "encoder": "resnet8-wide",
    "views": ViewConfig("moco-cifar", crop_min=0.2),
    "plan": TrainingConfig(epochs=24, batch_size=256, lr=4e-3, precision="bf16"),
    "data_follows_seed": False,
}
ARMS = {("night", dataset): _PHOTOGRAPHS for dataset in ("cifar10", "cifar100")}


def split_scale(scale: str) -> tuple[str, str | None]:
    """(profile, data set or None) of a `Profile.name`: ("night", "cifar10") of night-cifar10."""
    base, _, dataset = scale.partition("-")
    return base, dataset or None


def on_dataset(base: Profile, dataset: str | None) -> Profile:
    """A profile on other images: side, epochs and encoder stay, twice the images, the classes of the set.

    A scale that has an arm of its own for the set (`ARMS`) changes to it: its images, encoder, views and length.
    """
    if dataset is None or dataset == base.data.name:
        return base
    if (base.name, dataset) in ARMS:
        return replace(base, dataset=dataset, data=DataConfig(dataset), **ARMS[base.name, dataset])
    data = replace(base.data, name=dataset, n_train=2 * base.data.n_train, classes=0)  # 30 CPU-minutes for a table
    return replace(base, dataset=dataset, data=data)
