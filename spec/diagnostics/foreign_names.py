"""Names of functions, layers, distributions and optimizers of torch, numpy, scipy, JAX and Keras that mai has nothing of the same name for.

Whoever writes one means it: it is no misspelling of a name that is like it.
"""

from __future__ import annotations

NAMES_ELSEWHERE = frozenset(
    """
    adabelief adadelta adamax adaptive_avg_pool1d adaptive_avg_pool3d adaptive_max_pool1d adaptive_max_pool1d_with_indices
    adaptive_max_pool2d_with_indices adaptive_max_pool3d adaptive_max_pool3d_with_indices addbmm addcdiv addcmul addmv addr affine_grid
    affine_grid_generator agm ai_zeros airy airy_ai airye alpha_dropout aminmax angle append apply_along_axis apply_over_axes argpartition
    array2string array_equal array_equiv array_repr array_str as_strided as_strided_scatter as_subclass as_tensor asanyarray asarray_chkfinite
    ascontiguousarray asfortranarray asgd asmatrix assert_int_or_pair assoc_laguerre assoc_legendre_p assoc_legendre_p_all associative_scan
    atleast_1d atleast_2d atleast_3d avg_pool1d avg_pool3d bartlett bartlett_window base_repr batch_norm_backward_elemt
    batch_norm_backward_reduce batch_norm_elemt batch_norm_gather_stats batch_norm_gather_stats_with_counts batch_norm_stats
    batch_norm_update_stats bdtr bdtrc bdtri bdtrik bdtrin bei bei_zeros beip beip_zeros ber ber_zeros berp berp_zeros bessel_j0 bessel_j1
    bessel_jn bessel_y0 bessel_y1 besselpoly betainc betaincc betainccinv betaincinv bfloat16 bi_zeros bilinear binary_repr binom binomial
    bitwise_count bitwise_invert bitwise_left_shift bitwise_right_shift blackman blackman_window block block_diag bmat boolean_dispatch boxcox
    boxcox1p broadcast_arrays broadcast_shapes broadcast_tensors btdtria btdtrib busday_count busday_offset c_roots can_cast cartesian_prod
    cauchy cdouble cfloat cg_roots chalf channel_shuffle chdtr chdtrc chdtri chdtriv chebyc chebys chebyshev_polynomial_t
    chebyshev_polynomial_u chebyshev_polynomial_v chebyshev_polynomial_w chebyt chebyu checkpoint chi2 chndtr chndtridf chndtrinc chndtrix
    cholesky_ex cholesky_inverse choose classproperty coalesce column_stack comb combinations common_type compile compiled_with_cxx11_abi
    complex cond conj conj_physical conjugate const_data_ptr continuous_bernoulli conv_tbc convolution copyto corrcoef correlate cosdg
    cosine_embedding_loss cosm1 cotdg cov cpu ctc_loss cuda cummax cummin cumulative_trapezoid custom_jvp custom_vjp datetime_as_string
    datetime_data dawsn delete dense_dim diag_indices diag_indices_from diagonal_copy diagonal_scatter digitize dim_order diric dist divmod
    dropout1d dropout3d dsmm dsplit dstack ediff1d einsum_path element_size ellip_normal ellipe ellipeinc ellipj ellipk ellipkinc ellipkm1
    elliprc elliprd elliprf elliprg elliprj embedding_bag empty_permuted empty_strided erf_zeros erfi erlang euler eval_chebyc eval_chebys
    eval_chebyt eval_chebyu eval_gegenbauer eval_genlaguerre eval_hermite eval_hermitenorm eval_jacobi eval_laguerre eval_legendre
    eval_sh_chebyt eval_sh_chebyu eval_sh_jacobi eval_sh_legendre exp1 expi expn exprel extract factorial factorial2 factorialk factory_kwargs
    fdtr fdtrc fdtri fdtridfd feature_alpha_dropout feature_dropout fftfreq fftn fftshift fill_diagonal fisher_snedecor flatnonzero
    float_power fold fork format_float_positional format_float_scientific fractional_max_pool2d fractional_max_pool2d_with_indices
    fractional_max_pool3d fractional_max_pool3d_with_indices fresnel fresnel_zeros fresnelc_zeros fresnels_zeros frexp from_dlpack from_numpy
    fromage frombuffer fromfile fromfunction fromiter frompyfunc fromregex fromstring ftrl gammainc gammaincc gammainccinv gammaincinv
    gammasgn gcd gdtr gdtrc gdtria gdtrib gdtrix gegenbauer genfromtxt genlaguerre geometric geomspace geqrf get_float32_matmul_precision
    getbufsize geterr geterrcall gradient grid_sample grid_sampler grid_sampler_2d grid_sampler_3d grouped_mm gru gru_cell h1vp h2vp h_roots
    half_cauchy half_normal halfnormal hamming hamming_window hankel1 hankel1e hankel2 hankel2e hann_window hanning hard_silu hash_tensor
    he_roots hermite hermite_polynomial_h hermite_polynomial_he hermitenorm hfft hfft2 hfftn hinge_embedding_loss histc histogram histogram2d
    histogram_bin_edges histogramdd householder_product hsmm hsplit hspmm hyp0f1 hyp1f1 hyp2f1 hypergeometric hyperu i0e i1e ifftn ifftshift
    igamma igammac ihfft ihfft2 ihfftn imag index_fill index_put index_reduce insert int_repr interp intersect1d inv_boxcox inv_boxcox1p
    inv_ex inverse_gamma ipu irfftn is_grad_enabled iscomplex iscomplexobj isdtype isfortran isin isnat isneginf isposinf isreal isrealobj
    isscalar issubdtype istft itairy iterable ive ivp j_roots jacobi jn_zeros jnjnp_zeros jnp_zeros jnyn_zeros js_roots jve k0e k1e kaiser
    kaiser_window kei kei_zeros keip keip_zeros kelvin kelvin_zeros ker ker_zeros kerp kerp_zeros kolmogi kolmogorov kron kumaraswamy kve kvp
    l_roots la_roots laguerre laguerre_polynomial_l lamb lambertw lbfgs lcm ldexp ldl_factor ldl_factor_ex ldl_solve left_shift legendre
    legendre_p legendre_p_all legendre_polynomial_p lexsort linear_cross_entropy lmbda load loadtxt lobpcg local_response_norm log_mean_exp
    log_wright_bessel logaddexp2 lp_pool1d lp_pool2d lp_pool3d lpmv lqmn lqn lstm lstm_cell lu_factor lu_factor_ex lu_solve lu_unpack map
    margin_ranking_loss mask_indices masked_scatter matrix_rank max_pool1d max_pool1d_with_indices max_pool2d_with_indices max_pool3d
    max_pool3d_with_indices max_unpool1d max_unpool2d max_unpool3d may_share_memory meshgrid min_scalar_type mintypecode mode modf modfresnelm
    modfresnelp modified_bessel_i0 modified_bessel_i1 modified_bessel_k0 modified_bessel_k1 module_load mtia multi_head_attention_forward
    multi_margin_loss multigammaln multilabel_margin_loss mvlgamma nadam nanargmax nanargmin nancumprod nancumsum nanmax nanmin nanprod nanstd
    nanvar native_batch_norm native_dropout native_group_norm native_layer_norm native_norm ndimension ndtri_exp negative_binomial nelement
    nested_iters new_ones new_zeros nextafter noisy_sgd nonzero_static norm_except_dim novograd nuclear_norm numpy orgqr ormqr owens_t p_roots
    packbits pareto partition pbdn_seq pbvv pbvv_seq pbwa pca_lowrank pdist pdtr pdtrc pdtri pdtrik perm permute_dims piecewise pin_memory
    place pmax pmean pmin poch polar poly polyadd polyak polyder polydiv polyfit polygamma polyint polymul polysub polyval positive powm1
    promote_types ps_roots pseudo_huber psum put put_along_axis putmask qscheme radam radian randint_like randperm ravel_multi_index rayleigh
    real real_if_close record_stream register_post_accumulate_grad_hook reinforce relaxed_bernoulli renorm repeat require reshape_as resize_as
    resolve_conj resolve_neg result_type retain_grad rfftfreq rfftn rgamma riccati_jn riccati_yn right_shift rnn_relu rnn_relu_cell rnn_tanh
    rnn_tanh_cell rollaxis roots roots_chebyc roots_chebys roots_chebyt roots_chebyu roots_gegenbauer roots_genlaguerre roots_hermite
    roots_hermitenorm roots_jacobi roots_laguerre roots_legendre roots_sh_chebyt roots_sh_chebyu roots_sh_jacobi roots_sh_legendre rot90
    row_stack rprop rsub s_roots saddmm save savetxt savez savez_compressed scalar_tensor scaled_grouped_mm scaled_mm seed segment_reduce
    select select_scatter set_float32_matmul_precision setbufsize setdiff1d seterr seterrcall setxor1d sgdm sgn sh_chebyt sh_chebyu sh_jacobi
    sh_legendre shares_memory shichi shifted_chebyshev_polynomial_t shifted_chebyshev_polynomial_u shifted_chebyshev_polynomial_v
    shifted_chebyshev_polynomial_w sici sindg skewnorm slice_inverse slice_scatter sm3 smirnov smirnovi smm solve_ex sort_complex spacing
    sparse_plus sparse_sigmoid spence sph_harm_y sph_harm_y_all sph_legendre_p sph_legendre_p_all spherical_bessel_j0 spherical_in
    spherical_jn spherical_kn spherical_yn split_copy split_with_sizes split_with_sizes_copy spmm squareplus sspaddmm standardize std_mean
    stdtr stdtridf stdtrit stft stirling2 storage storage_offset storage_type stride sum_to_size svd svd_lowrank svdvals switch
    sym_constrain_range sym_constrain_range_for_size sym_int sym_max sym_min sym_sqrt sym_sum symeig t_roots tandg tensorinv tensorsolve
    thresholded_relu tklmbda to_dense to_dlpack to_padded_tensor tolist tri triangular tril_indices tril_indices_from trim_zeros triu_indices
    triu_indices_from ts_roots typename u_roots unfold unify_type_list union1d unique unique_all unique_consecutive unique_counts
    unique_inverse unique_values unpackbits unravel_index unsafe_split unsafe_split_with_sizes untyped_storage unwrap upsample_bilinear
    us_roots vander var_mean view_as view_as_complex view_as_real voigt_profile von_mises vonmises vsplit wald weibull wishart wofz
    wright_bessel wrightomega xpu y0_zeros y1_zeros y1p_zeros yn_zeros ynp_zeros yogi yve yvp zeta zetac zipf AdaptiveAvgPool1d
    AdaptiveAvgPool3d AdaptiveMaxPool1d AdaptiveMaxPool3d AlphaDropout AvgPool1d AvgPool3d Bilinear Buffer CTCLoss ChannelShuffle
    CircularPad1d CircularPad2d CircularPad3d ConstantPad1d ConstantPad2d ConstantPad3d CosineEmbeddingLoss CrossMapLRN2d DataParallel
    Dropout1d Dropout3d EmbeddingBag FeatureAlphaDropout Fold FractionalMaxPool2d FractionalMaxPool3d GRU GRUCell HingeEmbeddingLoss
    InstanceNorm1d InstanceNorm3d LPPool1d LPPool2d LPPool3d LSTM LSTMCell LazyBatchNorm1d LazyBatchNorm2d LazyBatchNorm3d LazyConv1d
    LazyConv2d LazyConv3d LazyConvTranspose1d LazyConvTranspose2d LazyConvTranspose3d LazyInstanceNorm1d LazyInstanceNorm2d LazyInstanceNorm3d
    LazyLinear LinearCrossEntropyLoss LinearCrossEntropyOptions LocalResponseNorm MarginRankingLoss MaxPool1d MaxPool3d MaxUnpool1d
    MaxUnpool2d MaxUnpool3d Module ModuleDict ModuleList MultiLabelMarginLoss MultiLabelSoftMarginLoss MultiMarginLoss NLLLoss2d ParameterDict
    ParameterList RNN RNNBase RNNCell RNNCellBase ReflectionPad1d ReflectionPad2d ReflectionPad3d ReplicationPad1d ReplicationPad2d
    ReplicationPad3d SyncBatchNorm Transformer TransformerDecoder TransformerDecoderLayer TransformerEncoder TransformerEncoderLayer Unflatten
    Unfold UninitializedBuffer UninitializedParameter UpsamplingBilinear2d ZeroPad1d ZeroPad3d
    """.split()
)
