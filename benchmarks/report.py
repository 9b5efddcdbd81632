"""results.json as a table, for the README, and as a figure: docs/speed.png."""

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from inception_lib.teaching import drawing

FOLDER = Path(__file__).parent
FIGURE = FOLDER.parent / "docs" / "speed.png"
SHOWN = {  # mode -> name -> what it is called in the README
    "train": {
        "torchvision, our settings": "torchvision, with our layout and precision",
        "ours, bfloat16": "ours, the paper's form",
        "ours, batch norm, bfloat16": "ours, batch norm",
        "ours, float32": "ours, the paper's form, float32",
        "ours, batch norm, float32": "ours, batch norm, float32",
    },
    "epoch": {"ours, batch norm, bfloat16": "ours, batch norm"},
    "infer": {
        "torchvision, our settings": "torchvision, with our layout and precision",
        "ours, served, bfloat16": "ours, `for_serving`",
        "ours, served, float32": "ours, `for_serving`, float32",
        "ours, served and compiled, bfloat16": "ours, `for_serving`, compiled",
    },
}
TITLES = {"train": "training step", "epoch": "epoch", "infer": "inference"}


def measurements() -> pd.DataFrame:
    return pd.read_json(FOLDER / "results.json")


def table(results: pd.DataFrame) -> str:
    """Ratios to torchvision's default in Markdown: a row per task, a column per case.

    In brackets the fraction of the processor's peak.
    """
    columns = [(96, 32), (224, 32), (96, 1), (224, 1)]
    head = [f"{size} px, batch {batch}" for size, batch in columns]
    lines = ["| | " + " | ".join(head) + " |", "|---" * (1 + len(columns)) + "|"]
    for mode, names in SHOWN.items():
        for name, label in names.items():
            found = results[(results["mode"] == mode) & (results["name"] == name)]
            found = found.set_index(["image_size", "batch_size"])
            cells = [cell(found, key) for key in columns]
            if any(cells):
                lines.append(f"| {TITLES[mode]}: {label} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def cell(found: pd.DataFrame, key: tuple[int, int] | str) -> str:
    if key not in found.index:
        return ""
    row = found.loc[key]
    text = f"{row['ratio_to_torchvision_default']:.1f}"
    if pd.notna(row["fraction_of_peak"]):
        text += f" ({row['fraction_of_peak']:.0%})"
    return text


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
    fig, axes = drawing.figure(3.2, 1, 2)
    for ax, mode in zip(axes, ("train", "infer"), strict=True):
        rows = results[(results["mode"] == mode) & (results["batch_size"] == 32)]
        names = list(SHOWN[mode])
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
    results = measurements()
    print(table(results))
    figure(results).savefig(FIGURE)


if __name__ == "__main__":
    main()
