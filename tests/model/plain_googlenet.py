"""GoogLeNet written a second time from the paper, without modules.

Nothing of the library is imported: this is arithmetic on a dictionary of weights, whose
shapes say the widths and kernel sizes.
"""

import torch
import torch.nn.functional as F

INFINITY = float("inf")


def conv(w, name, x, stride=1, training=False):
    kernel = w[f"{name}.conv.weight"]
    bias = w.get(f"{name}.conv.bias")
    x = F.conv2d(x, kernel, bias, stride=stride, padding=kernel.shape[-1] // 2)
    if f"{name}.bn.weight" in w:
        if training:
            mean, variance = x.mean((0, 2, 3)), x.var((0, 2, 3), correction=0)
        else:
            mean, variance = w[f"{name}.bn.running_mean"], w[f"{name}.bn.running_var"]
        scale = w[f"{name}.bn.weight"] / torch.sqrt(variance + 1e-3)
        shift = w[f"{name}.bn.bias"] - mean * scale
        x = x * scale[:, None, None] + shift[:, None, None]
    return x.clamp(min=0)


def shrink(x, kernel_size=3):
    """Max pooling, stride 2; the border that fills no whole window is kept."""
    padded = F.pad(x, (0, 1, 0, 1), value=-INFINITY)
    return F.max_pool2d(padded, kernel_size, stride=2)


def response_norm(x):
    """Krizhevsky et al. 2012, section 3.3, over 5 neighbouring channels."""
    squares = F.pad(x * x, (0, 0, 0, 0, 2, 2)).unfold(1, 5, 1).sum(-1)
    return x / (1 + 1e-4 / 5 * squares) ** 0.75


def inception(w, name, x, training):
    def c(branch, x):
        return conv(w, f"{name}.{branch}", x, training=training)

    pooled = F.max_pool2d(F.pad(x, (1, 1, 1, 1), value=-INFINITY), 3, stride=1)
    parts = (
        c("branch1", x),
        c("branch2.1", c("branch2.0", x)),
        c("branch3.1", c("branch3.0", x)),
        c("branch4.1", pooled),
    )
    return torch.cat(parts, dim=1)


def head(w, name, x, pool, training):
    kernel_size, stride = pool
    x = conv(w, f"{name}.conv", F.avg_pool2d(x, kernel_size, stride), training=training)
    hidden = x.reshape(len(x), -1) @ w[f"{name}.fc1.weight"].T + w[f"{name}.fc1.bias"]
    return hidden.clamp(min=0) @ w[f"{name}.fc2.weight"].T + w[f"{name}.fc2.bias"]


def googlenet(w, x, *, norm=False, pool4=3, head_pool=None, training=False):
    """Logits of images ``x`` for the weights ``w``, and of the heads, by name.

    Dropout is left out: right in eval, and in training where its rate is 0.
    """
    outputs = {}
    x = shrink(conv(w, "conv1", x, stride=2, training=training))
    x = response_norm(x) if norm else x
    for name in ("conv2", "conv3"):
        x = conv(w, name, x, training=training)
    x = shrink(response_norm(x) if norm else x)
    for stage, modules in (("3", "ab"), ("4", "abcde"), ("5", "ab")):
        for letter in modules:
            x = inception(w, f"inception{stage}{letter}", x, training)
            tap = {"4a": "aux1", "4d": "aux2"}.get(stage + letter)
            if tap and head_pool:
                outputs[tap] = head(w, tap, x, head_pool, training)
        x = {"3": shrink, "4": lambda x: shrink(x, pool4)}.get(stage, lambda x: x)(x)
    outputs["logits"] = x.mean((2, 3)) @ w["fc.weight"].T + w["fc.bias"]
    return outputs
