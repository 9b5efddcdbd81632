"""GoogLeNets an eighth as wide, with one convolution for each module: for tests of all
that is around the network. A step takes a tenth of the time.

This file run as a program is the command ``python -m inception_lib.training``.
"""

from inception_lib.model import googlenet
from inception_lib.model.googlenet import InceptionAux
from inception_lib.model.layers import BasicConv2d, linear


def thin(n: int) -> int:
    """An eighth of the channels; colours and classes are as many as before."""
    return n // 8 if n >= 16 else n


class Head(InceptionAux):
    def __init__(self, in_channels: int, *arguments, **options):
        super().__init__(in_channels, *arguments, **options)
        self.in_channels = thin(in_channels)  # what its layers, built below, read


PARTS = {
    "BasicConv2d": lambda i, o, *a, **k: BasicConv2d(thin(i), thin(o), *a, **k),
    "Inception": lambda i, widths, *, batch_norm, **_: BasicConv2d(
        thin(i), thin(widths.out_channels), batch_norm=batch_norm
    ),
    "InceptionAux": Head,
    "linear": lambda i, o, gain: linear(thin(i), thin(o), gain),
}
REAL = {name: getattr(googlenet, name) for name in PARTS}


def use(parts: dict, patch=setattr) -> None:
    """Every GoogLeNet that this process builds from now on is built of these."""
    for name, part in parts.items():
        patch(googlenet, name, part)


if __name__ == "__main__":
    from inception_lib.training.__main__ import main

    use(PARTS)
    raise SystemExit(main())
