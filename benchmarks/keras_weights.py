"""The 48×48 network in Keras 3: its weights, and its outputs for seeded images, in one npz file.

Runs in an interpreter that has Keras, without convzoo or torch: `python keras_weights.py FILE.npz`.
`tests/modalities/image/test_keras.py`
loads the file into convzoo's CNN2d and compares the outputs.
"""

import argparse
import os
import sys
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

LAYERS = ("convolution_1", "convolution_2", "convolution_3", "hidden", "classes")


def network(classes: int = 7, softmax: bool = True) -> Any:
    """The network, layer for layer; `softmax=False` leaves the logits."""
    from keras import Input, Sequential
    from keras.layers import Conv2D, Dense, Dropout, Flatten, MaxPooling2D

    return Sequential(
        [
            Input((48, 48, 1)),
            Conv2D(32, kernel_size=(3, 3), activation="relu", name=LAYERS[0]),
            MaxPooling2D(pool_size=(2, 2)),
            Dropout(0.25),
            Conv2D(64, kernel_size=(3, 3), activation="relu", name=LAYERS[1]),
            MaxPooling2D(pool_size=(2, 2)),
            Dropout(0.25),
            Conv2D(128, kernel_size=(3, 3), activation="relu", name=LAYERS[2]),
            MaxPooling2D(pool_size=(2, 2)),
            Dropout(0.4),
            Flatten(),
            Dense(64, activation="relu", name=LAYERS[3]),
            Dropout(0.5),
            Dense(classes, activation="softmax" if softmax else None, name=LAYERS[4]),
        ]
    )


def main() -> int:
    """Write the file: `<layer>/kernel`, `<layer>/bias`, `images` (batch, height, width, channels), `probabilities`."""
    options = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    options.add_argument("file")
    options.add_argument("--classes", type=int, default=7)
    options.add_argument("--images", type=int, default=5)
    options.add_argument("--seed", type=int, default=0)
    chosen = options.parse_args()

    import keras
    import numpy as np

    keras.utils.set_random_seed(chosen.seed)
    random = np.random.default_rng(chosen.seed)
    made = network(chosen.classes)
    arrays: dict[str, Any] = {}
    for name in LAYERS:
        layer = made.get_layer(name)
        kernel, bias = layer.get_weights()
        # Keras starts with zero biases; other values test that biases are loaded too.
        bias = random.normal(0, 0.1, bias.shape).astype(np.float32)
        layer.set_weights([kernel, bias])
        arrays[f"{name}/kernel"], arrays[f"{name}/bias"] = kernel, bias
    images = random.normal(size=(chosen.images, 48, 48, 1)).astype(np.float32)
    np.savez(
        chosen.file,
        images=images,
        probabilities=np.asarray(made(images, training=False)),
        parameters=np.array(made.count_params()),
        **arrays,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
