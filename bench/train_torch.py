"""examples/train in PyTorch: the same model and optimizers, from random numbers of its own, so with
other losses. Eager, as its compiler needs another one at run time.

Usage: train_torch.py TEXT STEPS [adam|sgd [BATCH [DEVICE]]]    prints each loss on a line
"""

import sys

import torch
from torch.nn import functional

CHARACTERS, CONTEXT, WIDTH, HEADS, HIDDEN, LAYERS = 128, 64, 64, 4, 256, 2


def read(path):
    with open(path, "rb") as file:
        return torch.tensor([c if c < CHARACTERS else ord("?") for c in file.read()])


def drawn(rows, columns, summed=None):
    return torch.randn(rows, columns) * (summed or rows) ** -0.5


def make_weights():
    weights = [drawn(CHARACTERS, WIDTH, WIDTH), drawn(CONTEXT, WIDTH, WIDTH)]
    for _ in range(LAYERS):
        weights += [torch.ones(WIDTH), drawn(WIDTH, 3 * WIDTH), drawn(WIDTH, WIDTH)]
        weights += [torch.ones(WIDTH), drawn(WIDTH, HIDDEN), drawn(HIDDEN, WIDTH)]
    return weights + [torch.ones(WIDTH), drawn(WIDTH, CHARACTERS)]


def norm(x, weight):
    return functional.rms_norm(x, (WIDTH,), weight, 1e-5)


def attend(qkv):
    batch, length, _ = qkv.shape
    q, k, v = (part.view(batch, length, HEADS, -1).transpose(1, 2) for part in qkv.split(WIDTH, -1))
    x = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
    return x.transpose(1, 2).reshape(batch, length, WIDTH)


def loss_of(weights, text, following):
    take = iter(weights)
    x = next(take)[text] + next(take)[torch.arange(text.shape[1])]
    for _ in range(LAYERS):
        x = x + attend(norm(x, next(take)) @ next(take)) @ next(take)
        x = x + functional.silu(norm(x, next(take)) @ next(take)) @ next(take)
    guess = norm(x, next(take)) @ next(take)
    return functional.cross_entropy(guess.view(-1, CHARACTERS), following.reshape(-1))


class Trainer:
    def __init__(self, text, optimizer="adam", batch=16, device="cpu", seed=0):
        torch.set_default_device(device)
        torch.manual_seed(seed)
        self.text, self.batch = text.to(device), batch
        self.weights = [w.requires_grad_() for w in make_weights()]
        self.change = (torch.optim.Adam(self.weights, 0.003) if optimizer == "adam" else
                       torch.optim.SGD(self.weights, 0.1, momentum=0.9))

    def step(self):
        places = torch.randint(0, self.text.numel() - CONTEXT, (self.batch, 1)) + torch.arange(CONTEXT)
        self.change.zero_grad()
        loss = loss_of(self.weights, self.text[places], self.text[places + 1])
        loss.backward()
        self.change.step()
        return loss.item()


if __name__ == "__main__":
    trainer = Trainer(read(sys.argv[1]), *sys.argv[3:4], *map(int, sys.argv[4:5]), *sys.argv[5:])
    for _ in range(int(sys.argv[2])):
        print(f"{trainer.step():.9g}", flush=True)
