"""`report.html` of a folder of one's own images: how training went, in words and curves; one file, no network."""

import html
from pathlib import Path
from typing import Any

from sslrepro.base.store import write_atomic
from sslrepro.own.health import verdict
from sslrepro.report.plots import PALETTE, VECTOR, new_plot, own_style, save, style

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
{refresh}<title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1c1e21;
  background: #fff }}
svg {{ width: 100%; height: auto }} table {{ border-collapse: collapse }} td, th {{ padding: .1rem .8rem .1rem 0;
  text-align: right }} .lead {{ font-size: 1.2rem }} .small {{ color: #555; font-size: .9rem }}
</style>
{body}
</html>
"""
REFRESH = '<meta http-equiv="refresh" content="20">'
MEANING = (
    '<p class="small">Taken on the same 512 images (or all, if fewer). Effective rank: RankMe of the features. Spread: '
    "1 where embeddings fill the sphere, 0 where all are equal. Uniformity: log of the mean Gaussian potential of "
    "embeddings, lower is better. Alignment: squared distance of two views of an image, 0 to 4, 2 by chance. "
    "Recognised by a view: share of images whose own other view is the nearest of all. Neighbours kept: share of the "
    "ten nearest that were so at the look before.</p>"
)
COLUMNS = (
    ("rank", "effective rank"),
    ("spread", "spread"),
    ("uniformity", "uniformity"),
    ("alignment", "alignment"),
    ("recognised", "recognised by a view"),
    ("kept", "neighbours kept"),
)


def write_report(
    out: Path,
    line: str,
    lines: list[dict[str, Any]],
    looks: list[dict[str, Any]],
    bad: tuple[tuple[str, str], ...],
    live: bool = False,
) -> None:
    """Write the page; while training is `live`, it loads itself anew.

    line    what is trained on what;  lines   of the log
    looks   at the features (own/health.py);  bad   (name, reason) of files that were left out
    """
    first, *more = verdict(looks)
    parts = [
        f"<h1>{html.escape(out.name)}</h1><p>{html.escape(line)}</p>",
        f'<p class="lead">{html.escape(first)}</p>',
        "<ul>" + "".join(f"<li>{html.escape(each)}</li>" for each in more) + "</ul>",
    ]
    if lines:
        now = lines[-1]
        parts.append(
            f'<p class="small">Step {now["step"]:,}, epoch {now["epoch"]:.1f}, loss {now["loss"]:.3f}, '
            f"{now['images_per_second']:.0f} images a second.</p>"
        )
        parts.append(curves(lines, looks))
    if looks:
        head = "<tr><th>epoch</th>" + "".join(f"<th>{name}</th>" for _, name in COLUMNS) + "</tr>"
        rows = "".join(
            f"<tr><td>{look['epoch']}</td>"
            + "".join(f"<td>{'' if look[key] is None else f'{look[key]:.2f}'}</td>" for key, _ in COLUMNS)
            + "</tr>"
            for look in looks
        )
        parts.append(f"<table>{head}{rows}</table>")
        parts.append(MEANING)
    if bad:
        listed = "".join(f"<li>{html.escape(name)}: {html.escape(reason)}</li>" for name, reason in bad)
        parts.append(f"<h2>Left out: {len(bad)} unreadable</h2><ul>{listed}</ul>")
    write_atomic(
        out / "report.html",
        PAGE.format(refresh=REFRESH if live else "", title=html.escape(out.name), body="\n".join(parts)),
    )


def curves(lines: list[dict[str, Any]], looks: list[dict[str, Any]]) -> str:
    """Loss, spread and effective rank over epochs, as SVG inside the page."""
    drawn = [("loss", lines, "loss"), ("spread", looks, "spread"), ("effective rank", looks, "rank")]
    with own_style():
        plot, axes = new_plot(1, 3, size=(10, 2.8))
        for axis, (title, rows, key), colour in zip(axes, drawn, PALETTE, strict=False):
            marker = "o" if rows is looks else None
            axis.plot([row["epoch"] for row in rows], [row[key] for row in rows], color=colour, marker=marker, ms=3)
            axis.set_title(title, fontsize=10)
            axis.set_xlabel("epoch", fontsize=9)
        axes[1].set_ylim(0, 1.1)
        style(plot, list(axes))
        text = save(plot, VECTOR).decode()
    label = f"Loss {lines[0]['loss']:.3f} at first, {lines[-1]['loss']:.3f} now."
    return f'<figure role="img" aria-label="{label}">{text[text.index("<svg") :]}</figure>'
