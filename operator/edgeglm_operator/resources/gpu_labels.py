"""What NVIDIA's GPU feature discovery says of a node's GPUs in labels, and what an accelerator asks of them.

It labels by resource: RESOURCE.product and RESOURCE.memory, where RESOURCE is nvidia.com/gpu or, with the MIG strategy
`mixed`, a profile such as nvidia.com/mig-1g.5gb. Shares that the device plugin offers under a name of their own (with
`.shared` at its end) are labelled under the name of the whole (internal/lm/resource.go of NVIDIA/k8s-device-plugin).
"""

from math import ceil
from typing import Final

from edgeglm_api.inference_service import CloudAccelerator
from edgeglm_operator.quantity import number_of
from edgeglm_operator.resources.manifest import Manifest

_VENDOR: Final = "nvidia.com/"
_SHARED: Final = ".shared"
_MIB: Final = 2**20


def is_labelled(accelerator: CloudAccelerator) -> bool:
    """Whether labels tell which nodes have it; of what a claim asks for, the claim itself tells."""
    return accelerator.claim_template_name is None and accelerator.resource_name.startswith(_VENDOR)


def product_label(accelerator: CloudAccelerator) -> str:
    """The label with the model of the GPU; blanks in it are dashes."""
    return f"{_labelled_name(accelerator)}.product"


def memory_label(accelerator: CloudAccelerator) -> str:
    """The label with the memory of each GPU, in MiB."""
    return f"{_labelled_name(accelerator)}.memory"


def asked_of_labels(accelerator: CloudAccelerator | None) -> list[Manifest]:
    """What a node's labels must say, as expressions of a node selector term; nothing where labels tell nothing."""
    if accelerator is None or not is_labelled(accelerator):
        return []
    asked: list[Manifest] = []
    if accelerator.products:
        asked.append({"key": product_label(accelerator), "operator": "In", "values": list(accelerator.products)})
    if (memory := number_of(accelerator.memory)) is not None:
        # An H100 of 80 GB has 81559 MiB, and 80G are 76293.9: so 76294 will do, which is above 76293.
        least_mib = ceil(memory / _MIB)
        asked.append({"key": memory_label(accelerator), "operator": "Gt", "values": [str(least_mib - 1)]})
    return asked


def _labelled_name(accelerator: CloudAccelerator) -> str:
    return accelerator.resource_name.removesuffix(_SHARED)
