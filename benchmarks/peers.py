"""The peers: lightly as published (`pip install -e .[peers]`) and torchvision v2; nothing else needs them."""

import importlib.util
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from sslrepro.data.recipes import View
from sslrepro.parts.heads import mlp

HAS_LIGHTLY = importlib.util.find_spec("lightly") is not None


def torchvision_pipeline(view: View, side: int) -> Callable:
    """The same recipe as torchvision v2 transforms, for one image."""
    from torchvision.transforms import v2

    jitter = v2.RandomApply([v2.ColorJitter(*view.jitter)], view.jitter_chance)
    steps = [
        v2.RandomResizedCrop(side, view.crop, view.ratio, antialias=True),
        v2.RandomHorizontalFlip(view.flip),
        jitter,
        v2.RandomGrayscale(view.gray),
    ]
    if view.solarise:
        steps.append(v2.RandomSolarize(128, view.solarise))
    return v2.Compose(steps)


def lightly_transform(view: View, side: int) -> Callable:
    """lightly's two-view transform with the recipe's numbers; PIL image in, two tensors out."""
    from lightly.transforms.simclr_transform import SimCLRTransform

    brightness, contrast, saturation, hue = view.jitter
    return SimCLRTransform(
        input_size=side,
        cj_prob=view.jitter_chance,
        cj_bright=brightness,
        cj_contrast=contrast,
        cj_sat=saturation,
        cj_hue=hue,
        min_scale=view.crop[0],
        random_gray_scale=view.gray,
        gaussian_blur=0.0,
        hf_prob=view.flip,
    )


class Pictures(torch.utils.data.Dataset):
    """PIL images with a transform, as the peers' loaders read them."""

    def __init__(self, images: Tensor, transform: Callable):
        from torchvision.transforms.functional import to_pil_image

        self.pictures = [to_pil_image(image) for image in images]
        self.transform = transform

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, place: int) -> list[Tensor]:
        return self.transform(self.pictures[place])


def endless(images: Tensor, transform: Callable, batch_size: int) -> Iterator[list[Tensor]]:
    """Batches of two views from a DataLoader without workers, epoch after epoch."""
    data = Pictures(images, transform)
    while True:
        yield from torch.utils.data.DataLoader(data, batch_size, shuffle=True, drop_last=True)


class LightlyStep:
    """SimCLR, NNCLR or MoCo v2 from lightly's parts around a given encoder, optimizer AdamW; calling it trains once."""

    def __init__(self, method: str, encoder: nn.Module, batches: Iterator[list[Tensor]], queue_size: int):
        from lightly.loss import NTXentLoss
        from lightly.models.modules import NNMemoryBankModule
        from lightly.models.utils import deactivate_requires_grad

        self.method, self.encoder, self.batches = method, encoder, batches
        self.projector = mlp(encoder.dim, 256, 128)
        self.predictor = mlp(128, 512, 128)
        if method == "nnclr":
            self.bank = NNMemoryBankModule(size=(queue_size, 128))
        memory = (queue_size, 128) if method == "mocov2" else 0
        self.criterion = NTXentLoss(temperature=0.1, memory_bank_size=memory)
        parts = [encoder, self.projector, self.predictor]
        if method == "mocov2":
            import copy

            self.momentum = nn.ModuleList([copy.deepcopy(encoder), copy.deepcopy(self.projector)])
            deactivate_requires_grad(self.momentum)
        self.solver = torch.optim.AdamW(nn.ModuleList(parts).parameters(), 1e-3)

    def __call__(self, bf16: bool = False) -> None:
        """One training step; its forward pass under autocast on request."""
        views = next(self.batches)[:2]
        with torch.autocast(views[0].device.type, torch.bfloat16, enabled=bf16):
            loss = self.loss(*views)
        loss.backward()
        self.solver.step()
        self.solver.zero_grad()

    def loss(self, first: Tensor, second: Tensor) -> Tensor:
        from lightly.models.utils import update_momentum

        if self.method == "mocov2":
            update_momentum(self.encoder, self.momentum[0], 0.99)
            update_momentum(self.projector, self.momentum[1], 0.99)
            query = self.projector(self.encoder(first))
            with torch.no_grad():
                key = self.momentum[1](self.momentum[0](second))
            return self.criterion(query, key)
        z = [self.projector(self.encoder(view)) for view in (first, second)]
        if self.method == "simclr":
            return self.criterion(*z)
        p = [self.predictor(rows) for rows in z]
        near = [self.bank(z[0].detach(), update=False), self.bank(z[1].detach(), update=True)]
        return (self.criterion(near[0], p[1]) + self.criterion(near[1], p[0])) / 2
