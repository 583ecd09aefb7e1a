"""Handwritten digits, 1,797 images of 8 x 8 that come with scikit-learn, and a tiny random ViT to learn them.

python examples/digits.py runs/digits      # writes train/DIGIT/*.png, validation/DIGIT/*.png and model/
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from PIL import Image
from sklearn.datasets import load_digits
from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessorPil

VALIDATION = 360  # the last ones: by other writers than most of the first


def main(folder: Path) -> None:
    """Write the images and the random model."""
    digits = load_digits()
    for number, (pixels, digit) in enumerate(zip(digits.images, digits.target, strict=True)):
        split = "validation" if number >= len(digits.target) - VALIDATION else "train"
        place = folder / split / str(digit)
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray((pixels * 255 / 16).round().astype("uint8")).save(place / f"{number}.png")
    torch.manual_seed(0)
    sizes = {"hidden_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 128}
    ViTForImageClassification(ViTConfig(image_size=8, patch_size=2, **sizes)).save_pretrained(folder / "model")
    ViTImageProcessorPil(size={"height": 8, "width": 8}).save_pretrained(folder / "model")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
