"""Operators and layers of computer vision, with torchvision's names."""

from . import boxes, feature_pyramid_network, misc, poolers
from ._drop import (
    DropBlock2d, DropBlock3d, StochasticDepth, drop_block2d, drop_block3d, stochastic_depth,
)  # fmt: skip
from ._losses import (
    complete_box_iou_loss, distance_box_iou_loss, generalized_box_iou_loss, sigmoid_focal_loss,
)  # fmt: skip
from ._regions import (
    DeformConv2d, PSRoIAlign, PSRoIPool, RoIAlign, RoIPool, deform_conv2d, ps_roi_align,
    ps_roi_pool, roi_align, roi_pool,
)  # fmt: skip
from .boxes import (
    batched_nms, box_area, box_convert, box_iou, clip_boxes_to_image, complete_box_iou,
    distance_box_iou, generalized_box_iou, masks_to_boxes, nms, remove_small_boxes,
)  # fmt: skip
from .feature_pyramid_network import FeaturePyramidNetwork
from .misc import (
    MLP, Conv2dNormActivation, Conv3dNormActivation, FrozenBatchNorm2d, Permute,
    SqueezeExcitation,
)  # fmt: skip
from .poolers import MultiScaleRoIAlign

__all__ = [
    "MLP", "Conv2dNormActivation", "Conv3dNormActivation", "DeformConv2d", "DropBlock2d",
    "DropBlock3d", "FeaturePyramidNetwork", "FrozenBatchNorm2d", "MultiScaleRoIAlign", "PSRoIAlign",
    "PSRoIPool", "Permute", "RoIAlign", "RoIPool", "SqueezeExcitation", "StochasticDepth",
    "batched_nms", "box_area", "box_convert", "box_iou", "boxes", "clip_boxes_to_image",
    "complete_box_iou", "complete_box_iou_loss", "deform_conv2d", "distance_box_iou",
    "distance_box_iou_loss", "drop_block2d", "drop_block3d", "feature_pyramid_network",
    "generalized_box_iou", "generalized_box_iou_loss", "masks_to_boxes", "misc", "nms", "poolers",
    "ps_roi_align", "ps_roi_pool", "remove_small_boxes", "roi_align", "roi_pool",
    "sigmoid_focal_loss", "stochastic_depth",
]  # fmt: skip
