"""Training on a text of one's own: a preset, changed where it matters, and the model it makes."""

from dataclasses import replace
from pathlib import Path

import unmask

text = Path("text.txt")
if not text.exists():
    text.write_text("the history of the world is long and few have read it to the end " * 80)

recipe = unmask.preset("tiny")
short = replace(recipe, trainer=replace(recipe.trainer, num_steps=30))
unmask.train(
    short,
    data=text,
    out="runs/tiny",
    resume="auto",  # a run that was stopped goes on where it was, bit for bit
    observe=lambda report: print(report.progress.step, report.bits),
)
print(unmask.load("runs/tiny").generate(length=32)[0].text)
