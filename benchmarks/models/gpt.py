"""A small GPT: causal self-attention and a two-layer net per block, norms first."""

from __future__ import annotations

from types import ModuleType


def gpt(
    lib: ModuleType, vocabulary: int = 65, block: int = 128, width: int = 128, heads: int = 4, layers: int = 4
):
    """Maps tokens of shape (B, T), T <= block, to logits of shape (B * T, vocabulary)."""
    nn = lib.nn

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm1 = nn.LayerNorm(width)
            self.qkv = nn.Linear(width, 3 * width)
            self.out = nn.Linear(width, width)
            self.norm2 = nn.LayerNorm(width)
            self.up = nn.Linear(width, 4 * width)
            self.act = nn.GELU()
            self.down = nn.Linear(4 * width, width)

        def forward(self, x):
            b, t, _ = x.shape
            q, k, v = self.qkv(self.norm1(x)).split(width, dim=2)
            q, k, v = (y.view(b, t, heads, width // heads).transpose(1, 2) for y in (q, k, v))
            y = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.out(y.transpose(1, 2).contiguous().view(b, t, width))
            return x + self.down(self.act(self.up(self.norm2(x))))

    class GPT(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.token = nn.Embedding(vocabulary, width)
            self.position = nn.Embedding(block, width)
            self.blocks = nn.Sequential(*(Block() for _ in range(layers)))
            self.norm = nn.LayerNorm(width)
            self.head = nn.Linear(width, vocabulary, bias=False)

        def forward(self, tokens):
            x = self.token(tokens) + self.position(lib.arange(tokens.shape[1], device=tokens.device))
            return self.head(self.norm(self.blocks(x))).view(-1, vocabulary)

    return GPT()
