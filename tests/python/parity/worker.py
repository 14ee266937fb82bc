"""A process that checks samples, one job a line, and says before each sample that it begins.

Protocol: in, `{"op": index, "phase": name, "skip": [sample, ...], "cap": n}`; out, lines of JSON:
`{"ready": 1}`, `{"begin": sample}`, `{"fail": sample, "reason": text}`, `{"done": {...counts}}`.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import sys
import warnings


def main() -> None:
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever an op prints must not look like an answer

    def say(**message) -> None:
        out.write(json.dumps(message) + "\n")

    warnings.simplefilter("ignore")
    import numpy as np
    import torch
    from torch.testing._internal.common_methods_invocations import op_db

    import clew

    from . import check

    torch.set_num_threads(1)
    clew.set_num_threads(1)
    dtypes = {"int64": torch.int64, "bool": torch.bool, "bfloat16": torch.bfloat16, "float32": torch.float32}

    def generate(op, phase: str):
        for seed in (torch.manual_seed, np.random.seed, random.seed):
            seed(0)
        if phase == "errors":
            return op.error_inputs("cpu") if op.error_inputs_func is not None else iter(())
        dtype = dtypes[phase]
        if dtype not in op.supported_dtypes("cpu"):
            return iter(())
        return op.sample_inputs(
            "cpu", dtype, requires_grad=phase == "float32" and dtype in op.supported_backward_dtypes("cpu")
        )

    say(ready=1)
    for line in sys.stdin:
        job = json.loads(line)
        op, phase, skip = op_db[job["op"]], job["phase"], set(job["skip"])
        counts = {"passed": 0, "failed": 0, "refused": 0, "total": 0}
        lacking = check.callable_of(op.name, op.variant_test_name) is None
        samples = iter(())
        try:
            samples = generate(op, phase)
        except Exception as e:
            say(note=f"no samples: {type(e).__name__}: {e}")
        if job["cap"]:
            samples = itertools.islice(samples, job["cap"])
        i = -1
        while True:
            i += 1
            say(begin=i)
            try:
                sample = next(samples, None)
            except Exception as e:
                say(note=f"samples ended early: {type(e).__name__}: {e}")
                break
            if sample is None:
                break
            counts["total"] += 1
            if i in skip:
                continue
            if lacking:
                counts["failed"] += 1
                say(fail=i, reason="missing")
                break
            try:
                if phase == "errors":
                    fine = check.check_error(op, sample)
                else:
                    fine = check.check_sample(op, sample, phase == "float32")
                counts["passed" if fine else "refused"] += 1
            except check.Difference as e:
                counts["failed"] += 1
                say(fail=i, reason=str(e))
            except Exception as e:
                counts["failed"] += 1
                say(fail=i, reason=f"check failed: {type(e).__name__}: {str(e)[:200]}")
        say(done=counts, lacking=lacking)


if __name__ == "__main__":
    main()
