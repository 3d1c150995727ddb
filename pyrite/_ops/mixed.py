"""torch's lists of what automatic mixed precision runs in which dtype, by device and name.

"lower" runs in the context's dtype, "float32" in float32, "promote" in the widest dtype among its
inputs, "banned" raises. "keep" is ours: functions that torch has kernels for and does not cast, of
which a part here is on a list. All other functions take their inputs as they come.
"""

from __future__ import annotations

from collections.abc import Iterable

_LOWER = """
    addbmm addmm baddbmm bmm conv1d conv2d conv3d conv_tbc conv_transpose1d conv_transpose2d
    conv_transpose3d linalg_vecdot linear lstm matmul mm prelu rnn_relu rnn_tanh
    scaled_dot_product_attention
"""
_LOSSES = """
    binary_cross_entropy_with_logits cosine_embedding_loss hinge_embedding_loss huber_loss kl_div
    l1_loss margin_ranking_loss mse_loss multi_margin_loss multilabel_margin_loss nll_loss
    poisson_nll_loss smooth_l1_loss soft_margin_loss triplet_margin_loss
"""
_LISTS = {
    "cpu": {
        "lower": _LOWER,
        "float32": f"""
            {_LOSSES} adaptive_avg_pool3d adaptive_max_pool3d avg_pool3d binary_cross_entropy cdist
            cholesky cholesky_inverse cholesky_solve cross_entropy ctc_loss fft_fft fft_fft2
            fft_fftn fft_hfft fft_ifft fft_ifft2 fft_ifftn fft_ihfft fft_irfft fft_irfft2
            fft_irfftn fft_rfft fft_rfft2 fft_rfftn fractional_max_pool2d fractional_max_pool3d
            geqrf grid_sample grid_sampler inverse linalg_cholesky linalg_cholesky_ex
            linalg_cond linalg_eig linalg_eigh linalg_eigvals linalg_eigvalsh
            linalg_householder_product linalg_inv linalg_inv_ex linalg_lstsq linalg_matrix_rank
            linalg_qr linalg_solve linalg_svd linalg_svdvals linalg_tensorinv linalg_tensorsolve
            lu_solve max_pool3d max_unpool2d max_unpool3d nanquantile orgqr ormqr pinverse polar
            prod qr quantile stft svd trace triangular_solve view_as_complex
        """,
        "promote": "cat index_copy stack",
        "keep": "addmv addr dot gru gru_cell lstm_cell mv outer vdot",
    },
    "cuda": {
        "lower": f"""
            {_LOWER} addmv addr chain_matmul einsum gru gru_cell linalg_multi_dot lstm_cell mv
            rnn_relu_cell rnn_tanh_cell
        """,
        "float32": f"""
            {_LOSSES} acos asin cdist cosh cosine_similarity cumprod cumsum dist erfinv exp expm1
            group_norm interpolate layer_norm linalg_matrix_norm linalg_vector_norm log log10 log1p
            log2 log_softmax logsumexp norm pdist pow prod reciprocal renorm rms_norm rsqrt sinh
            softmax softplus sum tan
        """,
        "promote": """
            addcdiv addcmul atan2 bilinear cross dot grid_sample grid_sampler index_put scatter_add
            tensordot vdot
        """,
        "banned": "binary_cross_entropy",
    },
}
POLICIES = {
    device: {name: policy for policy, names in lists.items() for name in names.split()}
    for device, lists in _LISTS.items()
}


def policies(name: str, aliases: Iterable[str] = ()) -> dict[str, str] | None:
    """Device -> policy of a function by any of its public names; None if it is on no list."""
    spelled = [name, *[a.removeprefix("nn.functional.").replace(".", "_") for a in aliases]]
    found = {
        device: rules[n] for device, rules in POLICIES.items() for n in spelled if n in rules
    }  # fmt: skip
    return found or None
