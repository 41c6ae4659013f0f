"""The weights of the same network saved by Keras give the same outputs here. Skipped where Keras is not installed.

`CONVZOO_KERAS_PYTHON` may name an interpreter that has it: TensorFlow and torch need not share one.
"""

import importlib.util
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from conftest import ROOT

from convzoo.models.cnn2d import CNN2d

SCRIPT = ROOT / "benchmarks" / "keras_weights.py"
PYTHON = os.environ.get("CONVZOO_KERAS_PYTHON") or sys.executable
LAYERS = {
    "blocks.0.convolution": "convolution_1",
    "blocks.1.convolution": "convolution_2",
    "blocks.2.convolution": "convolution_3",
    "hidden": "hidden",
    "classifier": "classes",
}

pytestmark = pytest.mark.skipif(
    sys.executable == PYTHON and importlib.util.find_spec("keras") is None,
    reason="Keras is not installed; CONVZOO_KERAS_PYTHON may name an interpreter that has it",
)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    """What Keras wrote: weights, images and probabilities."""
    file = tmp_path_factory.mktemp("keras") / "saved.npz"
    # Keras must not read a configuration of the person's, nor find this folder's modules in place of its own.
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "KERAS_BACKEND")}
    done = subprocess.run(
        [PYTHON, str(SCRIPT), str(file)], env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    with np.load(file) as arrays:
        return dict(arrays)


def from_keras(saved: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    """Weights in this library's layout: (height, width, in, out) becomes (out, in, height, width), (in, out) (out, in).

    The first dense layer needs no more: CNN2d flattens as (height, width, channels), as Keras does.
    """
    state = {}
    for here, there in LAYERS.items():
        kernel = torch.from_numpy(saved[f"{there}/kernel"])
        state[f"{here}.weight"] = (kernel.permute(3, 2, 0, 1) if kernel.ndim == 4 else kernel.T).contiguous()
        state[f"{here}.bias"] = torch.from_numpy(saved[f"{there}/bias"])
    return state


def test_same_number_of_parameters(saved: dict[str, np.ndarray]) -> None:
    ours = sum(parameter.numel() for parameter in CNN2d(1, 48, 48, 7).parameters())
    assert ours == int(saved["parameters"]) == 224_263


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_same_outputs(saved: dict[str, np.ndarray], memory_format: torch.memory_format) -> None:
    model = CNN2d(1, 48, 48, 7).eval().to(memory_format=memory_format)
    model.load_state_dict(from_keras(saved))
    images = torch.from_numpy(saved["images"]).permute(0, 3, 1, 2).contiguous(memory_format=memory_format)
    with torch.no_grad():
        probabilities = model(images).softmax(dim=1)
    assert probabilities.std() > 0.01, "images that all look alike to the network would prove little"
    torch.testing.assert_close(probabilities, torch.from_numpy(saved["probabilities"]), rtol=0, atol=1e-5)
