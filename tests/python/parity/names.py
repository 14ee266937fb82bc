"""Which names of the operator database count as first tier, and what is known about them."""

from __future__ import annotations

from typing import Any

# Names as the database spells them. An underscore in brackets says that the in-place method counts too.
_FIRST_TIER = """
add(_) sub(_) mul(_) div(_) pow(_) neg(_) abs(_) exp(_) log(_) sqrt(_) rsqrt(_) square(_) reciprocal(_)
sigmoid(_) tanh(_) clamp(_) sign(_) floor(_) ceil(_) round(_) sin(_) cos(_) maximum minimum where lerp(_)
log1p(_) expm1(_) erf(_)
sum mean prod max min argmax argmin amax amin std var all any norm logsumexp cumsum(_)
eq ne lt le gt ge equal allclose isclose isnan isinf isfinite sort argsort topk
matmul mm bmm mv dot outer addmm(_) baddbmm(_) einsum t(_) transpose(_) linalg.norm linalg.vector_norm
linalg.inv linalg.solve
__getitem__ index_select gather scatter(_) scatter_add(_) masked_fill(_) masked_select nonzero
reshape view flatten squeeze(_) unsqueeze(_) permute cat stack split chunk expand expand_as repeat unbind flip
tile movedim
randn randint bernoulli(_) multinomial normal uniform
zeros ones empty full eye arange linspace zeros_like ones_like empty_like full_like rand_like randn_like
new_zeros new_ones new_empty new_full clone item to contiguous T mT fill zero_
bfloat16 bool double float half int long
__radd__ __rsub__ __rmul__ __rdiv__ __rmod__ __rpow__ __rmatmul__ __rand__ __ror__ __rxor__
nn.functional.linear nn.functional.conv1d nn.functional.conv2d nn.functional.conv_transpose2d
nn.functional.max_pool2d nn.functional.avg_pool2d nn.functional.adaptive_avg_pool2d nn.functional.relu
nn.functional.leaky_relu nn.functional.gelu nn.functional.silu softmax log_softmax nn.functional.dropout
nn.functional.embedding nn.functional.layer_norm nn.functional.batch_norm nn.functional.pad
nn.functional.one_hot nn.functional.cross_entropy nn.functional.nll_loss nn.functional.mse_loss
nn.functional.l1_loss nn.functional.binary_cross_entropy nn.functional.binary_cross_entropy_with_logits
nn.functional.normalize nn.functional.cosine_similarity nn.functional.interpolate
nn.functional.scaled_dot_product_attention
"""

FIRST_TIER = {entry.removesuffix("(_)") for entry in _FIRST_TIER.split()}
IN_PLACE = {entry.removesuffix("(_)") for entry in _FIRST_TIER.split() if entry.endswith("(_)")}

# Families, to hand out and to read failures by.
_FAMILIES = {
    "pointwise": """add sub mul div pow neg abs exp log sqrt rsqrt square reciprocal sigmoid tanh clamp sign
        floor ceil round sin cos maximum minimum where lerp log1p expm1 erf nn.functional.relu
        nn.functional.leaky_relu nn.functional.gelu nn.functional.silu eq ne lt le gt ge equal allclose
        isclose isnan isinf isfinite __radd__ __rsub__ __rmul__ __rdiv__ __rmod__ __rpow__ __rand__ __ror__
        __rxor__""",
    "reduce": """sum mean prod max min argmax argmin amax amin std var all any norm logsumexp cumsum
        linalg.norm linalg.vector_norm""",
    "sort": "sort argsort topk",
    "linalg": "matmul mm bmm mv dot outer addmm baddbmm einsum linalg.inv linalg.solve __rmatmul__ "
    "nn.functional.linear",
    "index": """__getitem__ index_select gather scatter scatter_add masked_fill masked_select nonzero
        nn.functional.embedding nn.functional.one_hot""",
    "shape": """reshape view flatten squeeze unsqueeze permute transpose t T mT cat stack split chunk expand
        expand_as repeat unbind flip tile movedim""",
    "random": """randn randint bernoulli multinomial normal uniform rand_like randn_like
        nn.functional.dropout""",
    "creation": """zeros ones empty full eye arange linspace zeros_like ones_like empty_like full_like
        new_zeros new_ones new_empty new_full clone item to contiguous fill zero_ bfloat16 bool double
        float half int long""",
}
_FAMILY_OF = {name: family for family, names in _FAMILIES.items() for name in names.split()}


def family(name: str) -> str:
    """The family that a name of the database belongs to; "nn" holds what the others leave."""
    return _FAMILY_OF.get(name, "nn" if name in FIRST_TIER else "other")


# Results that are random or uninitialised: dtype and shape are compared, values are not.
_RANDOM = """
empty empty_like new_empty empty_permuted empty_strided new_empty_strided randn randint rand_like randn_like
randint_like bernoulli multinomial normal uniform nn.functional.dropout nn.functional.dropout2d
nn.functional.dropout3d nn.functional.alpha_dropout nn.functional.feature_alpha_dropout exponential cauchy
geometric log_normal nn.functional.rrelu nn.functional.fractional_max_pool2d
nn.functional.fractional_max_pool3d resize_ resize_as_
"""
VALUES_DIFFER = set(_RANDOM.split())


def drops_out(name: str, sample: Any) -> bool:
    """Whether a sample of attention has dropout, so that its values are random."""
    if name == "nn.functional.scaled_dot_product_attention":
        return sample.kwargs.get("dropout_p", 0.0) > 0
    if name == "nn.functional.multi_head_attention_forward":
        return sample.args[9] > 0 and sample.kwargs.get("training", True)
    return False
