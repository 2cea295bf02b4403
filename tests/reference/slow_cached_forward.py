"""A pass over some tokens of a sequence, key by key: the slow twin of `forward_cached`."""

import math

import torch

from unmask.dllm.network import DllmNetwork


class SlowMemory:
    """Of one sequence without padding: by block and position, the keys and values of a run."""

    def __init__(self, network: DllmNetwork) -> None:
        self.network = network
        self.keys: list[dict[int, torch.Tensor]] = [{} for _ in network.blocks]
        self.values: list[dict[int, torch.Tensor]] = [{} for _ in network.blocks]
        self.hidden: dict[int, torch.Tensor] = {}

    def run(self, token_ids: list[int], queries: list[int]) -> None:
        """Run the queries; what was run before and is not now is attended to as it was."""
        network, config = self.network, self.network.config
        channels = config.width // config.num_heads
        inputs = [config.mask_token_id if t == config.mask_id else t for t in token_ids]
        x = {p: network.embedding.weight[inputs[p]] for p in queries}
        for number, block in enumerate(network.blocks):
            attention, asked = block.attention, {}
            for p in queries:
                normed = block.attention_norm(x[p])
                asked[p] = turned(attention.q(normed).view(-1, channels), p, config.rope_theta)
                key = attention.k(normed).view(-1, channels)
                self.keys[number][p] = turned(key, p, config.rope_theta)
                self.values[number][p] = attention.v(normed).view(-1, channels)
            for p in queries:
                heads = []
                for head in range(config.num_heads):
                    group = head * config.num_key_heads // config.num_heads
                    places = sorted(self.keys[number])
                    scores = torch.stack(
                        [asked[p][head] @ self.keys[number][k][group] for k in places]
                    )
                    weights = (scores / math.sqrt(channels)).softmax(0)
                    heads.append(
                        sum(
                            w * self.values[number][k][group]
                            for w, k in zip(weights, places, strict=True)
                        )
                    )
                x[p] = x[p] + attention.out(torch.cat(heads))
                x[p] = x[p] + block.mlp(block.mlp_norm(x[p]))
        for p in queries:
            self.hidden[p] = network.norm(x[p])

    def log_probs(self, token_ids: list[int], position: int) -> torch.Tensor:
        """What is said of a position now."""
        config = self.network.config
        source = max(position - 1, 0) if config.is_shifted else position
        logits = self.network.unembedding(self.hidden[source]).clone()
        logits[config.mask_token_id] = -torch.inf
        return logits.log_softmax(-1)


def turned(x: torch.Tensor, position: int, theta: float) -> torch.Tensor:
    """Every pair (j, j + c/2) turned by position * theta^(-2j/c)."""
    channels = x.shape[-1]
    out = torch.empty_like(x)
    for j in range(channels // 2):
        # As the network has it: frequencies and angles in float32.
        frequency = torch.tensor(theta, dtype=torch.float64) ** (-2 * j / channels)
        angle = torch.tensor(float(position)) * frequency.float()
        cos, sin = angle.cos().double(), angle.sin().double()
        a, b = x[..., j], x[..., j + channels // 2]
        out[..., j], out[..., j + channels // 2] = a * cos - b * sin, a * sin + b * cos
    return out
