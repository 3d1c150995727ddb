"""The models of the benchmarks, each written once against a namespace `t`: torch or pyrite."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any


def mlp(t: Any, sizes: Sequence[int] = (784, 512, 512, 10)) -> Any:
    """Linear layers with ReLU between them."""
    layers: list[Any] = []
    for a, b in pairwise(sizes):
        layers += [t.nn.Linear(a, b), t.nn.ReLU()]
    return t.nn.Sequential(*layers[:-1])


def lenet(t: Any) -> Any:
    """LeCun et al. 1998 with ReLU and max pooling, 28x28 images."""
    nn = t.nn
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip


def conv_norm(t: Any, inside: int, outside: int, kernel: int = 3, **options: Any) -> list[Any]:
    """A convolution that keeps the size (at stride 1) and a batch norm."""
    options = {"padding": kernel // 2, "bias": False, **options}
    return [t.nn.Conv2d(inside, outside, kernel, **options), t.nn.BatchNorm2d(outside)]


def resnet18(t: Any) -> Any:
    """ResNet-18 for 32x32 images (He et al. 2016; first convolution 3x3, no pooling after it)."""
    nn = t.nn

    class Block(nn.Module):
        def __init__(self, inside: int, outside: int, stride: int) -> None:
            super().__init__()
            self.body = nn.Sequential(
                *conv_norm(t, inside, outside, stride=stride),
                nn.ReLU(),
                *conv_norm(t, outside, outside),
            )
            same = inside == outside
            self.skip = nn.Sequential(
                *([] if same else conv_norm(t, inside, outside, 1, stride=stride))
            )
            self.relu = nn.ReLU()

        def forward(self, x: Any) -> Any:
            return self.relu(self.body(x) + self.skip(x))

    widths = [64, 64, 64, 128, 128, 256, 256, 512, 512]
    blocks = [Block(a, b, 1 if a == b else 2) for a, b in pairwise(widths)]
    ends = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10)]
    return nn.Sequential(*conv_norm(t, 3, 64), nn.ReLU(), *blocks, *ends)


def mobilenet(t: Any) -> Any:
    """Depthwise and pointwise convolutions in turn (Howard et al. 2017), 32x32 images."""
    nn = t.nn
    layers = [*conv_norm(t, 3, 32), nn.ReLU()]
    inside = 32
    for outside, stride in ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1)):
        depthwise = conv_norm(t, inside, inside, stride=stride, groups=inside)
        layers += [*depthwise, nn.ReLU(), *conv_norm(t, inside, outside, 1), nn.ReLU()]
        inside = outside
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inside, 10))


def unet(t: Any, width: int = 32) -> Any:
    """Three levels, skips by concatenation (Ronneberger et al. 2015); one mask per image."""
    nn = t.nn

    def pair(inside: int, outside: int) -> Any:
        first, second = conv_norm(t, inside, outside), conv_norm(t, outside, outside)
        return nn.Sequential(*first, nn.ReLU(), *second, nn.ReLU())

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            a, b, c = width, 2 * width, 4 * width
            self.down1, self.down2, self.bottom = pair(3, a), pair(a, b), pair(b, c)
            self.up2, self.up1 = nn.ConvTranspose2d(c, b, 2, 2), nn.ConvTranspose2d(b, a, 2, 2)
            self.merge2, self.merge1 = pair(2 * b, b), pair(2 * a, a)
            self.pool, self.head = nn.MaxPool2d(2), nn.Conv2d(a, 1, 1)

        def forward(self, x: Any) -> Any:
            one = self.down1(x)
            two = self.down2(self.pool(one))
            three = self.bottom(self.pool(two))
            two = self.merge2(t.cat([self.up2(three), two], 1))
            return self.head(self.merge1(t.cat([self.up1(two), one], 1)))

    return Model()


def vae(t: Any) -> Any:
    """784-400-20 and back (Kingma & Welling 2014); the noise is an input."""
    nn = t.nn

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = nn.Sequential(nn.Linear(784, 400), nn.ReLU())
            self.mean, self.logvar = nn.Linear(400, 20), nn.Linear(400, 20)
            self.decoder = nn.Sequential(
                nn.Linear(20, 400), nn.ReLU(), nn.Linear(400, 784), nn.Sigmoid()
            )

        def forward(self, images: Any, noise: Any) -> Any:
            hidden = self.encoder(images)
            mean, logvar = self.mean(hidden), self.logvar(hidden)
            return self.decoder(mean + noise * t.exp(0.5 * logvar)), mean, logvar

    return Model()


def dcgan(t: Any, width: int = 64) -> Any:
    """Both nets of Radford et al. 2016 for 32x32 images: `make` of 100 numbers, `judge`."""
    nn = t.nn

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            make, judge, inside = [], [], 100
            for i, outside in enumerate((4 * width, 2 * width, width)):
                up = nn.ConvTranspose2d(
                    inside, outside, 4, 2 if i else 1, 1 if i else 0, bias=False
                )
                make += [up, nn.BatchNorm2d(outside), nn.ReLU()]
                inside = outside
            inside = 3
            for outside in (width, 2 * width, 4 * width):
                down = conv_norm(t, inside, outside, 4, stride=2, padding=1)
                judge += [*down[: 2 if judge else 1], nn.LeakyReLU(0.2)]
                inside = outside
            self.make = nn.Sequential(*make, nn.ConvTranspose2d(width, 3, 4, 2, 1), nn.Tanh())
            self.judge = nn.Sequential(*judge, nn.Conv2d(inside, 1, 4), nn.Flatten(0))

        def forward(self, noise: Any) -> Any:
            return self.judge(self.make(noise))

    return Model()


def recurrent(t: Any, kind: str, letters: int, width: int = 128) -> Any:
    """A character model: an embedding of 64 and two layers of LSTM or GRU."""
    nn = t.nn

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Embedding(letters, 64)
            self.cells = getattr(nn, kind)(64, width, 2, batch_first=True)
            self.head = nn.Linear(width, letters)

        def forward(self, x: Any) -> Any:
            return self.head(self.cells(self.embed(x))[0])

    return Model()


def gpt(t: Any, letters: int, width: int, heads: int, depth: int, length: int = 128) -> Any:
    """Blocks with the norm first and learned positions (Radford et al. 2019), no dropout."""
    nn, attend = t.nn, t.nn.functional.scaled_dot_product_attention

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.feed = nn.Sequential(
                nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
            )

        def forward(self, x: Any) -> Any:
            n, length, _ = x.shape
            parts = self.qkv(self.norm1(x)).chunk(3, -1)
            q, k, v = [p.view(n, length, heads, -1).transpose(1, 2) for p in parts]
            mixed = attend(q, k, v, is_causal=True).transpose(1, 2)
            x = x + self.out(mixed.reshape(n, length, width))
            return x + self.feed(self.norm2(x))

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.place = nn.Embedding(letters, width), nn.Embedding(length, width)
            self.blocks = nn.Sequential(*[Block() for _ in range(depth)])
            self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, letters)

        def forward(self, x: Any) -> Any:
            x = self.embed(x) + self.place(t.arange(x.shape[1]))
            return self.head(self.norm(self.blocks(x)))

    return Model()


def bert(t: Any, words: int, width: int = 256, length: int = 128) -> Any:
    """Four layers of the library's own TransformerEncoder, 4 heads, GELU (Devlin et al. 2019)."""
    nn = t.nn

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.place = nn.Embedding(words, width), nn.Embedding(length, width)
            layer = nn.TransformerEncoderLayer(
                width, 4, 4 * width, dropout=0.0, activation="gelu", batch_first=True
            )
            self.layers = nn.TransformerEncoder(layer, 4, enable_nested_tensor=False)
            self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, words)

        def forward(self, x: Any) -> Any:
            x = self.norm(self.embed(x) + self.place(t.arange(x.shape[1])))
            return self.head(self.layers(x))

    return Model()


def vit(t: Any, width: int = 192) -> Any:
    """Patches of 4x4 in 32x32 images, 6 layers, 3 heads, norm first (Dosovitskiy et al. 2021)."""
    nn = t.nn

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.patch = nn.Conv2d(3, width, 4, 4)
            self.token = nn.Parameter(t.zeros(1, 1, width))
            self.place = nn.Parameter(t.zeros(1, 65, width))
            layer = nn.TransformerEncoderLayer(
                width, 3, 4 * width, dropout=0.0, activation="gelu", batch_first=True,
                norm_first=True,
            )  # fmt: skip
            self.layers = nn.TransformerEncoder(layer, 6, enable_nested_tensor=False)
            self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 10)

        def forward(self, x: Any) -> Any:
            x = self.patch(x).flatten(2).transpose(1, 2)
            x = t.cat([self.token.expand(len(x), -1, -1), x], 1) + self.place
            return self.head(self.norm(self.layers(x)[:, 0]))

    return Model()


def gcn(t: Any, sizes: Sequence[int] = (64, 128, 128, 8)) -> Any:
    """Graph convolutions (Kipf & Welling 2017): messages gathered along edges and added up."""
    nn = t.nn

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList([nn.Linear(a, b) for a, b in pairwise(sizes)])

        def forward(self, x: Any, source: Any, target: Any, weight: Any) -> Any:
            for i, layer in enumerate(self.layers):
                x = layer(x.relu() if i else x)
                x = t.zeros_like(x).index_add(0, target, x[source] * weight)
            return x

    return Model()


def bag(t: Any, words: int, width: int = 64, classes: int = 4) -> Any:
    """The mean of a text's word vectors, then one linear layer (Joulin et al. 2017)."""
    nn = t.nn

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words, self.head = nn.EmbeddingBag(words, width), nn.Linear(width, classes)

        def forward(self, text: Any, starts: Any) -> Any:
            return self.head(self.words(text, starts))

    return Model()


def dqn(t: Any) -> Any:
    """`policy` and `target`, two equal nets 4-128-128-2 (Mnih et al. 2015, on CartPole)."""
    nn = t.nn

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.policy, self.target = mlp(t, (4, 128, 128, 2)), mlp(t, (4, 128, 128, 2))

        def forward(self, state: Any) -> Any:
            return self.policy(state)

    return Model()
