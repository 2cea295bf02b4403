"""Continuing prompts, by any sampler: by its name, by a spec, or as an object."""

import unmask

model = unmask.load("text8s")
prompts = ["the history of ", "in the year "]

for sampler in ("lossless", "lossless(num_tokens=12)", unmask.Autoregressive()):
    first, second = model.generate(prompts, sampler=sampler, length=96, seed=1)
    print(sampler, f"{first.trunk_passes} trunk passes", first.text, second.text, sep="\n")

print("samplers:", ", ".join(unmask.sampler_names()))
