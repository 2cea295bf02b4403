"""Text from a model: drafted and verified by the same network, several tokens a pass."""

import unmask

model = unmask.load("text8s")  # a shipped model, a folder, or an id of the Hugging Face hub
print(model)

for sample in model.generate(num_samples=2, seed=7):
    print(sample.text)
    print(f"{sample.trunk_passes} trunk passes, {sample.nfe:.1f} NFE, {sample.seconds:.2f} s")

# The same seed gives the same text, alone or in any batch, whatever the batch size.
(again,) = model.generate(seed=8)
assert again.text == sample.text
