"""results.json as tables, for docs/speed.md and the README, and as docs/speed.png."""

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from inception_lib.teaching import drawing

FOLDER = Path(__file__).parent
FIGURE = FOLDER.parent / "docs" / "speed.png"
COLUMNS = [(96, 32), (224, 32), (96, 1), (224, 1)]
SHOWN = {  # mode -> name -> what it is called on the page
    "train": {
        "torchvision, our settings": "torchvision, with our layout and precision",
        "ours, bfloat16": "ours, the paper's form",
        "ours, batch norm, bfloat16": "ours, batch norm",
        "ours, float32": "ours, the paper's form, float32",
        "ours, batch norm, float32": "ours, batch norm, float32",
    },
    "epoch": {
        "ours, batch norm, bfloat16": "ours, batch norm",
        "ours, batch norm, float32": "ours, batch norm, float32",
    },
    "infer": {
        "torchvision, our settings": "torchvision, with our layout and precision",
        "ours, PyTorch alone, float32": "`for_serving`, PyTorch alone, float32",
        "ONNX Runtime, float32": "ONNX Runtime, float32",
        "OpenVINO, float32": "OpenVINO, float32",
        "ours, served, float32": "**`for_serving`, float32**",
        "ours, PyTorch alone, bfloat16": "`for_serving`, PyTorch alone, bfloat16",
        "ours, served, bfloat16": "**`for_serving`, bfloat16**",
        "ONNX Runtime, int8": "ONNX Runtime, int8",
        "OpenVINO, int8": "OpenVINO, int8",
        "ours, served, int8": "**`for_serving`, int8**",
    },
}
TITLES = {"train": "training step", "epoch": "epoch", "infer": "inference"}


def measurements() -> dict[str, pd.DataFrame]:
    """By machine."""
    results = pd.read_json(FOLDER / "results.json")
    return {str(name): part for name, part in results.groupby("machine", sort=False)}


def table(results: pd.DataFrame) -> str:
    """Ratios to torchvision's default in Markdown: a row per task, a column per case.

    In brackets the fraction of the processor's peak.
    """
    head = [f"{size} px, batch {batch}" for size, batch in COLUMNS]
    lines = ["| | " + " | ".join(head) + " |", "|---" * (1 + len(COLUMNS)) + "|"]
    for mode, names in SHOWN.items():
        for name, label in names.items():
            found = of(results, mode, name)
            cells = [cell(found, key) for key in COLUMNS]
            if any(cells):
                lines.append(f"| {TITLES[mode]}: {label} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def of(results: pd.DataFrame, mode: str, name: str) -> pd.DataFrame:
    """The rows of a task, by image size and batch size."""
    found = results[(results["mode"] == mode) & (results["name"] == name)]
    return found.set_index(["image_size", "batch_size"])


def cell(found: pd.DataFrame, key: tuple[int, int] | str) -> str:
    if key not in found.index:
        return ""
    row = found.loc[key]
    text = f"{row['ratio_to_torchvision_default']:.1f}"
    if pd.notna(row["fraction_of_peak"]):
        text += f" ({row['fraction_of_peak']:.0%})"
    return text


def summary(machines: dict[str, pd.DataFrame]) -> str:
    """A row per machine in Markdown, for the README: all at batch 32, at 96 and 224 px;
    of the two other programs the faster one.
    """

    def best(results: pd.DataFrame, mode: str, *names: str) -> str:
        found = [of(results, mode, name) for name in names]
        ratios = [
            max(
                part.loc[(size, 32)]["ratio_to_torchvision_default"]
                for part in found
                if (size, 32) in part.index
            )
            for size in (96, 224)
        ]
        return " and ".join(f"{ratio:.1f}" for ratio in ratios)

    head = [
        "training step",
        "answers in float32",
        "the faster of ONNX Runtime, OpenVINO",
    ]
    head += ["answers in int8", "the faster of the two, int8"]
    lines = ["| | " + " | ".join(head) + " |", "|---" * (1 + len(head)) + "|"]
    for machine, results in machines.items():
        native = "bfloat16" if (results["precision"] == "bfloat16").any() else "float32"
        cells = [best(results, "train", f"ours, batch norm, {native}")]
        for precision in ("float32", "int8"):
            others = [f"{name}, {precision}" for name in ("ONNX Runtime", "OpenVINO")]
            cells.append(best(results, "infer", f"ours, served, {precision}"))
            cells.append(best(results, "infer", *others))
        lines.append(f"| {machine}, {native} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def gpu_table(results: dict) -> str:
    """gpu.json in Markdown: torchvision's images a second, and ours in times that."""
    ours = ("float32", "bfloat16", "bfloat16, recorded", "float16")
    lines = ["| | torchvision, images/s | " + " | ".join(ours) + " |"]
    lines.append("|---" * (2 + len(ours)) + "|")
    for mode in ("train", "infer"):
        for size in (96, 224):
            for batch in (32, 256):
                rows = pd.DataFrame(results[f"{mode}, {size} px, {batch}"])
                found = rows.set_index("name")
                cells = [cell(found, f"ours, {name}") for name in ours]
                speed = found.images_per_second["torchvision"]
                title = f"{TITLES[mode]}, {size} px, batch {batch}"
                lines.append(f"| {title} | {speed:,} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def figure(results: pd.DataFrame) -> Figure:
    """Bars with their quartiles: training and inference at batch 32, both sizes."""
    fig, axes = drawing.figure(4.2, 1, 2)
    for ax, mode in zip(axes, ("train", "infer"), strict=True):
        rows = results[(results["mode"] == mode) & (results["batch_size"] == 32)]
        names = [name for name in SHOWN[mode] if name in set(rows["name"])]
        for i, size in enumerate((96, 224)):
            part = rows[rows["image_size"] == size].set_index("name").reindex(names)
            ratio = part["ratio_to_torchvision_default"]
            spread = [ratio - part["ratio_low"], part["ratio_high"] - ratio]
            ax.barh(
                [y + 0.38 * (i - 0.5) for y in range(len(names))],
                ratio,
                0.36,
                xerr=spread,
                label=f"{size} px",
                color=drawing.COLOURS["1x1" if i else "light"],
                ecolor=drawing.COLOURS["trunk"],
            )
        ax.set_yticks(range(len(names)), [wrap(name) for name in names], fontsize=8)
        ax.invert_yaxis()
        ax.axvline(1, color=drawing.COLOURS["trunk"], lw=1, ls="--")
        ax.set_title(f"{TITLES[mode]}, batch 32", fontsize=11)
        ax.set_xlabel("times as fast as torchvision's default", fontsize=9)
    axes[0].legend(fontsize=9, frameon=False)
    return fig


def wrap(name: str) -> str:
    return name.replace(", ", ",\n", 1)


def main() -> None:
    machines = measurements()
    for machine, results in machines.items():
        print(f"{machine}\n\n{table(results)}\n")
    print(summary(machines))
    figure(list(machines.values())[-1]).savefig(FIGURE)


if __name__ == "__main__":
    main()
