"""All layers fine-tuned on few labels as SimCLR does it, and SePP-ID after it: 60 epochs on 1%, 30 on 10%."""

from dataclasses import dataclass

from sslrepro.base.errors import require
from sslrepro.evaluate.knn import topk_accuracy
from sslrepro.parts.extract import encode_images
from sslrepro.parts.finetuning import choose_plan, fine_tune, label_list, least_change, plans
from sslrepro.parts.trained_encoder import TrainedEncoder

OF_ENCODER = True  # trains on from the encoder's weights, not on its features


@dataclass(frozen=True)
class Protocol:
    """On which labels, and what differs from the paper's recipe at a smaller scale.

    shares      of the training images whose labels are used
    each        further lists, by images of each class
    draw        of the lists: the same for every method and seed
    rates       of the encoder that are tried at this batch; () = the recipe's own
    batch_size  0 = the recipe's own; a list with fewer images is one batch
    length      share of the recipe's epochs
    crop_min    least share of the area of a training crop
    held_out    share of the list that chooses among rates and epochs
    """

    shares: tuple[float, ...] | list[float] = (0.01, 0.1)
    each: tuple[int, ...] | list[int] = ()
    draw: int = 0
    rates: tuple[float, ...] | list[float] = ()
    batch_size: int = 0
    length: float = 1.0
    crop_min: float = 0.08
    held_out: float = 0.2


def scores(trained: TrainedEncoder, settings: Protocol) -> dict[str, float]:
    """Accuracies of `fraction_scores` by SimCLR's recipe, under names that begin with simclr."""
    return fraction_scores("simclr", trained, settings)


def fraction_scores(recipe: str, trained: TrainedEncoder, settings: Protocol) -> dict[str, float]:
    """Accuracies in [0, 1] on the test images after fine-tuning a copy of the encoder on each list of labels.

        trained   its seed is of the order of images and crops; the lists do not depend on it

        <recipe>_<list>_top1, _top5   the list is 1pct, 10pct, or 13each: a share, or images of each class
        ..._images      labels used
        ..._rate, ..._held_out   the rate that was chosen and its accuracy on labels kept apart; -1 = nothing to choose
        ..._moved       least change of a layer, relative to its norm

    The test images are read once for each list. Raises ValueError where a list would be empty or a layer did not
    train.
    """
    owner = f"evaluate.finetune_{recipe}"
    require(trained.splits is not None, owner, "splits", "the encoder's own images, with labels", None)
    train, test = trained.splits
    encoder, normalise, seed = trained.encoder, trained.normalise, trained.seed
    n_classes = max(train.n_classes, int(max(train.labels.max(), test.labels.max())) + 1)
    present = len(train.labels.unique())
    lists = {f"{100 * share:g}pct": share for share in settings.shares}
    lists |= {f"{count}each": count * present / len(train) for count in settings.each}
    require(bool(lists), owner, "shares", "at least one share, or images of each class", settings.shares)
    out: dict[str, float] = {}
    for name, share in lists.items():
        data = train.rows(label_list(train.labels, share, settings.draw))
        tried = plans(recipe, share, settings.batch_size, tuple(settings.rates), settings.length, settings.crop_min)
        plan, held_out = choose_plan(encoder, data, n_classes, tried, settings.held_out, normalise, seed, settings.draw)
        net = fine_tune(encoder, data, n_classes, plan, normalise, seed)
        moved = least_change(net[0], encoder)
        require(moved > 0, owner, "every layer", "trained", "one that stayed as it was")
        accuracy = topk_accuracy(encode_images(net, test, normalise), test.labels)
        own = accuracy | {"images": float(len(data)), "rate": plan.rate, "held_out": held_out, "moved": moved}
        out |= {f"{recipe}_{name}_{key}": value for key, value in own.items()}
    return out
