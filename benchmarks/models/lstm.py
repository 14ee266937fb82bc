"""A word-level language model: embedding, two LSTM layers, a linear map to the vocabulary."""

from __future__ import annotations

from types import ModuleType


def language_model(lib: ModuleType, vocabulary: int = 10000, width: int = 200, layers: int = 2):
    """Maps tokens of shape (T, B) to logits of shape (T * B, vocabulary)."""
    nn = lib.nn

    class LanguageModel(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(vocabulary, width)
            self.lstm = nn.LSTM(width, width, layers)
            self.head = nn.Linear(width, vocabulary)

        def forward(self, tokens):
            output, _ = self.lstm(self.embedding(tokens))
            return self.head(output.reshape(-1, width))

    return LanguageModel()
