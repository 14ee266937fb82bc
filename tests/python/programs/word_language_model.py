"""A word language model on a small text: LSTM by default, Transformer with --model Transformer."""

import argparse
import math
import random

import torch
import torch.nn as nn
import torch.nn.functional as F


def make_text(lines, seed=5):
    """A text from a small grammar: what comes next depends on what came before."""
    rng = random.Random(seed)
    animals = {"cat": "meows", "dog": "barks", "cow": "moos", "duck": "quacks", "lion": "roars"}
    places = ["house", "river", "hill", "garden", "road"]
    words = []
    for _ in range(lines):
        animal = rng.choice(list(animals))
        place = rng.choice(places)
        words += ["the", animal, "at", "the", place, animals[animal], "and", "the", place, "answers", "<eos>"]
    return words


class Dictionary:
    def __init__(self):
        self.word2idx = {}
        self.idx2word = []

    def add_word(self, word):
        if word not in self.word2idx:
            self.idx2word.append(word)
            self.word2idx[word] = len(self.idx2word) - 1
        return self.word2idx[word]

    def __len__(self):
        return len(self.idx2word)


class RNNModel(nn.Module):
    def __init__(self, ntoken, ninp, nhid, nlayers, dropout=0.1):
        super().__init__()
        self.drop = nn.Dropout(dropout)
        self.encoder = nn.Embedding(ntoken, ninp)
        self.rnn = nn.LSTM(ninp, nhid, nlayers, dropout=dropout)
        self.decoder = nn.Linear(nhid, ntoken)
        self.nhid, self.nlayers, self.ntoken = nhid, nlayers, ntoken
        self.init_weights()

    def init_weights(self):
        initrange = 0.1
        nn.init.uniform_(self.encoder.weight, -initrange, initrange)
        nn.init.zeros_(self.decoder.bias)
        nn.init.uniform_(self.decoder.weight, -initrange, initrange)

    def forward(self, input, hidden):
        emb = self.drop(self.encoder(input))
        output, hidden = self.rnn(emb, hidden)
        decoded = self.decoder(self.drop(output)).view(-1, self.ntoken)
        return F.log_softmax(decoded, dim=1), hidden

    def init_hidden(self, bsz):
        weight = next(self.parameters())
        return (
            weight.new_zeros(self.nlayers, bsz, self.nhid),
            weight.new_zeros(self.nlayers, bsz, self.nhid),
        )


class PositionalEncoding(nn.Module):
    def __init__(self, d_model, dropout=0.1, max_len=500):
        super().__init__()
        self.dropout = nn.Dropout(p=dropout)
        pe = torch.zeros(max_len, d_model)
        position = torch.arange(0, max_len, dtype=torch.float).unsqueeze(1)
        div_term = torch.exp(torch.arange(0, d_model, 2).float() * (-math.log(10000.0) / d_model))
        pe[:, 0::2] = torch.sin(position * div_term)
        pe[:, 1::2] = torch.cos(position * div_term)
        self.register_buffer("pe", pe.unsqueeze(0).transpose(0, 1))

    def forward(self, x):
        return self.dropout(x + self.pe[: x.size(0), :])


class TransformerModel(nn.Module):
    def __init__(self, ntoken, ninp, nhead, nhid, nlayers, dropout=0.1):
        super().__init__()
        self.pos_encoder = PositionalEncoding(ninp, dropout)
        layer = nn.TransformerEncoderLayer(ninp, nhead, nhid, dropout)
        self.encoder = nn.TransformerEncoder(layer, nlayers)
        self.input_emb = nn.Embedding(ntoken, ninp)
        self.ninp, self.ntoken = ninp, ntoken
        self.decoder = nn.Linear(ninp, ntoken)

    def forward(self, src):
        mask = torch.log(torch.tril(torch.ones(len(src), len(src))))
        src = self.input_emb(src) * math.sqrt(self.ninp)
        output = self.encoder(self.pos_encoder(src), mask=mask)
        return F.log_softmax(self.decoder(output), dim=-1).view(-1, self.ntoken)


def batchify(data, bsz):
    nbatch = data.size(0) // bsz
    return data.narrow(0, 0, nbatch * bsz).view(bsz, -1).t().contiguous()


def get_batch(source, i, bptt):
    seq_len = min(bptt, len(source) - 1 - i)
    return source[i : i + seq_len], source[i + 1 : i + 1 + seq_len].view(-1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="LSTM")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--bptt", type=int, default=22)
    args = parser.parse_args()
    torch.manual_seed(1111)
    dictionary = Dictionary()
    ids = torch.tensor([dictionary.add_word(w) for w in make_text(500)], dtype=torch.int64)
    train_data = batchify(ids[:-550], 10)
    val_data = batchify(ids[-550:], 5)
    ntokens = len(dictionary)
    is_lstm = args.model == "LSTM"
    if is_lstm:
        model = RNNModel(ntokens, 32, 64, 2)
    else:
        model = TransformerModel(ntokens, 32, 4, 64, 2)
    criterion = nn.NLLLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        max_lr=1e-2,
        epochs=args.epochs,
        steps_per_epoch=math.ceil((len(train_data) - 1) / args.bptt),
    )

    def run(data, bsz, training):
        model.train(training)
        total = 0.0
        hidden = model.init_hidden(bsz) if is_lstm else None
        for i in range(0, data.size(0) - 1, args.bptt):
            inputs, targets = get_batch(data, i, args.bptt)
            if is_lstm:
                hidden = tuple(h.detach() for h in hidden)
                output, hidden = model(inputs, hidden)
            else:
                output = model(inputs)
            loss = criterion(output, targets)
            if training:
                optimizer.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
                optimizer.step()
                scheduler.step()
            total += len(inputs) * loss.item()
        return total / (len(data) - 1)

    for epoch in range(1, args.epochs + 1):
        run(train_data, 10, True)
        with torch.no_grad():
            val_loss = run(val_data, 5, False)
        print(f"| end of epoch {epoch} | valid loss {val_loss:5.2f} | valid ppl {math.exp(val_loss):8.2f}")

    # Generate, word after word.
    model.eval()
    words = ["the"]
    inputs = torch.tensor([[dictionary.word2idx["the"]]])
    hidden = model.init_hidden(1) if is_lstm else None
    with torch.no_grad():
        for _ in range(21):
            if is_lstm:
                output, hidden = model(inputs, hidden)
            else:
                output = model(inputs)
            word_idx = torch.multinomial(output[-1].exp(), 1)[0]
            if is_lstm:
                inputs.fill_(word_idx)
            else:
                inputs = torch.cat([inputs, word_idx.view(1, 1)], 0)
            words.append(dictionary.idx2word[word_idx])
    print(" ".join(words))
    assert val_loss < 0.75, val_loss  # an untrained model has log(21) = 3.0


if __name__ == "__main__":
    main()
