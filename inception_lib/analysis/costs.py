"""What a layer costs, in closed form: parameters and multiply-adds, in whole numbers.

A multiply-add is one multiplication with its addition, per image. As in the paper's
Table 1, adding a bias, a ReLU, a norm and a pooling count as nothing.
"""

from dataclasses import dataclass

from ..checks import check_positive
from ..model import GOOGLENET_WIDTHS, BranchWidths
from ..model.googlenet import check_image_size, map_sizes
from ..model.inception import check_module


@dataclass(frozen=True)
class Cost:
    """Parameters, and multiply-adds per image; costs add up."""

    parameters: int
    multiply_adds: int

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            self.parameters + other.parameters, self.multiply_adds + other.multiply_adds
        )

    def __radd__(self, zero: int) -> "Cost":
        return self  # sum() starts from 0


def convolution(
    in_channels: int,
    out_channels: int,
    kernel_size: int | tuple[int, int],
    map_size: int = 1,
    *,
    bias: bool = True,
    batch_norm: bool = False,
    groups: int = 1,
) -> Cost:
    """A convolution whose output is out_channels × map_size × map_size.

    Each of the outputs is a sum over kernel height × kernel width × in_channels /
    groups products. ``batch_norm`` puts a scale and a shift per channel instead of
    the bias. Raises ValueError if a number is not a positive integer or groups don't
    divide the channels.
    """
    sides = kernel_size if isinstance(kernel_size, tuple) else (kernel_size,) * 2
    if len(sides) != 2:
        raise ValueError(f"kernel_size must be one number or two, got {kernel_size}")
    height, width = sides
    check_positive(
        in_channels=in_channels,
        out_channels=out_channels,
        kernel_height=height,
        kernel_width=width,
        map_size=map_size,
        groups=groups,
    )
    if in_channels % groups or out_channels % groups:
        raise ValueError(
            f"groups={groups} must divide in_channels={in_channels} and "
            f"out_channels={out_channels}"
        )
    weights = height * width * (in_channels // groups) * out_channels
    extra = 2 * out_channels if batch_norm else out_channels * bias
    return Cost(weights + extra, weights * map_size**2)


def linear(in_features: int, out_features: int, *, bias: bool = True) -> Cost:
    """A fully connected layer: a 1×1 convolution on a 1×1 map."""
    return convolution(in_features, out_features, 1, bias=bias)


def bottleneck(
    in_channels: int,
    width: int,
    out_channels: int,
    kernel_size: int,
    map_size: int = 1,
    *,
    bias: bool = True,
    batch_norm: bool = False,
) -> Cost:
    """A 1×1 convolution to ``width`` channels, then the kernel_size×kernel_size one."""
    form = {"bias": bias, "batch_norm": batch_norm}
    return convolution(in_channels, width, 1, map_size, **form) + convolution(
        width, out_channels, kernel_size, map_size, **form
    )


def break_even_width(in_channels: int, out_channels: int, kernel_size: int) -> int:
    """The widest bottleneck that has no more weights than the direct convolution.

    From width·in + k²·width·out ≤ k²·in·out. Zero if even a width of 1 costs more.
    """
    direct = convolution(in_channels, out_channels, kernel_size, bias=False).parameters
    return direct // (in_channels + kernel_size**2 * out_channels)


def inception(
    in_channels: int,
    widths: BranchWidths,
    map_size: int = 1,
    *,
    batch_norm: bool = False,
    kernel_size_5x5: int = 5,
) -> dict[str, Cost]:
    """The six convolutions of an Inception module by name; ``sum(….values())`` is the
    module.
    """
    check_module(in_channels, widths, kernel_size_5x5, batch_norm)
    w = widths
    convolutions = {
        "1x1": (in_channels, w.ch1x1, 1),
        "3x3 reduce": (in_channels, w.ch3x3red, 1),
        "3x3": (w.ch3x3red, w.ch3x3, 3),
        "5x5 reduce": (in_channels, w.ch5x5red, 1),
        "5x5": (w.ch5x5red, w.ch5x5, kernel_size_5x5),
        "pool": (in_channels, w.pool_proj, 1),
    }
    return {
        name: convolution(*shape, map_size, batch_norm=batch_norm)
        for name, shape in convolutions.items()
    }


def naive_inception(
    in_channels: int, widths: BranchWidths, map_size: int = 1
) -> dict[str, Cost]:
    """The module of Figure 2a, without any 1×1 reduction or projection.

    Its pooling branch costs nothing and passes on all its input: the output has
    ch1x1 + ch3x3 + ch5x5 + in_channels channels.
    """
    return {
        "1x1": convolution(in_channels, widths.ch1x1, 1, map_size),
        "3x3": convolution(in_channels, widths.ch3x3, 3, map_size),
        "5x5": convolution(in_channels, widths.ch5x5, 5, map_size),
    }


def auxiliary(in_channels: int, num_classes: int, *, batch_norm: bool = False) -> Cost:
    """An auxiliary head: 1×1 to 128 channels on a 4×4 map, then two linear layers."""
    return (
        convolution(in_channels, 128, 1, 4, batch_norm=batch_norm)
        + linear(128 * 4 * 4, 1024)
        + linear(1024, num_classes)
    )


def module_inputs(
    image_size: int = 224, pool4_kernel_size: int = 3
) -> dict[str, tuple[int, int]]:
    """For the nine modules: the channels that it reads, and its map's side.

    Raises ValueError on images that are too small for the network.
    """
    check_image_size(image_size, False, pool4_kernel_size)
    sizes = map_sizes(image_size, pool4_kernel_size)
    pool_before = {"3": "maxpool2", "4": "maxpool3", "5": "maxpool4"}
    inputs, channels = {}, 192  # of conv2
    for name, widths in GOOGLENET_WIDTHS.items():
        inputs[name] = (channels, sizes[pool_before[name[0]]])
        channels = widths.out_channels
    return inputs


def googlenet_parts(
    num_classes: int = 1000,
    *,
    image_size: int = 224,
    aux_logits: bool = True,
    batch_norm: bool = False,
    kernel_size_5x5: int = 5,
    pool4_kernel_size: int = 3,
) -> dict[str, dict[str, Cost]]:
    """``googlenet``'s rows, each split into its convolutions by name: {"3a": {"1x1":
    …}}.

    Raises ValueError on what ``GoogLeNet`` refuses.
    """
    check_image_size(image_size, aux_logits, pool4_kernel_size)
    sizes = map_sizes(image_size, pool4_kernel_size)
    norm = {"batch_norm": batch_norm}
    rows = {
        "conv1": {"trunk": convolution(3, 64, 7, sizes["conv1"], **norm)},
        "conv2": {
            "3x3 reduce": convolution(64, 64, 1, sizes["maxpool1"], **norm),
            "3x3": convolution(64, 192, 3, sizes["maxpool1"], **norm),
        },
    }
    for name, (channels, size) in module_inputs(image_size, pool4_kernel_size).items():
        rows[name] = inception(
            channels,
            GOOGLENET_WIDTHS[name],
            size,
            kernel_size_5x5=kernel_size_5x5,
            **norm,
        )
    rows["linear"] = {"trunk": linear(GOOGLENET_WIDTHS["5b"].out_channels, num_classes)}
    if aux_logits:
        for name, module in (("aux1", "4a"), ("aux2", "4d")):
            head = auxiliary(GOOGLENET_WIDTHS[module].out_channels, num_classes, **norm)
            rows[name] = {"auxiliary": head}
    return rows


def googlenet(num_classes: int = 1000, **options) -> dict[str, Cost]:
    """The rows of Table 1 that cost something, in order: conv1, conv2, 3a … 5b, linear.

    The arguments are ``GoogLeNet``'s; with ``aux_logits`` aux1 and aux2 follow. conv2
    is the table's second row: the 1×1 reduction and the 3×3.
    """
    parts = googlenet_parts(num_classes, **options)
    return {row: sum(costs.values(), Cost(0, 0)) for row, costs in parts.items()}
