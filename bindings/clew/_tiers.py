"""How common each name is that people bring along from PyTorch.

Tier 1: virtually every program needs it. Tier 2: common. Tier 3: rare. The lists hold what is there and
what is not; whether a name is there is seen from the package. `docs/parity.md` is made from them.
"""

from __future__ import annotations

__all__ = ["TIERS"]

# Both functions of clew and methods of Tensor; `name(_)` has the in-place method `name_` as well.
_FUNCTIONS_AND_METHODS = (
    """add(_) sub(_) mul(_) div(_) pow(_) neg(_) abs(_) exp(_) log(_) sqrt(_) rsqrt(_) square(_) reciprocal(_)
    sigmoid(_) tanh(_) relu(_) clamp(_) sign(_) floor(_) ceil(_) round(_) sin(_) cos(_) maximum minimum where
    lerp(_) log1p(_) expm1(_) erf(_) sum mean prod max min argmax argmin amax amin std var all any norm
    logsumexp cumsum(_) eq ne lt le gt ge equal allclose isclose isnan isinf isfinite sort argsort topk
    index_select gather scatter(_) scatter_add(_) masked_fill(_) masked_select nonzero reshape flatten
    squeeze(_) unsqueeze(_) permute transpose(_) t(_) split chunk unbind flip tile movedim matmul mm bmm mv
    dot outer addmm baddbmm bernoulli(_) multinomial""",
    """log2(_) log10(_) exp2(_) tan(_) asin(_) acos(_) atan(_) atan2(_) sinh(_) cosh(_) asinh(_) acosh(_)
    atanh(_) trunc(_) frac(_) fmod(_) remainder(_) floor_divide(_) true_divide addcmul(_) addcdiv(_) clip(_)
    clamp_min clamp_max logit(_) logaddexp logaddexp2 erfc(_) erfinv(_) lgamma(_) digamma(_) hypot
    nan_to_num(_) fmax fmin softmax log_softmax xlogy float_power rad2deg deg2rad copysign positive
    bitwise_and(_) bitwise_or(_) bitwise_xor(_) bitwise_not(_) bitwise_left_shift bitwise_right_shift
    logical_and(_) logical_or(_) logical_xor(_) logical_not(_) angle conj cumprod(_) median mode
    count_nonzero unique unique_consecutive nansum nanmean nanmedian quantile nanquantile cummax cummin
    logcumsumexp aminmax bincount histc histogram dist cov corrcoef diff isposinf isneginf isreal msort
    addmv(_) addbmm(_) addr(_) inner vdot kron cross trace det logdet inverse pinverse cholesky
    cholesky_solve cholesky_inverse matrix_exp index_add(_) index_copy(_) index_fill(_) index_put(_)
    masked_scatter(_) take take_along_dim argwhere scatter_reduce(_) index_reduce(_) select narrow
    select_scatter slice_scatter diagonal_scatter as_strided_scatter unflatten swapaxes swapdims moveaxis
    broadcast_to repeat_interleave roll rot90 fliplr flipud ravel hsplit vsplit dsplit tensor_split tril(_)
    triu(_) diag diagonal diag_embed diagflat as_strided(_) adjoint""",
    """gcd lcm ldexp frexp nextafter signbit sgn sinc i0 polygamma mvlgamma igamma igammac conj_physical
    resolve_conj absolute negative subtract multiply divide arccos arccosh arcsin arcsinh arctan arctan2
    arctanh fix kthvalue renorm(_) greater greater_equal less less_equal not_equal is_same_size heaviside
    geqrf orgqr ormqr lu triangular_solve ger split_with_sizes unsafe_chunk unsafe_split stft istft""",
)

TIERS: dict[str, tuple[str, str, str]] = {
    "": (
        """Tensor Size dtype device Generator float32 float64 float16 bfloat16 int8 int16 int32 int64 uint8
        bool float double half long int short manual_seed get_default_dtype set_default_dtype is_tensor
        is_grad_enabled set_grad_enabled no_grad enable_grad inference_mode tensor as_tensor from_numpy zeros
        ones empty full eye arange linspace zeros_like ones_like empty_like full_like rand randn randint
        randperm rand_like randn_like normal cat stack einsum save load compile export nn optim autograd
        utils cuda accelerator backends amp profiler testing linalg library ops safetensors""",
        """complex64 complex128 cfloat cdouble is_floating_point is_complex is_nonzero finfo iinfo can_cast
        promote_types result_type set_default_device get_default_device set_printoptions get_num_threads
        set_num_threads get_rng_state set_rng_state initial_seed seed use_deterministic_algorithms
        are_deterministic_algorithms_enabled set_float32_matmul_precision get_float32_matmul_precision
        memory_format contiguous_format channels_last preserve_format
        logspace asarray frombuffer from_dlpack tril_indices triu_indices empty_strided complex polar
        randint_like meshgrid cartesian_prod combinations vander scalar_tensor real imag view_as_real
        view_as_complex std_mean var_mean trapezoid isin searchsorted bucketize tensordot chain_matmul cdist
        broadcast_tensors broadcast_shapes hstack vstack dstack column_stack row_stack concat concatenate
        block_diag atleast_1d atleast_2d atleast_3d embedding_renorm_ poisson binomial autocast fft func vmap
        random distributions
        distributed multiprocessing serialization hub onnx vision transforms overrides
        viz summary fx pi inf nan e newaxis""",
        """uint16 uint32 uint64 float8_e4m3fn float8_e5m2 channels_last_3d layout set_num_interop_threads
        set_flush_denormal set_deterministic_debug_mode is_storage UntypedStorage from_file bartlett_window
        blackman_window hamming_window hann_window kaiser_window sparse_coo_tensor sparse_csr_tensor
        histogramdd cumulative_trapezoid gradient trapz lu_unpack svd_lowrank pca_lowrank lobpcg
        segment_reduce narrow_copy quasirandom range svd symeig jit quantization sparse special FloatTensor
        DoubleTensor HalfTensor LongTensor IntTensor ShortTensor ByteTensor CharTensor BoolTensor""",
    ),
    "Tensor": (
        """shape dtype device ndim grad requires_grad is_leaf grad_fn data T mT new_zeros new_ones new_empty
        new_full new_tensor clone numpy tolist item cpu cuda to type float double half bfloat16 long int bool
        __dlpack__ __array__ size dim numel nelement element_size stride storage_offset is_contiguous
        contiguous data_ptr requires_grad_ detach detach_ backward zero_ fill_ copy_ is_cuda get_device
        fill_diagonal_ __len__ __iter__ __repr__ __bool__ __float__ __int__ __getitem__ __setitem__
        __format__ view expand expand_as repeat uniform_ normal_ random_""",
        """_version is_sparse itemsize nbytes H mH real imag retain_grad register_hook
        register_post_accumulate_grad_hook set_ resize_ type_as as_subclass share_memory_ is_shared
        __deepcopy__ __reduce_ex__ untyped_storage pin_memory is_pinned eq_ ne_ lt_ le_ gt_ ge_ put_ unfold
        view_as reshape_as sum_to_size exponential_ geometric_ cauchy_ log_normal_""",
        """layout names rename refine_names align_to is_set_to apply_ map_ to_sparse to_dense coalesce new
        storage record_stream __cuda_array_interface__""",
    ),
    "nn": (
        """Module Parameter Sequential ModuleList ModuleDict Identity Linear Conv1d Conv2d ConvTranspose2d
        BatchNorm1d BatchNorm2d LayerNorm Embedding Dropout Flatten MaxPool2d AvgPool2d AdaptiveAvgPool2d
        ReLU LeakyReLU GELU SiLU Sigmoid Tanh Softmax LogSoftmax RNN LSTM GRU MultiheadAttention
        TransformerEncoderLayer TransformerEncoder CrossEntropyLoss NLLLoss MSELoss L1Loss BCELoss
        BCEWithLogitsLoss functional init utils""",
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
        """forward __call__ parameters named_parameters children named_children modules named_modules buffers
        named_buffers register_parameter register_buffer register_module add_module train eval requires_grad_
        zero_grad to cuda cpu float double half bfloat16 type apply state_dict load_state_dict extra_repr
        __repr__""",
        """register_forward_pre_hook register_forward_hook register_full_backward_hook
        register_full_backward_pre_hook register_state_dict_post_hook register_state_dict_pre_hook
        register_load_state_dict_pre_hook register_load_state_dict_post_hook get_submodule get_parameter
        get_buffer set_submodule get_extra_state set_extra_state share_memory to_empty compile""",
        "register_backward_hook",
    ),
    "nn.functional": (
        """linear conv1d conv2d conv_transpose2d max_pool2d avg_pool2d adaptive_avg_pool2d relu leaky_relu
        gelu silu sigmoid tanh softmax log_softmax dropout embedding layer_norm batch_norm pad one_hot
        cross_entropy nll_loss mse_loss l1_loss binary_cross_entropy binary_cross_entropy_with_logits
        normalize cosine_similarity interpolate scaled_dot_product_attention""",
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
    "nn.init": (
        """uniform_ normal_ constant_ zeros_ ones_ xavier_uniform_ xavier_normal_ kaiming_uniform_
        kaiming_normal_""",
        "trunc_normal_ orthogonal_ eye_ dirac_ sparse_ calculate_gain",
        "",
    ),
    "nn.utils": (
        "clip_grad_norm_ clip_grad_value_ rnn",
        """parameters_to_vector vector_to_parameters get_total_norm clip_grads_with_norm_ weight_norm
        remove_weight_norm spectral_norm remove_spectral_norm parametrize parametrizations fuse_conv_bn_eval
        skip_init stateless""",
        "prune fusion",
    ),
    "nn.utils.rnn": (
        "pad_sequence pack_padded_sequence pad_packed_sequence",
        "PackedSequence pack_sequence unpad_sequence unpack_sequence",
        "",
    ),
    "nn.utils.parametrize": (
        "",
        "register_parametrization remove_parametrizations is_parametrized",
        "cached",
    ),
    "nn.utils.parametrizations": ("", "weight_norm spectral_norm orthogonal", ""),
    "optim": (
        "Optimizer SGD Adam AdamW lr_scheduler",
        "RMSprop Adagrad Adadelta Adamax NAdam RAdam LBFGS swa_utils",
        "ASGD Rprop SparseAdam Adafactor Muon",
    ),
    "optim.Optimizer": (
        "step zero_grad state_dict load_state_dict add_param_group",
        "register_step_pre_hook register_step_post_hook",
        "",
    ),
    "optim.lr_scheduler": (
        "StepLR MultiStepLR ExponentialLR CosineAnnealingLR LambdaLR ReduceLROnPlateau OneCycleLR LinearLR",
        """LRScheduler ConstantLR PolynomialLR SequentialLR ChainedScheduler CyclicLR
        CosineAnnealingWarmRestarts MultiplicativeLR""",
        "",
    ),
    "optim.swa_utils": ("", "AveragedModel SWALR update_bn get_ema_multi_avg_fn", ""),
    "utils": (
        "data cpp_extension tensorboard",
        "checkpoint benchmark collect_env hooks bottleneck flop_counter",
        "dlpack weak mobile_optimizer",
    ),
    "utils.data": (
        """Dataset IterableDataset TensorDataset Subset ConcatDataset random_split DataLoader default_collate
        get_worker_info""",
        """Sampler SequentialSampler RandomSampler SubsetRandomSampler WeightedRandomSampler BatchSampler
        distributed ChainDataset StackDataset default_convert MNIST CIFAR10 ImageFolder LMDB HDF5
        SyntheticImages TextFile""",
        "",
    ),
    "utils.checkpoint": ("", "checkpoint checkpoint_sequential", "create_selective_checkpoint_contexts"),
    "utils.tensorboard": ("SummaryWriter", "", ""),
    "utils.tensorboard.SummaryWriter": (
        """add_scalar add_scalars add_histogram add_image add_graph add_text add_embedding add_hparams flush
        close""",
        "add_images add_figure add_pr_curve",
        "add_video add_audio add_mesh",
    ),
    "utils.cpp_extension": (
        "load load_inline CppExtension CUDAExtension BuildExtension include_paths",
        "",
        "",
    ),
    "utils.benchmark": ("", "Timer Compare", ""),
    "autograd": (
        "backward grad Function Variable",
        """gradcheck gradgradcheck detect_anomaly set_detect_anomaly graph functional once_differentiable
        no_grad enable_grad set_grad_enabled inference_mode""",
        "forward_ad",
    ),
    "autograd.Function": ("forward backward apply", "setup_context jvp vmap", ""),
    "autograd.graph": (
        "",
        """saved_tensors_hooks save_on_cpu disable_saved_tensors_hooks allow_mutation_on_saved_tensors Node
        register_multi_grad_hook""",
        "",
    ),
    "autograd.functional": ("", "jacobian hessian vjp jvp vhp hvp", ""),
    "func": (
        "",
        """grad grad_and_value vjp jvp jacrev jacfwd hessian vmap functional_call stack_module_state
        linearize""",
        "functionalize",
    ),
    "linalg": (
        "norm vector_norm inv solve",
        """multi_dot matrix_norm det slogdet cholesky qr svd svdvals eigh eigvalsh lstsq pinv matrix_rank
        matrix_power solve_triangular cross LinAlgError""",
        """eig eigvals lu lu_factor lu_solve ldl_factor ldl_solve cond matrix_exp householder_product
        tensorinv tensorsolve vander vecdot diagonal cholesky_ex inv_ex solve_ex""",
    ),
    "fft": (
        "",
        """fft ifft fft2 ifft2 fftn ifftn rfft irfft rfft2 irfft2 rfftn irfftn hfft ihfft hfft2 ihfft2 hfftn
        ihfftn fftfreq rfftfreq fftshift ifftshift""",
        "",
    ),
    "special": (
        "",
        "",
        """erf erfc erfcx erfinv expit exp2 expm1 gammaln digamma polygamma log_ndtr ndtr ndtri log_softmax
        softmax logit logsumexp xlogy xlog1py zeta i0 i0e i1 i1e entr sinc multigammaln bessel_j0 bessel_j1
        bessel_y0 bessel_y1 gammainc gammaincc psi""",
    ),
    "random": ("manual_seed", "fork_rng get_rng_state set_rng_state initial_seed seed", ""),
    "distributions": (
        "",
        """Distribution Normal Uniform Bernoulli Categorical MultivariateNormal Independent kl_divergence""",
        """Beta Binomial Cauchy Dirichlet Exponential Gamma Geometric Gumbel Laplace LogNormal Multinomial
        OneHotCategorical Poisson StudentT TransformedDistribution MixtureSameFamily RelaxedBernoulli Weibull
        VonMises Chi2 HalfNormal HalfCauchy Pareto NegativeBinomial FisherSnedecor Kumaraswamy
        LogisticNormal LowRankMultivariateNormal LKJCholesky Wishart ContinuousBernoulli
        RelaxedOneHotCategorical constraints transforms register_kl""",
    ),
    "cuda": (
        """is_available device_count current_device set_device get_device_name synchronize empty_cache
        memory_allocated max_memory_allocated manual_seed manual_seed_all""",
        """device stream Stream Event current_stream default_stream set_stream get_device_capability
        get_device_properties mem_get_info memory_reserved max_memory_reserved memory_stats memory_summary
        memory_snapshot reset_peak_memory_stats OutOfMemoryError is_bf16_supported CUDAGraph graph
        make_graphed_callables is_current_stream_capturing get_rng_state set_rng_state nvtx amp
        set_per_process_memory_fraction""",
        """can_device_access_peer ipc_collect ExternalStream caching_allocator_alloc memory get_arch_list""",
    ),
    "cuda.amp": ("autocast GradScaler", "custom_fwd custom_bwd", ""),
    "cuda.nvtx": ("", "range_push range_pop mark", ""),
    "backends": ("", "cudnn cuda openblas", "mps mkldnn mkl"),
    "backends.cudnn": ("", "enabled benchmark deterministic allow_tf32 version is_available", ""),
    "backends.cuda": ("", "matmul is_built", ""),
    "backends.openblas": ("", "is_available", ""),
    "backends.mps": ("", "", "is_available is_built"),
    "backends.mkldnn": ("", "", "is_available"),
    "backends.mkl": ("", "", "is_available"),
    "amp": (
        "autocast GradScaler",
        "custom_fwd custom_bwd is_autocast_enabled is_autocast_available",
        "",
    ),
    "amp.GradScaler": (
        "scale step update unscale_ get_scale state_dict",
        """load_state_dict is_enabled get_growth_factor set_growth_factor get_backoff_factor
        set_backoff_factor get_growth_interval set_growth_interval""",
        "",
    ),
    "accelerator": (
        "is_available current_accelerator device_count current_device_index set_device_index synchronize",
        "",
        "",
    ),
    "distributed": (
        "",
        """init_process_group destroy_process_group is_available is_initialized get_rank get_world_size
        barrier all_reduce broadcast all_gather gather scatter reduce reduce_scatter all_to_all send recv
        isend irecv ReduceOp new_group Work TCPStore FileStore""",
        "",
    ),
    "multiprocessing": ("", "spawn", ""),
    "safetensors": ("save_file load_file safe_open", "", ""),
    "serialization": ("", "add_safe_globals", ""),
    "onnx": ("", "", "export"),
    "fx": ("", "symbolic_trace GraphModule Node Interpreter", ""),
    "library": (
        "custom_op register_fake register_autograd register_kernel register_vmap",
        "Library opcheck",
        "",
    ),
    "testing": ("assert_close make_tensor", "assert_allclose", ""),
    "profiler": (
        "profile record_function",
        "schedule ProfilerActivity ProfilerAction tensorboard_trace_handler",
        "",
    ),
    "profiler.profile": ("key_averages export_chrome_trace step start stop events", "", "export_stacks"),
}


def _spread() -> None:
    """Puts the shared names into both places they belong to, and the in-place methods into one."""
    for tier, names in enumerate(_FUNCTIONS_AND_METHODS):
        plain = " ".join(name.removesuffix("(_)") for name in names.split())
        in_place = " ".join(name.removesuffix("(_)") + "_" for name in names.split() if name.endswith("(_)"))
        for place, more in (("", plain), ("Tensor", f"{plain} {in_place}")):
            lists = list(TIERS[place])
            lists[tier] = f"{lists[tier]} {more}"
            TIERS[place] = (lists[0], lists[1], lists[2])


_spread()
