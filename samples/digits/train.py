#!/usr/bin/env python3
"""Trains the digit classifier of this folder and writes model.f32. Needs numpy, takes minutes.

    python3 train.py [digits.jsonl [model.f32]]

The network: 64 pixels / 16 -> 32 hidden units (ReLU) -> 10 scores.

The split: lines 1 to 1287 are trained on, lines 1288 to 1797 are held out. The digits come in 14
runs of about 130 that begin with the same sequence, one run per filled-in form, and the cut lies
between the tenth and the eleventh. So the held-out digits come from other forms than the training
ones, and all but surely from other people: a harder and a more honest question than digits drawn
from all forms, where the network has seen each hand before. All settings below were chosen on
the first ten forms alone, by leaving out two at a time.

model.f32: 2410 little-endian floats, 9640 bytes, nothing else in it:
    w1[32][64]  b1[32]  w2[10][32]  b2[10]      (w1[unit][pixel], w2[digit][unit])

Everything random comes from SEED: two runs with the same numpy and BLAS write the same bytes.
"""

import json
import sys

import numpy as np

TRAINED = 1287  # lines from the start of the file; digits.h has the same number

SEED = 1
EPOCHS = 4000
BATCH = 64
LEARNING_RATE = 0.003
LABEL_SMOOTHING = 0.1

# Each epoch sees every digit a little turned, stretched, slanted and shifted (radians, parts,
# parts, pixels). Without this the network learns ten hands by heart and reads the others worse.
TURN, STRETCH, SLANT, SHIFT = 0.2, 0.15, 0.2, 0.4


def load(path):
    with open(path, encoding="utf-8") as lines:
        digits = [json.loads(line) for line in lines]
    pixels = np.array([digit["pixels"] for digit in digits], dtype=np.float64)
    labels = np.array([digit["_label"] for digit in digits])
    return pixels / 16, labels


def distort(rng, images):
    count = len(images)
    padded = np.zeros((count, 10, 10))
    padded[:, 1:9, 1:9] = images.reshape(count, 8, 8)

    def amounts(limit):
        return rng.uniform(-limit, limit, (count, 1, 1))

    # Where in the padded image each pixel of the new one comes from.
    turn = amounts(TURN)
    stretch_x, stretch_y = 1 + amounts(STRETCH), 1 + amounts(STRETCH)
    centred = np.arange(8) - 3.5
    y, x = np.meshgrid(centred, centred, indexing="ij")
    x = (x + amounts(SLANT) * y) * stretch_x
    y = y * stretch_y
    from_x = np.cos(turn) * x - np.sin(turn) * y + amounts(SHIFT) + 4.5
    from_y = np.sin(turn) * x + np.cos(turn) * y + amounts(SHIFT) + 4.5

    # Bilinear; outside is paper, as is the padding.
    from_x, from_y = np.clip(from_x, 0, 8.999), np.clip(from_y, 0, 8.999)
    left, top = from_x.astype(int), from_y.astype(int)
    right_part, bottom_part = from_x - left, from_y - top
    image = np.arange(count)[:, None, None]
    upper = padded[image, top, left] * (1 - right_part) + padded[image, top, left + 1] * right_part
    top += 1
    lower = padded[image, top, left] * (1 - right_part) + padded[image, top, left + 1] * right_part
    return (upper * (1 - bottom_part) + lower * bottom_part).reshape(count, 64)


def forward(model, images):
    w1, b1, w2, b2 = model
    hidden = np.maximum(images @ w1.T + b1, 0)
    return hidden, hidden @ w2.T + b2


def gradients(model, images, targets):
    hidden, scores = forward(model, images)
    likelihood = np.exp(scores - scores.max(axis=1, keepdims=True))
    likelihood /= likelihood.sum(axis=1, keepdims=True)
    d_scores = (likelihood - targets) / len(images)
    d_hidden = (d_scores @ model[2]) * (hidden > 0)
    return d_hidden.T @ images, d_hidden.sum(axis=0), d_scores.T @ hidden, d_scores.sum(axis=0)


def train(images, labels):
    """Adam on the cross-entropy, the learning rate falling to zero along a cosine."""
    rng = np.random.default_rng(SEED)
    model = [
        rng.normal(0, np.sqrt(2 / 64), (32, 64)), np.zeros(32),
        rng.normal(0, np.sqrt(1 / 32), (10, 32)), np.zeros(10),
    ]
    means = [np.zeros_like(part) for part in model]
    squares = [np.zeros_like(part) for part in model]
    targets = np.eye(10)[labels] * (1 - LABEL_SMOOTHING) + LABEL_SMOOTHING / 10
    steps = EPOCHS * -(-len(images) // BATCH)
    step = 0

    for _ in range(EPOCHS):
        distorted = distort(rng, images)
        order = rng.permutation(len(images))
        for start in range(0, len(images), BATCH):
            batch = order[start:start + BATCH]
            step += 1
            rate = LEARNING_RATE * 0.5 * (1 + np.cos(np.pi * step / steps))
            slopes = gradients(model, distorted[batch], targets[batch])
            for part, mean, square, slope in zip(model, means, squares, slopes):
                mean += 0.1 * (slope - mean)
                square += 0.001 * (slope * slope - square)
                unbiased = mean / (1 - 0.9 ** step)
                part -= rate * unbiased / (np.sqrt(square / (1 - 0.999 ** step)) + 1e-8)
    return model


def report(name, model, images, labels):
    right = int((forward(model, images)[1].argmax(axis=1) == labels).sum())
    print(f"{name}: {right} of {len(labels)}, {100 * right / len(labels):.2f} %")


def main():
    source = sys.argv[1] if len(sys.argv) > 1 else "digits.jsonl"
    target = sys.argv[2] if len(sys.argv) > 2 else "model.f32"

    images, labels = load(source)
    trained = train(images[:TRAINED], labels[:TRAINED])
    model = [part.astype("<f4") for part in trained]
    with open(target, "wb") as out:
        for part in model:
            out.write(part.tobytes())

    report("trained on", model, images[:TRAINED], labels[:TRAINED])
    report("held out", model, images[TRAINED:], labels[TRAINED:])


if __name__ == "__main__":
    main()
