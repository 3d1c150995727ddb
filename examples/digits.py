"""Train a small CNN on handwritten digits, test it, save it, load it again and predict.

    python examples/digits.py                                    # UCI's digits, in the package
    python examples/digits.py --device cuda
    python examples/digits.py --dataset fashion-mnist --root DIR # real IDX files in DIR

The test images are used once, after training, for the accuracy that is printed.
"""

import argparse
import time

from tqdm import tqdm

import pyrite
import pyrite.nn.functional as F
from pyrite import nn, optim
from pyrite.data import DataLoader, TensorDataset
from pyrite.vision.datasets import Digits, FashionMNIST


class Net(nn.Module):
    """Three convolutions and a linear classifier; `size` is the side of the square images."""

    def __init__(self, size: int, classes: int = 10) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(),
            nn.Conv2d(32, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(),
            nn.MaxPool2d(2),
        )  # fmt: skip
        self.drop = nn.Dropout(0.3)
        self.classify = nn.Linear(64 * (size // 4) ** 2, classes)

    def forward(self, images: pyrite.Tensor) -> pyrite.Tensor:
        return self.classify(self.drop(self.features(images).flatten(1)))


def load(name: str, root: str | None) -> tuple[TensorDataset, TensorDataset, list[str]]:
    """The training and test parts as tensors, normalised by the training images alone."""
    parts = []
    for train in (True, False):
        part = Digits(train=train) if name == "digits" else FashionMNIST(root, train=train)
        parts.append((part.data.float().unsqueeze(1) / 255, part.targets))
    mean, std = parts[0][0].mean(), parts[0][0].std()
    normal = [TensorDataset((images - mean) / std, labels) for images, labels in parts]
    return normal[0], normal[1], part.classes


def shift(images: pyrite.Tensor) -> pyrite.Tensor:
    """Move the batch by up to one pixel, the cheapest augmentation for small digits."""
    down, right = (int(pyrite.randint(-1, 2, ())) for _ in range(2))
    return images.roll((down, right), (2, 3))


def train(model: nn.Module, data: TensorDataset, epochs: int, batch: int, device: str) -> None:
    loader = DataLoader(data, batch, shuffle=True)
    optimizer = optim.AdamW(model.parameters(), lr=2e-3, weight_decay=1e-2)
    scheduler = optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * len(loader))
    model.train()
    with tqdm(total=epochs * len(loader), unit="step") as bar:
        for epoch in range(epochs):
            for images, labels in loader:
                images, labels = shift(images.to(device)), labels.to(device)
                loss = F.cross_entropy(model(images), labels)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                scheduler.step()
                bar.update()
            bar.set_postfix(epoch=epoch + 1, loss=f"{loss.item():.4f}")


@pyrite.no_grad()
def predict(model: nn.Module, data: TensorDataset, device: str) -> pyrite.Tensor:
    """The predicted class of every image."""
    model.eval()
    return pyrite.cat([model(x.to(device)).argmax(1).cpu() for x, _ in DataLoader(data, 500)])


def confusion(labels: pyrite.Tensor, predicted: pyrite.Tensor, n: int) -> pyrite.Tensor:
    """Counts: rows are true classes, columns predicted ones."""
    return pyrite.bincount(labels * n + predicted, minlength=n * n).reshape(n, n)


def show(table: pyrite.Tensor, names: list[str]) -> None:
    width = max(5, *(len(name) for name in names))
    print("true \\ predicted".rjust(width + 12))
    print(" " * width + "".join(name[:5].rjust(6) for name in names))
    for name, row in zip(names, table.tolist(), strict=True):
        print(name.rjust(width) + "".join(str(count).rjust(6) for count in row))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", choices=["digits", "fashion-mnist"], default="digits")
    parser.add_argument("--root", help="folder of the IDX files")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--checkpoint", default="digits.pt")
    args = parser.parse_args()

    pyrite.manual_seed(args.seed)
    training, test, names = load(args.dataset, args.root)
    size = training.tensors[0].shape[-1]
    model = Net(size, len(names)).to(args.device)
    count = sum(p.numel() for p in model.parameters())
    print(f"{len(training)} training images, {len(test)} test images, {count} parameters")

    start = time.perf_counter()
    epochs = args.epochs or (20 if args.dataset == "digits" else 3)
    train(model, training, epochs, args.batch, args.device)
    print(f"trained {epochs} epochs in {time.perf_counter() - start:.1f} s")

    pyrite.save({"model": model.state_dict(), "size": size, "classes": names}, args.checkpoint)
    saved = pyrite.load(args.checkpoint)
    model = Net(saved["size"], len(saved["classes"])).to(args.device)
    model.load_state_dict(saved["model"])

    labels = test.tensors[1]
    predicted = predict(model, test, args.device)
    accuracy = (predicted == labels).float().mean().item()
    show(confusion(labels, predicted, len(names)), names)
    print(f"test accuracy {accuracy:.2%} (seed {args.seed}), checkpoint in {args.checkpoint}")


if __name__ == "__main__":
    main()
