"""Datasets, samplers and the loader."""

import doctest
import importlib
from collections import namedtuple

import numpy as np
import pytest

import clew
from clew.utils import data
from clew.utils.data import DataLoader, Subset, TensorDataset


class Squares(data.Dataset):
    def __init__(self, size=10):
        self.size = size

    def __len__(self):
        return self.size

    def __getitem__(self, i):
        return clew.tensor([i, i * i]), i


class Numbers(data.IterableDataset):
    def __init__(self, size):
        self.size = size

    def __iter__(self):
        return iter(range(self.size))


def rows(n=10):
    return TensorDataset(clew.arange(2 * n).reshape(n, 2), clew.arange(n))


def lists(loader):
    return [[t.tolist() for t in batch] for batch in loader]


class Slow(data.Dataset):
    """The same samples, one at a time: what the loader does without the gather."""

    def __init__(self, dataset):
        self.dataset = dataset

    def __len__(self):
        return len(self.dataset)

    def __getitem__(self, i):
        return self.dataset[i]


CASES = {
    "plain": lambda: rows(),
    "subset": lambda: Subset(rows(), [3, 1, -2, 7, 7]),
    "nested": lambda: Subset(Subset(rows(), [9, 3, 5, 1]), [2, 0, -1]),
    "range": lambda: Subset(rows(), range(2, 8)),
    "empty": lambda: TensorDataset(clew.zeros(0, 3)),
}
LOADERS = {
    "sequential": {"batch_size": 3},
    "drop_last": {"batch_size": 3, "drop_last": True},
    "shuffled": {"batch_size": 4, "shuffle": True},
    "one": {},
}


@pytest.mark.parametrize("how", LOADERS)
@pytest.mark.parametrize("case", CASES)
def test_gather_equals_sample_by_sample(case, how):
    dataset = CASES[case]()

    def epoch(dataset):
        generator = clew.Generator()
        generator.manual_seed(5)
        loader = DataLoader(dataset, generator=generator, **LOADERS[how])
        batches = lists(loader)
        assert len(batches) == len(loader)
        return batches

    assert epoch(dataset) == epoch(Slow(dataset))


def test_batches_are_lists_with_the_right_types():
    dataset = TensorDataset(clew.randn(5, 2, 3), clew.arange(5))
    batch = next(iter(DataLoader(dataset, 2)))
    assert type(batch) is list
    assert batch[0].shape == (2, 2, 3) and batch[1].dtype == clew.int64


def test_changing_a_batch_leaves_the_dataset_alone():
    dataset = rows(4)
    for shuffle in (False, True):
        for x, _ in DataLoader(dataset, 2, shuffle=shuffle):
            x.fill_(-1)
    assert dataset.tensors[0].tolist() == [[0, 1], [2, 3], [4, 5], [6, 7]]


def test_a_subclass_with_its_own_samples_is_asked():
    class Doubled(TensorDataset):
        def __getitem__(self, i):
            return tuple(t * 2 for t in super().__getitem__(i))

    assert lists(DataLoader(Doubled(clew.arange(3)), 3)) == [[[0, 2, 4]]]


def test_shuffling_is_determined_by_the_seed():
    def epochs(loader):
        return [lists(loader) for _ in range(3)]

    def loader(seed):
        generator = clew.Generator()
        generator.manual_seed(seed)
        return DataLoader(rows(50), 8, shuffle=True, generator=generator)

    a = epochs(loader(1))
    assert a == epochs(loader(1)) and a != epochs(loader(2)) and a[0] != a[1]
    clew.manual_seed(3)
    b = lists(DataLoader(rows(50), 8, shuffle=True))
    clew.manual_seed(3)
    assert b == lists(DataLoader(rows(50), 8, shuffle=True))
    assert sorted(i for batch in b for i in batch[1]) == list(range(50))


def test_an_epoch_draws_one_permutation():
    one, other = clew.Generator(), clew.Generator()
    one.manual_seed(7)
    other.manual_seed(7)
    got = [i for batch in lists(DataLoader(rows(20), 6, shuffle=True, generator=one)) for i in batch[1]]
    assert got == clew.randperm(20, generator=other).tolist()


def test_general_dataset():
    batches = list(DataLoader(Squares(5), batch_size=2))
    assert [b[0].tolist() for b in batches] == [[[0, 0], [1, 1]], [[2, 4], [3, 9]], [[4, 16]]]
    assert [b[1].tolist() for b in batches] == [[0, 1], [2, 3], [4]]
    assert len(list(DataLoader(Squares(5), batch_size=2, drop_last=True))) == 2


def test_a_plain_list_is_a_dataset():
    assert [b.tolist() for b in DataLoader([1.5, 2.5, 3.5], batch_size=2)] == [[1.5, 2.5], [3.5]]


def test_getitems_is_used():
    class Batched(Squares):
        def __getitems__(self, indices):
            return [("batch", i) for i in indices]

    batch = next(iter(DataLoader(Batched(4), batch_size=2)))
    assert batch[0] == ["batch", "batch"] and batch[1].tolist() == [0, 1]


def test_without_batching():
    assert [x.tolist() for x, _ in DataLoader(rows(3), batch_size=None)] == [[0, 1], [2, 3], [4, 5]]
    assert list(DataLoader(["a", "b"], batch_size=None)) == ["a", "b"]


def test_collate_fn_and_samplers():
    assert list(DataLoader(range(5), batch_size=2, collate_fn=list)) == [[0, 1], [2, 3], [4]]
    assert list(DataLoader(range(5), sampler=[4, 2], batch_size=2, collate_fn=list)) == [[4, 2]]
    assert list(DataLoader(range(5), batch_sampler=[[0, 3], [1]], collate_fn=list)) == [[0, 3], [1]]
    assert lists(DataLoader(rows(5), batch_sampler=[[0, -1], [1]])) == [
        [[[0, 1], [8, 9]], [0, 4]],
        [[[2, 3]], [1]],
    ]
    order = data.SubsetRandomSampler([1, 3])
    assert sorted(i for b in lists(DataLoader(rows(5), 1, sampler=order)) for i in b[1]) == [1, 3]
    with pytest.raises(IndexError, match=r"expected indices in \[-5, 5\), got 5"):
        lists(DataLoader(rows(5), batch_sampler=[[5]]))


def test_an_endless_sampler():
    def endless():
        while True:
            yield 1

    class Endless(data.Sampler):
        def __iter__(self):
            return endless()

    loader = iter(DataLoader(rows(5), 2, sampler=Endless()))
    assert [t.tolist() for t in next(loader)] == [[[2, 3], [2, 3]], [1, 1]]


def test_iterable_dataset():
    assert [b.tolist() for b in DataLoader(Numbers(5), batch_size=2)] == [[0, 1], [2, 3], [4]]
    assert [b.tolist() for b in DataLoader(Numbers(5), batch_size=2, drop_last=True)] == [[0, 1], [2, 3]]
    assert list(DataLoader(Numbers(2), batch_size=None)) == [0, 1]


@pytest.mark.parametrize(
    "options, error, text",
    [
        ({"batch_size": 0}, ValueError, "positive int or None, got 0"),
        ({"batch_size": 2.5}, ValueError, "positive int or None, got 2.5"),
        ({"shuffle": True, "sampler": [1]}, ValueError, "sampler or shuffle"),
        ({"batch_sampler": [[1]], "batch_size": 3}, ValueError, "batch_sampler alone"),
        ({"batch_size": None, "drop_last": True}, ValueError, "drop_last=False without batching"),
        ({"num_workers": -1}, ValueError, "num_workers as an int >= 0, got -1"),
        ({"prefetch_factor": 2}, ValueError, "prefetch_factor=None with num_workers=0, got 2"),
        ({"persistent_workers": True}, ValueError, "persistent_workers"),
        ({"multiprocessing_context": "fork"}, ValueError, "multiprocessing_context"),
        ({"timeout": 3}, ValueError, "timeout=0"),
        ({"timeout": -3}, ValueError, "timeout >= 0"),
    ],
)
def test_bad_options(options, error, text):
    with pytest.raises(error, match=text):
        DataLoader(rows(3), **options)


def test_bad_options_with_an_iterable_dataset():
    for options in ({"shuffle": True}, {"sampler": [1]}, {"batch_sampler": [[1]]}):
        with pytest.raises(ValueError, match="unset with an IterableDataset"):
            DataLoader(Numbers(3), **options)


def test_pin_memory_warns():
    with pytest.warns(UserWarning, match="pin_memory"):
        DataLoader(rows(3), pin_memory=True)


def test_no_workers():
    assert data.get_worker_info() is None


# -- datasets ------------------------------------------------------------------------------------


def test_tensor_dataset_errors():
    with pytest.raises(ValueError, match=r"got \[3, 2\]"):
        TensorDataset(clew.zeros(3), clew.zeros(2))
    with pytest.raises(ValueError, match="got none"):
        TensorDataset()
    with pytest.raises(ValueError, match="0-dim"):
        TensorDataset(clew.tensor(1.0))
    with pytest.raises(TypeError, match="got list"):
        TensorDataset([1, 2])


def test_concat():
    joined = Squares(2) + Squares(3)
    assert len(joined) == 5 and joined[3][1] == 1 and joined[-1][1] == 2
    with pytest.raises(IndexError, match=r"\[-5, 5\), got 5"):
        joined[5]
    with pytest.raises(ValueError, match="got none"):
        data.ConcatDataset([])
    with pytest.raises(TypeError, match="IterableDataset"):
        data.ConcatDataset([Numbers(2)])


def test_random_split():
    generator = clew.Generator()
    generator.manual_seed(0)
    parts = data.random_split(range(10), [7, 3], generator)
    assert [len(p) for p in parts] == [7, 3]
    assert sorted(i for p in parts for i in p.indices) == list(range(10))
    assert [len(p) for p in data.random_split(range(11), [0.5, 0.25, 0.25])] == [6, 3, 2]
    with pytest.raises(ValueError, match="sum to 10, got"):
        data.random_split(range(10), [7, 4])
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        data.random_split(range(10), [1.5, -0.5])


def test_samplers():
    assert list(data.SequentialSampler(range(3))) == [0, 1, 2]
    assert sorted(data.RandomSampler(range(5))) == [0, 1, 2, 3, 4]
    twice = list(data.RandomSampler(range(3), num_samples=7))
    assert len(twice) == 7 and sorted(twice[:3]) == sorted(twice[3:6]) == [0, 1, 2]
    drawn = list(data.RandomSampler(range(3), replacement=True, num_samples=50))
    assert len(drawn) == 50 and set(drawn) == {0, 1, 2}
    assert sorted(data.SubsetRandomSampler([5, 7, 9])) == [5, 7, 9]
    assert len(data.BatchSampler(range(10), 3, True)) == 3
    assert list(data.BatchSampler(range(4), 3, True)) == [[0, 1, 2]]
    with pytest.raises(ValueError, match="num_samples"):
        data.RandomSampler(range(3), num_samples=0)
    with pytest.raises(ValueError, match="batch_size"):
        data.BatchSampler(range(3), 0, False)
    with pytest.raises(ValueError, match="drop_last"):
        data.BatchSampler(range(3), 1, 3)


# -- collate -------------------------------------------------------------------------------------

Pair = namedtuple("Pair", "a b")


def plain(value):
    if isinstance(value, clew.Tensor):
        return (str(value.dtype).split(".")[-1], value.tolist())
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return Pair(*map(plain, value))
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return value


def test_collate():
    collate = data.default_collate
    assert plain(collate([1, 2])) == ("int64", [1, 2])
    assert plain(collate([1.5, 2.5])) == ("float64", [1.5, 2.5])
    assert plain(collate([True, False])) == ("bool", [True, False])
    assert collate(["a", "b"]) == ["a", "b"]
    assert plain(collate([{"x": 1, "y": "a"}, {"x": 2, "y": "b"}])) == {
        "x": ("int64", [1, 2]),
        "y": ["a", "b"],
    }
    assert plain(collate([Pair(1, 2), Pair(3, 4)])) == Pair(("int64", [1, 3]), ("int64", [2, 4]))
    assert type(collate([Pair(1, 2)])) is Pair
    assert type(collate([(1, 2)])) is list
    assert plain(collate([np.ones(2, np.float32), np.zeros(2, np.float32)])) == (
        "float32",
        [[1.0, 1.0], [0.0, 0.0]],
    )
    assert plain(collate([np.float32(1), np.float32(2)])) == ("float32", [1.0, 2.0])
    assert plain(collate([[clew.ones(1), 1], [clew.zeros(1), 2]])) == [
        ("float32", [[1.0], [0.0]]),
        ("int64", [1, 2]),
    ]
    with pytest.raises(TypeError, match="got object"):
        collate([object()])
    with pytest.raises(ValueError, match=r"lengths \[1, 2\]"):
        collate([[1], [1, 2]])
    with pytest.raises(ValueError, match="got none"):
        collate([])


def test_convert():
    got = data.default_convert({"a": np.arange(2), "b": ["x", np.float64(1.5)], "c": Pair(1, 2)})
    assert got["a"].tolist() == [0, 1] and got["b"][0] == "x" and got["b"][1].item() == 1.5
    assert got["c"] == Pair(1, 2)


@pytest.mark.parametrize("name", ["collate", "dataset", "sampler", "dataloader"])
def test_docstring_examples(name):
    module = importlib.import_module(f"clew.utils.data.{name}")
    assert doctest.testmod(module, extraglobs={"clew": clew}).failed == 0
