"""What to say about names that are known from PyTorch and are not here."""

from __future__ import annotations

__all__ = ["NotYetError", "missing"]


class NotYetError(AttributeError, NotImplementedError):
    """A known name that this version does not offer; the message says what to use instead."""


# Known names per module and tier. A tier says how common a name is: 1 virtually every program, 3 rare.
_NAMES: dict[str, tuple[str, str, str]] = {
    "": (
        "einsum baddbmm cuda accelerator compile export",
        """cfloat cdouble is_nonzero finfo iinfo can_cast set_default_device
        get_default_device set_printoptions use_deterministic_algorithms
        are_deterministic_algorithms_enabled memory_format contiguous_format channels_last preserve_format
        logspace frombuffer tril_indices triu_indices empty_strided complex polar randint_like
        meshgrid cartesian_prod combinations vander scalar_tensor log2 log10 exp2 tan asin acos atan atan2
        sinh cosh asinh acosh atanh frac addcmul addcdiv clip clamp_min clamp_max logit
        logaddexp logaddexp2 erfc erfinv lgamma digamma hypot nan_to_num fmax fmin xlogy float_power rad2deg
        deg2rad copysign positive bitwise_left_shift bitwise_right_shift angle conj real imag view_as_real
        view_as_complex cumprod median mode count_nonzero unique unique_consecutive std_mean var_mean nansum
        nanmean nanmedian quantile nanquantile cummax cummin logcumsumexp aminmax bincount histc histogram
        dist trapezoid cov corrcoef diff isin searchsorted bucketize isposinf isneginf isreal msort addmv
        addbmm addr inner vdot kron tensordot chain_matmul cross trace det logdet inverse pinverse cholesky
        cholesky_solve cholesky_inverse matrix_exp cdist index_copy index_fill masked_scatter take
        take_along_dim argwhere scatter_reduce index_reduce select_scatter slice_scatter diagonal_scatter
        unflatten swapaxes swapdims moveaxis broadcast_to broadcast_tensors broadcast_shapes
        repeat_interleave roll rot90 fliplr flipud ravel hstack vstack dstack column_stack row_stack hsplit
        vsplit dsplit tensor_split concat concatenate diag diag_embed diagflat block_diag atleast_1d
        atleast_2d atleast_3d adjoint poisson binomial fft func vmap distributions distributed hub backends
        random library overrides onnx vision transforms viz summary fx""",
        """uint16 uint32 uint64 float8_e4m3fn float8_e5m2 channels_last_3d layout set_num_interop_threads
        set_flush_denormal set_deterministic_debug_mode is_storage UntypedStorage from_file heaviside
        bartlett_window blackman_window hamming_window hann_window kaiser_window sparse_coo_tensor
        sparse_csr_tensor gcd lcm ldexp frexp nextafter signbit sgn sinc i0 polygamma mvlgamma igamma
        igammac conj_physical resolve_conj absolute negative subtract multiply divide arccos arccosh arcsin
        arcsinh arctan arctan2 arctanh fix special kthvalue histogramdd cumulative_trapezoid gradient trapz
        renorm greater greater_equal less less_equal not_equal is_same_size geqrf orgqr ormqr lu lu_unpack
        triangular_solve svd_lowrank pca_lowrank lobpcg ger stft istft segment_reduce split_with_sizes
        unsafe_chunk unsafe_split narrow_copy quasirandom linalg range symeig jit quantization sparse
        FloatTensor DoubleTensor HalfTensor LongTensor IntTensor ShortTensor ByteTensor CharTensor
        BoolTensor""",
    ),
    "nn": (
        """Conv1d ConvTranspose2d RNN LSTM GRU MultiheadAttention TransformerEncoderLayer TransformerEncoder
        BCELoss""",
        """ParameterList ParameterDict Buffer Bilinear Conv3d ConvTranspose1d ConvTranspose3d BatchNorm3d
        SyncBatchNorm GroupNorm RMSNorm InstanceNorm1d InstanceNorm2d InstanceNorm3d LocalResponseNorm
        EmbeddingBag Dropout1d Dropout2d Dropout3d AlphaDropout Unflatten MaxPool1d MaxPool3d AvgPool1d
        AvgPool3d AdaptiveAvgPool1d AdaptiveAvgPool3d AdaptiveMaxPool1d AdaptiveMaxPool2d AdaptiveMaxPool3d
        MaxUnpool1d MaxUnpool2d MaxUnpool3d LPPool1d LPPool2d ReflectionPad1d ReflectionPad2d
        ReflectionPad3d ReplicationPad1d ReplicationPad2d ReplicationPad3d ZeroPad1d ZeroPad2d ZeroPad3d
        ConstantPad1d ConstantPad2d ConstantPad3d CircularPad1d CircularPad2d CircularPad3d ELU SELU CELU
        GLU Mish Softplus Softsign Softmin Softshrink Hardtanh Hardswish Hardsigmoid Hardshrink Tanhshrink
        LogSigmoid ReLU6 PReLU RReLU Threshold Softmax2d RNNCell LSTMCell GRUCell TransformerDecoderLayer
        TransformerDecoder Transformer PixelShuffle PixelUnshuffle Upsample UpsamplingNearest2d
        UpsamplingBilinear2d Unfold Fold CosineSimilarity PairwiseDistance SmoothL1Loss HuberLoss KLDivLoss
        CTCLoss PoissonNLLLoss GaussianNLLLoss MarginRankingLoss HingeEmbeddingLoss CosineEmbeddingLoss
        TripletMarginLoss TripletMarginWithDistanceLoss MultiMarginLoss MultiLabelMarginLoss
        MultiLabelSoftMarginLoss SoftMarginLoss parallel attention""",
        """UninitializedParameter LazyLinear LazyConv1d LazyConv2d LazyConv3d LazyConvTranspose1d
        LazyConvTranspose2d LazyConvTranspose3d LazyBatchNorm1d LazyBatchNorm2d LazyBatchNorm3d
        LazyInstanceNorm1d LazyInstanceNorm2d LazyInstanceNorm3d AdaptiveLogSoftmaxWithLoss
        FractionalMaxPool2d FractionalMaxPool3d FeatureAlphaDropout ChannelShuffle CrossMapLRN2d RNNBase
        DataParallel""",
    ),
    "nn.Module": (
        "",
        """register_full_backward_hook register_full_backward_pre_hook register_state_dict_post_hook
        register_load_state_dict_pre_hook register_load_state_dict_post_hook share_memory to_empty compile""",
        "register_backward_hook",
    ),
    "nn.functional": (
        """conv1d conv_transpose2d pad binary_cross_entropy normalize cosine_similarity interpolate
        scaled_dot_product_attention""",
        """bilinear conv3d conv_transpose1d conv_transpose3d max_pool1d max_pool3d avg_pool1d avg_pool3d
        adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d adaptive_avg_pool1d adaptive_avg_pool3d
        max_unpool1d max_unpool2d max_unpool3d lp_pool1d lp_pool2d unfold fold elu selu celu glu mish
        softplus softsign softmin softshrink hardtanh hardswish hardsigmoid hardshrink tanhshrink logsigmoid
        relu6 prelu rrelu threshold gumbel_softmax rms_norm group_norm instance_norm local_response_norm
        alpha_dropout dropout1d dropout2d dropout3d embedding_bag smooth_l1_loss huber_loss kl_div ctc_loss
        poisson_nll_loss gaussian_nll_loss margin_ranking_loss hinge_embedding_loss cosine_embedding_loss
        triplet_margin_loss triplet_margin_with_distance_loss multi_margin_loss multilabel_margin_loss
        soft_margin_loss multilabel_soft_margin_loss pairwise_distance pixel_shuffle pixel_unshuffle
        grid_sample affine_grid upsample multi_head_attention_forward relu_ leaky_relu_ elu_ selu_ celu_
        hardtanh_ rrelu_ threshold_""",
        """fractional_max_pool2d fractional_max_pool3d feature_alpha_dropout pdist channel_shuffle conv_tbc
        lp_pool3d linear_cross_entropy""",
    ),
    "nn.init": ("", "trunc_normal_ orthogonal_ dirac_ sparse_", ""),
    "nn.utils": (
        "rnn",
        """weight_norm remove_weight_norm spectral_norm remove_spectral_norm parametrize parametrizations
        fuse_conv_bn_eval skip_init stateless""",
        "prune fusion",
    ),
    "optim": (
        "",
        "RMSprop Adagrad Adadelta Adamax NAdam RAdam LBFGS swa_utils",
        "ASGD Rprop SparseAdam Adafactor Muon",
    ),
    "optim.lr_scheduler": (
        "ReduceLROnPlateau OneCycleLR",
        """ConstantLR PolynomialLR SequentialLR ChainedScheduler CyclicLR CosineAnnealingWarmRestarts
        MultiplicativeLR""",
        "",
    ),
    "utils": (
        "cpp_extension tensorboard",
        "checkpoint benchmark collect_env",
        "dlpack weak mobile_optimizer",
    ),
    "utils.data": ("", "WeightedRandomSampler distributed ChainDataset StackDataset", ""),
    "Tensor": (
        "",
        """H mH real imag set_ resize_ as_subclass share_memory_ is_shared storage untyped_storage
        record_stream pin_memory is_pinned unfold sum_to_size exponential_ geometric_ cauchy_ log_normal_
        put_ eq_ ne_ lt_ le_ gt_ ge_""",
        "names rename refine_names align_to is_set_to apply_ map_ to_sparse to_dense coalesce new",
    ),
}

# What does the same today, for names where there is something short to say.
_INSTEAD: dict[str, str] = {
    "einsum": "matmul, permute and sum",
    "baddbmm": "input + bmm(a, b)",
    "log2": "log(x) / math.log(2)",
    "log10": "log(x) / math.log(10)",
    "exp2": "exp(x * math.log(2))",
    "tan": "sin(x) / cos(x)",
    "sinh": "(exp(x) - exp(-x)) / 2",
    "cosh": "(exp(x) + exp(-x)) / 2",
    "divide": "div",
    "multiply": "mul",
    "subtract": "sub",
    "negative": "neg",
    "absolute": "abs",
    "fix": "trunc",
    "clip": "clamp",
    "clamp_min": "clamp(min=...)",
    "clamp_max": "clamp(max=...)",
    "addcmul": "input + value * a * b",
    "addcdiv": "input + value * a / b",
    "concat": "cat",
    "concatenate": "cat",
    "hstack": "cat(tensors, dim=1)",
    "vstack": "cat(tensors, dim=0)",
    "row_stack": "cat(tensors, dim=0)",
    "swapaxes": "transpose",
    "swapdims": "transpose",
    "moveaxis": "movedim",
    "ravel": "flatten",
    "fliplr": "flip(x, (1,))",
    "flipud": "flip(x, (0,))",
    "broadcast_to": "x.expand(shape)",
    "inner": "matmul with a transposed second operand",
    "vdot": "dot",
    "ger": "outer",
    "trace": "diagonal(x).sum()",
    "diff": "x[1:] - x[:-1]",
    "argwhere": "nonzero",
    "greater": "gt",
    "greater_equal": "ge",
    "less": "lt",
    "less_equal": "le",
    "not_equal": "ne",
    "nansum": "where(isnan(x), 0, x).sum()",
    "count_nonzero": "(x != 0).sum()",
    "range": "arange, which leaves out the end",
    "symeig": "numpy.linalg.eigh on x.numpy()",
    "linalg": "numpy.linalg on x.numpy() for values without gradient",
    "jit": "the tensors and modules as they are; programs run eagerly",
    "FloatTensor": "tensor(data, dtype=float32)",
    "DoubleTensor": "tensor(data, dtype=float64)",
    "HalfTensor": "tensor(data, dtype=float16)",
    "LongTensor": "tensor(data, dtype=int64)",
    "IntTensor": "tensor(data, dtype=int32)",
    "ShortTensor": "tensor(data, dtype=int16)",
    "ByteTensor": "tensor(data, dtype=uint8)",
    "CharTensor": "tensor(data, dtype=int8)",
    "BoolTensor": "tensor(data, dtype=bool)",
    "nn.BCELoss": "nn.BCEWithLogitsLoss on the logits",
    "nn.functional.binary_cross_entropy": "binary_cross_entropy_with_logits on the logits",
    "nn.Conv1d": "nn.Conv2d on x.unsqueeze(2) with a kernel of (1, k)",
    "nn.functional.conv1d": "conv2d on x.unsqueeze(2) with a weight of (out, in, 1, k)",
    "nn.Softmin": "nn.Softmax on -x",
    "nn.functional.softmin": "softmax(-x, dim)",
    "nn.functional.softplus": "log1p(exp(x))",
    "nn.functional.logsigmoid": "-log1p(exp(-x))",
    "nn.functional.relu6": "x.clamp(0, 6)",
    "nn.ReLU6": "x.clamp(0, 6)",
    "nn.functional.hardtanh": "x.clamp(-1, 1)",
    "nn.Hardtanh": "x.clamp(-1, 1)",
    "nn.functional.relu_": "x.relu_()",
    "nn.functional.normalize": "x / x.norm(2, dim, keepdim=True).clamp(min=eps)",
    "nn.functional.pad": "cat with zeros",
    "nn.ParameterList": "register_parameter in a loop",
    "nn.ParameterDict": "register_parameter in a loop",
    "nn.Buffer": "register_buffer",
    "nn.Module.register_full_backward_hook": "Tensor.register_hook on the output",
    "nn.Module.register_backward_hook": "Tensor.register_hook on the output",
    "nn.Module.compile": "the module as it is; programs run eagerly",
    "compile": "the function or module as it is; programs run eagerly",
    "nn.init.trunc_normal_": "normal_ followed by clamp_ under no_grad",
    "optim.RMSprop": "optim.Adam",
    "optim.Adagrad": "optim.Adam",
    "optim.lr_scheduler.OneCycleLR": "LambdaLR with a function of the step",
    "optim.lr_scheduler.ReduceLROnPlateau": "setting group['lr'] when the loss stalls",
    "optim.lr_scheduler.ConstantLR": "LambdaLR",
    "optim.lr_scheduler.PolynomialLR": "LambdaLR",
    "optim.lr_scheduler.MultiplicativeLR": "LambdaLR",
    "utils.data.ChainDataset": "itertools.chain in the __iter__ of an IterableDataset",
    "utils.data.StackDataset": "utils.data.TensorDataset, for tensors",
    "utils.data.WeightedRandomSampler": "a Sampler over multinomial(weights, n, replacement=True).tolist()",
    "Tensor.new": "x.new_empty(size) or clew.tensor(data)",
}


def missing(module_name: str, name: str, owner: str | None = None) -> AttributeError:
    """Returns the error for an attribute that does not exist, to be raised by a `__getattr__`.

    Args:
        module_name: below clew, such as "nn.functional"; "" is clew itself.
        name: the attribute that was asked for.
        owner: the class whose instance was asked, for a plain error.
    Returns:
        NotYetError when PyTorch has the name, else a plain AttributeError.
    """
    module_name = module_name.removeprefix("clew").lstrip(".")
    path = f"clew.{module_name}" if module_name else "clew"
    for tier, names in enumerate(_NAMES.get(module_name, ()), start=1):
        if name in names.split():
            key = f"{module_name}.{name}" if module_name else name
            instead = _INSTEAD.get(key)
            if instead is None and module_name == "Tensor":
                instead = _INSTEAD.get(name)
            hint = f"use {instead}" if instead else f"compose it from what dir({path}) lists"
            error: AttributeError = NotYetError(
                f"{path}: expected a name of this version, got {name!r} "
                f"(known, tier {tier}, not there yet; {hint})"
            )
            break
    else:
        if owner is not None:
            error = AttributeError(f"{owner!r} object has no attribute {name!r}")
        else:
            error = AttributeError(f"module {path!r} has no attribute {name!r}")
    error.name = name
    return error
