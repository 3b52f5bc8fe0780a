"""examples/train in MLX: the same model, optimizers and order of random numbers, so the same losses.

Usage: train_mlx.py TEXT STEPS [adam|sgd [BATCH]]    prints each loss on a line
"""

import sys

import mlx.core as mx

CHARACTERS, CONTEXT, WIDTH, HEADS, HIDDEN, LAYERS = 128, 64, 64, 4, 256, 2
RATES = {"adam": 0.003, "sgd": 0.1}


def read(path):
    with open(path, "rb") as file:
        return mx.array([c if c < CHARACTERS else ord("?") for c in file.read()], mx.int32)


def drawn(rows, columns, summed=None):
    return mx.random.normal((rows, columns), mx.float32, 0, (summed or rows) ** -0.5)


def make_weights():
    weights = [drawn(CHARACTERS, WIDTH, WIDTH), drawn(CONTEXT, WIDTH, WIDTH)]
    for _ in range(LAYERS):
        weights += [mx.ones(WIDTH), drawn(WIDTH, 3 * WIDTH), drawn(WIDTH, WIDTH)]
        weights += [mx.ones(WIDTH), drawn(WIDTH, HIDDEN), drawn(HIDDEN, WIDTH)]
    return weights + [mx.ones(WIDTH), drawn(WIDTH, CHARACTERS)]


def attend(qkv):
    batch, length, _ = qkv.shape
    q, k, v = (part.reshape(batch, length, HEADS, -1).transpose(0, 2, 1, 3)
               for part in mx.split(qkv, 3, -1))
    x = mx.fast.scaled_dot_product_attention(q, k, v, scale=(WIDTH // HEADS) ** -0.5, mask="causal")
    return x.transpose(0, 2, 1, 3).reshape(batch, length, WIDTH)


def loss_of(weights, text, following):
    take = iter(weights)
    x = next(take)[text] + next(take)[mx.arange(text.shape[1])]
    for _ in range(LAYERS):
        x = x + attend(mx.fast.rms_norm(x, next(take), 1e-5) @ next(take)) @ next(take)
        y = mx.fast.rms_norm(x, next(take), 1e-5) @ next(take)
        x = x + (y * mx.sigmoid(y)) @ next(take)
    guess = mx.fast.rms_norm(x, next(take), 1e-5) @ next(take)
    right = mx.take_along_axis(guess, following[..., None], -1).squeeze(-1)
    return (mx.logsumexp(guess, -1) - right).mean()


def adam(weights, gradients, kept, steps, rate):
    means = [0.9 * m + 0.1 * g for m, g in zip(kept[0], gradients)]
    squares = [0.999 * v + 0.001 * g.square() for v, g in zip(kept[1], gradients)]
    one, two = 1 - mx.power(0.9, steps), 1 - mx.power(0.999, steps)
    weights = [w - m / one / ((v / two).sqrt() + 1e-8) * rate
               for w, m, v in zip(weights, means, squares)]
    return weights, [means, squares]


def sgd(weights, gradients, kept, steps, rate):
    moved = [0.9 * m + g for m, g in zip(kept[0], gradients)]
    return [w - m * rate for w, m in zip(weights, moved)], [moved]


class Trainer:
    def __init__(self, text, optimizer="adam", batch=16, seed=0):
        mx.random.seed(seed)
        weights = make_weights()
        kept = [[mx.zeros_like(w) for w in weights] for _ in range(2 if optimizer == "adam" else 1)]
        self.state = weights, kept, mx.array(0.0)
        mx.eval(self.state)
        change, rate = {"adam": adam, "sgd": sgd}[optimizer], RATES[optimizer]

        def step(weights, kept, steps):
            places = mx.random.randint(0, text.size - CONTEXT, (batch, 1)) + mx.arange(CONTEXT)
            loss, gradients = mx.value_and_grad(loss_of)(weights, text[places], text[places + 1])
            return loss, (*change(weights, gradients, kept, steps + 1, rate), steps + 1)

        self.compiled = mx.compile(step, inputs=mx.random.state, outputs=mx.random.state)

    def step(self):
        loss, self.state = self.compiled(*self.state)
        mx.eval(loss, self.state, mx.random.state)
        return loss.item()


if __name__ == "__main__":
    mx.set_default_device(mx.cpu)
    trainer = Trainer(read(sys.argv[1]), *sys.argv[3:4], *map(int, sys.argv[4:]))
    for _ in range(int(sys.argv[2])):
        print(f"{trainer.step():.9g}", flush=True)
