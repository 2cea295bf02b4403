"""A causal tail for a model that is there: the model stays as it is, and can verify its drafts."""

from dataclasses import replace

import unmask

model = unmask.load("arithmetic")
recipe = unmask.preset("adapt")
short = replace(recipe, trainer=replace(recipe.trainer, num_steps=4, batch_size=4, num_valid=16))
adapted = unmask.adapt(model, out="runs/tail", recipe=short, resume="auto")

sampler = "self-speculative(order=left-to-right, window=fixed(8), temperature=0)"
answer = adapted.chat("What is 6 times 7?", sampler=sampler)
print(f"{answer.text!r} in {answer.trunk_passes} trunk and {answer.tail_passes} tail passes")
