"""A predictor that counts how many sequences it was asked about."""


class CountedPasses:
    """Answers as another predictor does."""

    def __init__(self, predictor):
        self.predictor = predictor
        self.vocab_size, self.device = predictor.vocab_size, predictor.device
        self.sequence_passes = 0

    def draft(self, token_ids, positions):
        self.sequence_passes += len(token_ids)
        return self.predictor.draft(token_ids, positions)
